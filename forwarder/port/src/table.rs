//! The table of all frames of a process: the owner of each, how much of it is used, and the next one in its
//! chain.
//!
//! Invariant: a frame's entry is written only by its current owner, so plain loads and stores are enough. A
//! frame changes hands between threads through a ring, which orders the entry along with the frame's bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::PortId;

/// The end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// The owner of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Free,
    /// A token exists for it, or a packet contains it.
    Held,
    /// In a fill ring, or taken from there by the kernel.
    Fill(PortId),
    /// Received, but the end of its chain has not arrived yet.
    Rx(PortId),
    /// In a transmit ring, or sent and not completed yet.
    Tx(PortId),
    /// Free, and being returned to its home pool.
    Away,
}

const PORT_BITS: u32 = 12;
const PORT_MASK: u16 = (1 << PORT_BITS) - 1;
const _: () = assert!(weir_core::MAX_PORTS <= PORT_MASK as usize);

impl Owner {
    /// The kind in the high four bits, the port in the others.
    const fn pack(self) -> u16 {
        const fn with(kind: u16, port: PortId) -> u16 {
            kind << PORT_BITS | (port.0 & PORT_MASK)
        }
        match self {
            Self::Free => 0,
            Self::Held => 1 << PORT_BITS,
            Self::Fill(port) => with(2, port),
            Self::Rx(port) => with(3, port),
            Self::Tx(port) => with(4, port),
            Self::Away => 5 << PORT_BITS,
        }
    }

    const fn unpack(packed: u16) -> Self {
        let port = PortId(packed & PORT_MASK);
        match packed >> PORT_BITS {
            0 => Self::Free,
            1 => Self::Held,
            2 => Self::Fill(port),
            3 => Self::Rx(port),
            4 => Self::Tx(port),
            _ => Self::Away,
        }
    }
}

const LEN_SHIFT: u32 = 32;
const OWNER_SHIFT: u32 = 48;

/// The entry of one frame, in 8 bytes, so that eight share a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(u64);

impl Slot {
    #[inline]
    pub(crate) const fn new(next: u32, len: u16, owner: Owner) -> Self {
        Self(next as u64 | (len as u64) << LEN_SHIFT | (owner.pack() as u64) << OWNER_SHIFT)
    }

    #[inline]
    pub(crate) const fn next(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    pub(crate) const fn len(self) -> u16 {
        (self.0 >> LEN_SHIFT) as u16
    }

    #[inline]
    pub(crate) const fn owner(self) -> Owner {
        Owner::unpack((self.0 >> OWNER_SHIFT) as u16)
    }

    /// Compares the owner without unpacking it.
    #[inline]
    pub(crate) const fn is(self, owner: Owner) -> bool {
        (self.0 >> OWNER_SHIFT) as u16 == owner.pack()
    }

    #[inline]
    pub(crate) const fn with_next(self, next: u32) -> Self {
        Self(self.0 & !(u32::MAX as u64) | next as u64)
    }

    #[inline]
    pub(crate) const fn with_len(self, len: u16) -> Self {
        Self(self.0 & !((u16::MAX as u64) << LEN_SHIFT) | (len as u64) << LEN_SHIFT)
    }

    #[inline]
    pub(crate) const fn with_owner(self, owner: Owner) -> Self {
        let kept = self.0 & !((u16::MAX as u64) << OWNER_SHIFT);
        Self(kept | (owner.pack() as u64) << OWNER_SHIFT)
    }
}

/// The entries of all frames. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Table(Arc<[AtomicU64]>);

impl Table {
    pub(crate) fn new(frames: u32) -> Self {
        let empty = Slot::new(NONE, 0, Owner::Free);
        Self((0..frames).map(|_| AtomicU64::new(empty.0)).collect())
    }

    #[inline]
    pub(crate) fn frames(&self) -> u32 {
        self.0.len() as u32
    }

    #[inline]
    pub(crate) fn get(&self, idx: u32) -> Slot {
        Slot(self.0[idx as usize].load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set(&self, idx: u32, slot: Slot) {
        self.0[idx as usize].store(slot.0, Ordering::Relaxed);
    }

    /// Returns `None` for a frame that does not exist.
    #[inline]
    pub(crate) fn look_up(&self, idx: u64) -> Option<Slot> {
        let slot = self.0.get(usize::try_from(idx).ok()?)?;
        Some(Slot(slot.load(Ordering::Relaxed)))
    }

    /// The address of an entry, to be prefetched.
    #[inline]
    pub(crate) fn address(&self, idx: u64) -> Option<*const u8> {
        let slot = self.0.get(usize::try_from(idx).ok()?)?;
        Some(std::ptr::from_ref(slot).cast())
    }
}

/// The number of frames by owner. `free + fill + rx + held + tx == total`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub total: usize,
    /// Includes those being returned by another worker.
    pub free: usize,
    /// Given to the kernel to receive into.
    pub fill: usize,
    /// In chains whose end has not arrived yet.
    pub rx: usize,
    /// In packets and tokens.
    pub held: usize,
    /// Given to the kernel to send.
    pub tx: usize,
}

impl Census {
    pub(crate) fn add(&mut self, owner: Owner) {
        self.total += 1;
        match owner {
            Owner::Free | Owner::Away => self.free += 1,
            Owner::Held => self.held += 1,
            Owner::Fill(_) => self.fill += 1,
            Owner::Rx(_) => self.rx += 1,
            Owner::Tx(_) => self.tx += 1,
        }
    }

    /// Whether every frame is counted.
    pub fn adds_up(&self) -> bool {
        self.free + self.fill + self.rx + self.held + self.tx == self.total
    }

    /// The sum of two pools' frames.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            total: self.total + other.total,
            free: self.free + other.free,
            fill: self.fill + other.fill,
            rx: self.rx + other.rx,
            held: self.held + other.held,
            tx: self.tx + other.tx,
        }
    }
}

#[cfg(test)]
mod tests;
