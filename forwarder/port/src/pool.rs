//! The frames of a worker: which are free, and who has the others.
//!
//! Invariant: each frame's owner is written down here at every hand-over, so that what the kernel
//! says about a frame can be checked, and `census()` always adds up to the total.

use std::ptr::NonNull;

use weir_abi::META_LEN;
use weir_core::PortId;
use xsk_rs::FrameDesc;

use crate::frame::Frame;
use crate::memory::Memory;
pub use crate::memory::{CHUNK, HEADROOM, ROOM};
use crate::sys;
use crate::umem::{UmemError, UmemHandle};

/// End of a chain.
pub(crate) const NONE: u32 = u32::MAX;

/// Who has a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Free,
    /// Somebody has the token, or a packet that contains it.
    Held,
    /// In a fill ring, or taken from there by the kernel.
    Fill(PortId),
    /// Received, but the chain's end has not arrived yet.
    Rx(PortId),
    /// In a transmit ring, or not completed yet.
    Tx(PortId),
}

impl Owner {
    /// Kind in the high byte, port in the low one: [`weir_core::MAX_PORTS`] is 256.
    const fn pack(self) -> u16 {
        const fn with(kind: u16, port: PortId) -> u16 {
            kind << 8 | (port.0 & 0xff)
        }
        match self {
            Self::Free => 0,
            Self::Held => 1 << 8,
            Self::Fill(port) => with(2, port),
            Self::Rx(port) => with(3, port),
            Self::Tx(port) => with(4, port),
        }
    }

    const fn unpack(packed: u16) -> Self {
        let port = PortId(packed & 0xff);
        match packed >> 8 {
            0 => Self::Free,
            1 => Self::Held,
            2 => Self::Fill(port),
            3 => Self::Rx(port),
            _ => Self::Tx(port),
        }
    }
}

/// What is known of one frame: 8 bytes, so that eight share a cache line.
#[derive(Clone, Copy, Debug)]
struct Slot {
    next: u32,
    len: u16,
    owner: u16,
}

/// Where all frames are. `free + fill + rx + held + tx == total`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    pub total: usize,
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
    /// Whether every frame is somewhere.
    pub fn adds_up(&self) -> bool {
        self.free + self.fill + self.rx + self.held + self.tx == self.total
    }
}

/// Frames and their owners.
#[derive(Debug)]
pub struct Pool {
    memory: Memory,
    slots: Box<[Slot]>,
    /// Last in, first out: the frame that was used last is the one still in the cache.
    free: Vec<u32>,
    reserve: usize,
}

impl Pool {
    /// A pool in plain memory, for ports without a kernel.
    pub fn heap(frames: u32) -> Self {
        Self::over(Memory::heap(frames))
    }

    /// A pool of frames that AF_XDP sockets can use, and the handle to bind them with.
    pub fn umem(frames: u32) -> Result<(Self, UmemHandle), UmemError> {
        let (memory, handle) = UmemHandle::create(frames)?;
        Ok((Self::over(memory), handle))
    }

    fn over(memory: Memory) -> Self {
        let total = memory.frames();
        let empty = Slot { next: NONE, len: 0, owner: Owner::Free.pack() };
        Self {
            slots: vec![empty; total as usize].into(),
            free: (0..total).rev().collect(),
            reserve: total as usize / 8,
            memory,
        }
    }

    /// Frames that fill rings leave in the pool, so that copies and segments can be made even
    /// while every port fills its quota.
    pub fn set_reserve(&mut self, frames: usize) {
        self.reserve = frames.min(self.slots.len());
    }

    #[inline]
    pub fn available(&self) -> usize {
        self.free.len()
    }

    #[inline]
    pub(crate) fn available_to_fill(&self) -> usize {
        self.free.len().saturating_sub(self.reserve)
    }

    #[inline]
    pub fn alloc(&mut self) -> Option<Frame> {
        let idx = self.free.pop()?;
        let slot = self.slot_mut(idx);
        *slot = Slot { next: NONE, len: 0, owner: Owner::Held.pack() };
        Some(Frame::new(idx))
    }

    #[inline]
    pub fn free(&mut self, frame: Frame) {
        self.free_index(frame.into_index());
    }

    #[inline]
    pub(crate) fn free_index(&mut self, idx: u32) {
        self.slot_mut(idx).owner = Owner::Free.pack();
        self.free.push(idx);
    }

    #[inline]
    fn slot(&self, idx: u32) -> &Slot {
        &self.slots[idx as usize]
    }

