//! The table of all frames of a process: the owner of each, how much of it is used, and the next one in its
//! chain.
//!
//! Invariant: a frame's entry is written only by its current owner, so plain loads and stores are enough. A
//! frame changes hands between threads through a ring, which orders the entry along with the frame's bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_core::PortId;
use zerocopy::{FromBytes, IntoBytes, transmute};

/// The end of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// The owner of a frame: the kind in the high four bits, the port in the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes)]
#[repr(transparent)]
pub(crate) struct Owner(u16);

const PORT_BITS: u32 = 12;
const PORT_MASK: u16 = (1 << PORT_BITS) - 1;
const _: () = assert!(weir_core::MAX_PORTS <= PORT_MASK as usize);
const FILL: u16 = 2 << PORT_BITS;
const RX: u16 = 3 << PORT_BITS;
const TX: u16 = 4 << PORT_BITS;

impl Owner {
    pub(crate) const FREE: Self = Self(0);
    /// A token exists for it, or a packet contains it.
    pub(crate) const HELD: Self = Self(1 << PORT_BITS);
    /// Free, and being returned to its home pool.
    pub(crate) const AWAY: Self = Self(5 << PORT_BITS);

    /// In a fill ring, or taken from there by the kernel.
    pub(crate) const fn fill(port: PortId) -> Self {
        Self(FILL | port.0 & PORT_MASK)
    }

    /// Received, but the end of its chain has not arrived yet.
    pub(crate) const fn rx(port: PortId) -> Self {
        Self(RX | port.0 & PORT_MASK)
    }

    /// In a transmit ring, or sent and not completed yet.
    pub(crate) const fn tx(port: PortId) -> Self {
        Self(TX | port.0 & PORT_MASK)
    }
}

/// The entry of one frame, in 8 bytes, so that eight share a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes)]
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) next: u32,
    pub(crate) len: u16,
    pub(crate) owner: Owner,
}

impl Slot {
    /// The entry of a frame that is no part of a chain.
    pub(crate) const fn single(len: u16, owner: Owner) -> Self {
        Self { next: NONE, len, owner }
    }
}

/// The entries of all frames. Cloning shares them.
#[derive(Clone, Debug)]
pub(crate) struct Table(Arc<[AtomicU64]>);

impl Table {
    pub(crate) fn new(frames: u32) -> Self {
        let empty = Slot::single(0, Owner::FREE);
        Self((0..frames).map(|_| AtomicU64::new(transmute!(empty))).collect())
    }

    #[inline]
    pub(crate) fn frames(&self) -> u32 {
        self.0.len() as u32
    }

    #[inline]
    pub(crate) fn get(&self, idx: u32) -> Slot {
        transmute!(self.0[idx as usize].load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set(&self, idx: u32, slot: Slot) {
        self.0[idx as usize].store(transmute!(slot), Ordering::Relaxed);
    }

    /// Returns `None` for a frame that does not exist.
    #[inline]
    pub(crate) fn look_up(&self, idx: u64) -> Option<Slot> {
        let slot = self.0.get(usize::try_from(idx).ok()?)?;
        Some(transmute!(slot.load(Ordering::Relaxed)))
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
            Owner::HELD => self.held += 1,
            Owner(of) if of & !PORT_MASK == FILL => self.fill += 1,
            Owner(of) if of & !PORT_MASK == RX => self.rx += 1,
            Owner(of) if of & !PORT_MASK == TX => self.tx += 1,
            Owner(_) => self.free += 1,
        }
    }

    /// Whether every frame is counted.
    pub fn adds_up(&self) -> bool {
        self.free + self.fill + self.rx + self.held + self.tx == self.total
    }
}

#[cfg(test)]
mod tests;
