//! A container: the packets of one (ingress, egress) pair that are scheduled together, in order.
//! Invariant: at most `CONTAINER_PACKETS` packets and at most its capacity in bytes, unless it is
//! one single packet larger than that; `load()` is always the sum of what is inside.

use std::collections::VecDeque;
use std::fmt;

use crate::{Packet, PortId};

/// The most packets in one container, whatever their size; also the storage allocated for each.
pub const CONTAINER_PACKETS: usize = 64;

/// What packets add up to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Load {
    pub bytes: u64,
    pub packets: u64,
    /// The frames of the pool that the packets occupy.
    pub frames: u64,
}

impl Load {
    #[inline]
    pub fn of<P: Packet>(packet: &P) -> Self {
        Self { bytes: packet.len().into(), packets: 1, frames: packet.frames().into() }
    }
}

impl std::ops::AddAssign for Load {
    #[inline]
    fn add_assign(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.packets += more.packets;
        self.frames += more.frames;
    }
}

impl std::ops::SubAssign for Load {
    #[inline]
    fn sub_assign(&mut self, less: Self) {
        self.bytes -= less.bytes;
        self.packets -= less.packets;
        self.frames -= less.frames;
    }
}

/// Boxed, so that moving one between the engine, the queues and the worker moves a pointer.
pub struct Container<P>(Box<Inner<P>>);

struct Inner<P> {
    packets: VecDeque<P>,
    bytes: u64,
    frames: u64,
    capacity: u32,
    ingress: PortId,
    egress: PortId,
    opened_ns: u64,
    released_ns: u64,
}

impl<P: Packet> Container<P> {
    /// Allocates: cold. The engine recycles them afterwards.
    pub fn new(capacity: u32) -> Self {
        Self(Box::new(Inner {
            packets: VecDeque::with_capacity(CONTAINER_PACKETS),
            bytes: 0,
            frames: 0,
            capacity,
            ingress: PortId(0),
            egress: PortId(0),
            opened_ns: 0,
            released_ns: 0,
        }))
    }

    /// Opens an empty container for a pair.
    #[inline]
    pub fn open(&mut self, now: u64, ingress: PortId, egress: PortId) {
        debug_assert!(self.is_empty());
        let inner = &mut *self.0;
        inner.ingress = ingress;
        inner.egress = egress;
        inner.opened_ns = now;
        inner.released_ns = now;
    }

    /// Closes the container to further packets.
    #[inline]
    pub fn release(&mut self, now: u64) {
        self.0.released_ns = now;
    }

    /// Whether `packets` of `bytes` in total fit. An empty container takes anything, so that a packet larger
    /// than any container still travels, alone.
    #[inline]
    pub fn fits(&self, bytes: u64, packets: usize) -> bool {
        let inner = &*self.0;
        inner.packets.is_empty()
            || (inner.packets.len() + packets <= CONTAINER_PACKETS
                && inner.bytes + bytes <= u64::from(inner.capacity))
    }

    /// Appends a packet. Check `fits` first, or the container grows past its storage.
    #[inline]
    pub fn push(&mut self, packet: P) {
        self.0.bytes += u64::from(packet.len());
        self.0.frames += u64::from(packet.frames());
        self.0.packets.push_back(packet);
    }

    /// Takes the oldest packet out.
    #[inline]
    pub fn pop(&mut self) -> Option<P> {
        let packet = self.0.packets.pop_front()?;
        self.0.bytes -= u64::from(packet.len());
        self.0.frames -= u64::from(packet.frames());
        Some(packet)
    }

    /// Puts the packet that `pop` last returned back in front, when the device had no room for it.
    #[inline]
    pub fn unpop(&mut self, packet: P) {
        self.0.bytes += u64::from(packet.len());
        self.0.frames += u64::from(packet.frames());
        self.0.packets.push_front(packet);
    }

    /// Moves all packets of `other` behind its own. The times stay those of this container, the older one.
    #[inline]
    pub fn absorb(&mut self, other: &mut Self) {
        self.0.bytes += other.0.bytes;
        self.0.frames += other.0.frames;
        other.0.bytes = 0;
        other.0.frames = 0;
        self.0.packets.append(&mut other.0.packets);
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &P> {
        self.0.packets.iter()
    }

    /// Lets the caller record something in each packet; a packet's length must stay the same.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut P> {
        self.0.packets.iter_mut()
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.0.packets.len()
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.packets.is_empty()
    }

    #[inline]
    pub fn bytes(&self) -> u64 {
        self.0.bytes
    }

    #[inline]
    pub fn load(&self) -> Load {
        Load { bytes: self.0.bytes, packets: self.len() as u64, frames: self.0.frames }
    }

    #[inline]
    pub fn ingress(&self) -> PortId {
        self.0.ingress
    }

    #[inline]
    pub fn egress(&self) -> PortId {
        self.0.egress
    }

    /// When its first packet was added.
    #[inline]
    pub fn opened_ns(&self) -> u64 {
        self.0.opened_ns
    }

    /// When it was released.
    #[inline]
    pub fn released_ns(&self) -> u64 {
        self.0.released_ns
    }
}

impl<P> fmt::Debug for Container<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { packets, bytes, ingress, egress, opened_ns, released_ns, .. } = &*self.0;
        let len = packets.len();
        write!(f, "Container({ingress} -> {egress}: {len} packets, {bytes} bytes, ")?;
        write!(f, "opened {opened_ns}, released {released_ns})")
    }
}

/// Empty containers ready for reuse. Last in, first out, because the last one is still in the cache.
///
/// Bound: at most as many are kept as were in the first stock or had to be made since. Containers that came
/// from another worker and were emptied here exceed that number. Up to `SURPLUS` of these are kept until they
/// are sent back; any further ones are freed.
#[derive(Debug)]
pub(crate) struct Spares<P> {
    free: Vec<Container<P>>,
    capacity: u32,
    stock: usize,
    /// The stock and those made since, less those that went to another worker.
    own: usize,
}

/// The most containers of other workers that may wait to be sent back.
const SURPLUS: usize = 256;

impl<P: Packet> Spares<P> {
    pub(crate) fn new(capacity: u32, stock: usize) -> Self {
        let mut free = Vec::with_capacity(stock + SURPLUS);
        free.extend((0..stock).map(|_| Container::new(capacity)));
        Self { free, capacity, stock, own: stock }
    }

    #[inline]
    pub(crate) fn take(&mut self, now: u64, ingress: PortId, egress: PortId) -> Container<P> {
        let mut container = match self.free.pop() {
            Some(container) => container,
            None => self.make(),
        };
        container.open(now, ingress, egress);
        container
    }

    #[cold]
    fn make(&mut self) -> Container<P> {
        self.own += 1;
        Container::new(self.capacity)
    }

    #[inline]
    pub(crate) fn put(&mut self, container: Container<P>) {
        debug_assert!(container.is_empty(), "{container:?} still holds packets");
        if self.free.len() < self.own + SURPLUS {
            self.free.push(container);
        }
    }

    /// A container has left for another worker.
    #[inline]
    pub(crate) fn gone(&mut self) {
        self.own = self.own.saturating_sub(1).max(self.stock);
    }

    /// Takes a container that is not needed here.
    #[inline]
    pub(crate) fn surplus(&mut self) -> Option<Container<P>> {
        if self.free.len() > self.own { self.free.pop() } else { None }
    }

    pub(crate) fn len(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests;