    #[inline]
    fn slot_mut(&mut self, idx: u32) -> &mut Slot {
        &mut self.slots[idx as usize]
    }

    #[inline]
    pub(crate) fn owner(&self, idx: u32) -> Owner {
        Owner::unpack(self.slot(idx).owner)
    }

    #[inline]
    pub(crate) fn set_owner(&mut self, idx: u32, owner: Owner) {
        self.slot_mut(idx).owner = owner.pack();
    }

    #[inline]
    pub(crate) fn next(&self, idx: u32) -> u32 {
        self.slot(idx).next
    }

    #[inline]
    pub(crate) fn set_next(&mut self, idx: u32, next: u32) {
        self.slot_mut(idx).next = next;
    }

    #[inline]
    pub(crate) fn len_of(&self, idx: u32) -> u16 {
        self.slot(idx).len
    }

    #[inline]
    pub(crate) fn set_len_of(&mut self, idx: u32, len: u16) {
        self.slot_mut(idx).len = len.min(ROOM as u16);
    }

    /// How many bytes of the frame are used.
    #[inline]
    pub fn set_len(&mut self, frame: &Frame, len: u16) {
        self.set_len_of(frame.index(), len);
    }

    /// The used bytes of a frame.
    #[inline]
    pub fn bytes(&self, frame: &Frame) -> &[u8] {
        self.bytes_of(frame.index())
    }

    /// All bytes of a frame, used or not.
    #[inline]
    pub fn bytes_mut(&mut self, frame: &mut Frame) -> &mut [u8] {
        // SAFETY: the token is borrowed exclusively and so is the pool, so nobody else reaches
        // these `ROOM` bytes.
        unsafe { std::slice::from_raw_parts_mut(self.data(frame.index()).as_ptr(), ROOM) }
    }

    #[inline]
    pub(crate) fn bytes_of(&self, idx: u32) -> &[u8] {
        let len = usize::from(self.len_of(idx));
        // SAFETY: `len` is at most `ROOM`; the caller holds the frame (or the table says that the
        // kernel does not), and writing needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.data(idx).as_ptr(), len) }
    }

    #[inline]
    pub(crate) fn bytes_of_mut(&mut self, idx: u32) -> &mut [u8] {
        let len = usize::from(self.len_of(idx));
        // SAFETY: as `bytes_of`; the pool is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.data(idx).as_ptr(), len) }
    }

    #[inline]
    pub(crate) fn data(&self, idx: u32) -> NonNull<u8> {
        self.memory.data(idx)
    }

    #[inline]
    pub(crate) fn headroom(&self, idx: u32) -> &[u8; HEADROOM] {
        self.memory.headroom(idx)
    }

    #[inline]
    pub(crate) fn headroom_mut(&mut self, idx: u32) -> &mut [u8; HEADROOM] {
        self.memory.headroom_mut(idx)
    }

    #[inline]
    pub(crate) fn fill_desc(&self, idx: u32) -> Option<FrameDesc> {
        self.memory.desc(idx)
    }

    #[inline]
    pub(crate) fn tx_desc(&self, idx: u32) -> Option<FrameDesc> {
        self.memory.tx_desc(idx, self.len_of(idx))
    }

    /// Asks for what will be read of a received frame: its metadata, its headers and its place in
    /// the table. Another core has just written the first two, so they are far away.
    #[inline]
    pub(crate) fn prefetch(&self, addr: u64) {
        let idx = addr / CHUNK as u64;
        if let Some(slot) = usize::try_from(idx).ok().and_then(|idx| self.slots.get(idx)) {
            let data = self.data(idx as u32).as_ptr();
            sys::prefetch(data.wrapping_sub(META_LEN));
            sys::prefetch(data);
            sys::prefetch(std::ptr::from_ref(slot).cast());
        }
    }

    /// Checks what the kernel says it received: an address of ours, where packets begin, with a
    /// possible length, in a frame that this port gave it to fill. Then it is the port's.
    #[inline]
    pub(crate) fn claim_received(&mut self, port: PortId, addr: u64, len: u32) -> Option<u32> {
        let idx = addr / CHUNK as u64;
        let slot = self.slots.get_mut(usize::try_from(idx).ok()?)?;
        let whole = addr % CHUNK as u64 == HEADROOM as u64 && len > 0 && len <= ROOM as u32;
        if !whole || slot.owner != Owner::Fill(port).pack() {
            return None;
        }
        *slot = Slot { next: NONE, len: len as u16, owner: Owner::Held.pack() };
        Some(idx as u32)
    }

