//! Packets that were handed to a port and that the kernel is not known to have taken yet.
//!
//! Invariant: packets are returned in the order in which they were handed over, each once. The packets of a
//! container nearly always share their times, so these are stored once for a batch of packets.

use weir_core::{PortId, broken, invariant};
use weir_port::Packet;

/// A packet that was handed over; the port owns the packet itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) ingress_ns: u64,
    pub(super) flow: u32,
    /// The mark in the high bits, the length below.
    len_mark: u32,
}

const LEN_BITS: u32 = 24;
const _: () = assert!(
    weir_port::MAX_FRAMES * weir_abi::FRAME_ROOM as usize <= 1 << LEN_BITS,
    "every length fits"
);

impl Sent {
    #[inline]
    pub(super) fn len(&self) -> u32 {
        self.len_mark & ((1 << LEN_BITS) - 1)
    }

    #[inline]
    pub(super) fn mark(&self) -> u8 {
        (self.len_mark >> LEN_BITS) as u8
    }
}

/// Ingress port and stage timestamps. The clock is read before the turn, so a packet sent in it may have
/// arrived a little later; each timestamp is therefore at least the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) ingress: PortId,
    pub(super) taken_ns: u64,
    pub(super) released_ns: u64,
    pub(super) sent_ns: u64,
}

/// A number of packets with the same times.
#[derive(Clone, Copy, Debug)]
struct Batch {
    times: Times,
    packets: usize,
}

/// The log of packets handed to a port. Starts again at the beginning of its memory whenever it is empty, so
/// that a short turn touches little of it.
#[derive(Debug)]
pub(super) struct SentLog {
    packets: Vec<Sent>,
    batches: Vec<Batch>,
    /// The oldest packet and batch that are not settled.
    first: usize,
    first_batch: usize,
}

/// The packets that fit without allocation: twice what a transmit ring holds.
const ROOM: usize = 4096;

impl SentLog {
    pub(super) fn new() -> Self {
        Self {
            packets: Vec::with_capacity(ROOM),
            batches: Vec::with_capacity(ROOM),
            first: 0,
            first_batch: 0,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether the next packet needs an allocation, unless some are settled before.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() == self.packets.capacity()
    }

    #[inline]
    pub(super) fn push(&mut self, packet: &Packet, released_ns: u64, now_ns: u64) {
        let taken_ns = packet.taken_ns;
        let released_ns = released_ns.max(taken_ns);
        let sent_ns = now_ns.max(released_ns);
        self.add(
            Sent {
                ingress_ns: packet.ingress_ns,
                flow: packet.flow,
                len_mark: packet.len() | u32::from(packet.mark) << LEN_BITS,
            },
            Times { ingress: packet.ingress, taken_ns, released_ns, sent_ns },
        );
    }

    #[inline]
    fn add(&mut self, sent: Sent, times: Times) {
        self.packets.push(sent);
        match self.batches.last_mut() {
            Some(batch) if batch.times == times => batch.packets += 1,
            _ => self.batches.push(Batch { times, packets: 1 }),
        }
    }

    /// Removes the last packet, which was not handed over after all.
    #[cold]
    pub(super) fn take_back(&mut self) {
        let last = self.packets.pop();
        invariant!(last.is_some(), "a packet was taken back that was not handed over");
        let Some(batch) = self.batches.last_mut() else {
            return broken!("a packet was handed over and has no times");
        };
        batch.packets -= 1;
        if batch.packets == 0 {
            self.batches.pop();
        }
    }

    /// Returns the last `count` packets, the latest first: they were taken back from the port.
    #[cold]
    pub(super) fn recall(&mut self, count: usize, mut each: impl FnMut(&Times, &Sent)) {
        for _ in 0..count.min(self.packets.len() - self.first) {
            let (Some(sent), Some(batch)) = (self.packets.last(), self.batches.last()) else {
                return broken!("a packet was handed over and has no times");
            };
            each(&batch.times, sent);
            self.take_back();
        }
        self.settle(self.packets.len(), |_, _| {});
    }

    /// Returns the oldest packets, all but the last `waiting`, batch by batch.
    #[inline]
    pub(super) fn settle(&mut self, waiting: usize, mut each: impl FnMut(&Times, &[Sent])) {
        let end = self.packets.len().saturating_sub(waiting);
        while self.first < end
            && let Some(batch) = self.batches.get_mut(self.first_batch)
        {
            let count = batch.packets.min(end - self.first);
            let packets = self.packets.get(self.first..self.first + count).unwrap_or_default();
            each(&batch.times, packets);
            self.first += count;
            batch.packets -= count;
            self.first_batch += usize::from(batch.packets == 0);
        }
        if self.first == self.packets.len() {
            self.packets.clear();
            self.batches.clear();
            (self.first, self.first_batch) = (0, 0);
        } else if self.first >= ROOM / 2 {
            self.packets.drain(..self.first);
            self.batches.drain(..self.first_batch);
            (self.first, self.first_batch) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests;