    /// Checks what the kernel says it sent, and frees the frame. Its length, if it was ours.
    #[inline]
    pub(crate) fn complete(&mut self, port: PortId, addr: u64) -> Option<u16> {
        let idx = u32::try_from(addr / CHUNK as u64).ok()?;
        let slot = self.slots.get(idx as usize)?;
        if slot.owner != Owner::Tx(port).pack() {
            return None;
        }
        let len = slot.len;
        self.free_index(idx);
        Some(len)
    }

    /// Takes a frame back that was meant for a fill ring and did not fit.
    pub(crate) fn unfill(&mut self, addr: u64) {
        let idx = (addr / CHUNK as u64) as u32;
        if matches!(self.owner(idx), Owner::Fill(_)) {
            self.free_index(idx);
        }
    }

    /// Counts every frame.
    pub fn census(&self) -> Census {
        let mut census = Census { total: self.slots.len(), ..Census::default() };
        for slot in &self.slots {
            match Owner::unpack(slot.owner) {
                Owner::Free => census.free += 1,
                Owner::Held => census.held += 1,
                Owner::Fill(_) => census.fill += 1,
                Owner::Rx(_) => census.rx += 1,
                Owner::Tx(_) => census.tx += 1,
            }
        }
        census
    }

    /// Takes back every frame that the kernel had for this port, and returns how many they were.
    /// To be called once the port's sockets are closed: until then the kernel may write to them.
    pub fn reclaim(&mut self, port: PortId) -> usize {
        let mut reclaimed = 0;
        for idx in 0..self.slots.len() as u32 {
            if matches!(self.owner(idx), Owner::Fill(p) | Owner::Rx(p) | Owner::Tx(p) if p == port)
            {
                self.free_index(idx);
                reclaimed += 1;
            }
        }
        reclaimed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_survive_packing() {
        for port in [PortId(0), PortId(1), PortId(255)] {
            for owner in
                [Owner::Free, Owner::Held, Owner::Fill(port), Owner::Rx(port), Owner::Tx(port)]
            {
                assert_eq!(Owner::unpack(owner.pack()), owner);
            }
        }
    }

    #[test]
    fn frames_are_finite_and_come_back() {
        let mut pool = Pool::heap(3);
        let frames: Vec<Frame> = std::iter::from_fn(|| pool.alloc()).collect();
        assert_eq!(frames.len(), 3);
        assert_eq!(pool.census().held, 3);
        for frame in frames {
            pool.free(frame);
        }
        assert_eq!(pool.census(), Census { total: 3, free: 3, ..Census::default() });
    }

    #[test]
    fn the_frame_used_last_is_used_next() {
        let mut pool = Pool::heap(8);
        let frame = pool.alloc().unwrap();
        let idx = frame.index();
        pool.free(frame);
        let frame = pool.alloc().unwrap();
        assert_eq!(frame.index(), idx);
        pool.free(frame);
    }

    #[test]
    fn the_kernel_is_not_believed() {
        let port = PortId(7);
        let mut pool = Pool::heap(4);
        let idx = pool.alloc().unwrap().into_index();
        let addr = u64::from(idx) * CHUNK as u64 + HEADROOM as u64;
        // Held, not in the fill ring.
        assert_eq!(pool.claim_received(port, addr, 60), None);
        pool.set_owner(idx, Owner::Fill(port));
        for (who, addr, len) in [
            (PortId(8), addr, 60),
            (port, addr + 1, 60),
            (port, addr, 0),
            (port, addr, ROOM as u32 + 1),
            (port, 4 * CHUNK as u64 + HEADROOM as u64, 60),
            (port, u64::MAX, 60),
        ] {
            assert_eq!(pool.claim_received(who, addr, len), None);
        }
        assert_eq!(pool.complete(port, addr), None);
        assert_eq!(pool.claim_received(port, addr, 60), Some(idx));
        // Not twice.
        assert_eq!(pool.claim_received(port, addr, 60), None);
        pool.free_index(idx);
    }

    #[test]
    fn reclaim_takes_only_what_the_port_had() {
        let mut pool = Pool::heap(4);
        let [a, b, c] = std::array::from_fn(|_| pool.alloc().unwrap().into_index());
        pool.set_owner(a, Owner::Fill(PortId(1)));
        pool.set_owner(b, Owner::Tx(PortId(1)));
        pool.set_owner(c, Owner::Tx(PortId(2)));
        assert_eq!(pool.reclaim(PortId(1)), 2);
        let census = pool.census();
        assert!(census.adds_up());
        assert_eq!((census.free, census.tx), (3, 1));
    }
}
