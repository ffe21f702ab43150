//! The frames of a worker: which are free, and which owner has each of the others.
//!
//! Invariant: each frame's owner is recorded at every hand-over. So what the kernel reports about a frame can
//! be checked, and `census()` always adds up to the total. Only frames of the pool's own range are ever on
//! its free list; with one worker that is all of them.

use std::ops::Range;

use weir_abi::META_LEN;
use weir_core::{PortId, broken};
use xsk_rs::FrameDesc;

use crate::frame::Frame;
use crate::memory::Memory;
pub use crate::memory::{CHUNK, HEADROOM, ROOM};
use crate::sys;
pub use crate::table::Census;
pub(crate) use crate::table::{NONE, Owner};
use crate::table::{Slot, Table};
use crate::umem::{UmemError, UmemHandle};

/// Frames and their owners.
#[derive(Debug)]
pub struct Pool {
    pub(crate) memory: Memory,
    pub(crate) table: Table,
    /// The frames whose home is this pool: `count` frames from `first` on.
    pub(crate) first: u32,
    pub(crate) count: u32,
    /// Last in, first out: the frame that was used last is still in the cache.
    pub(crate) free: Vec<u32>,
    /// The number of frames that fill rings leave in the pool, so that pieces and segments can be made even
    /// while every port fills its quota.
    pub(crate) reserve: usize,
    /// The index of this pool among the parts, and what was freed here of each other part.
    pub(crate) home: usize,
    pub(crate) away: Box<[Vec<u32>]>,
}

impl Pool {
    /// Some four batches of a refill.
    const ORDERED: usize = 256;

    /// Makes a pool in plain memory, for ports without a kernel.
    pub fn heap(frames: u32) -> Self {
        Self::over(Memory::heap(frames))
    }

    /// Makes a pool of frames that AF_XDP sockets can use, and the handle to bind them with.
    pub fn umem(frames: u32) -> Result<(Self, UmemHandle), UmemError> {
        let (handle, descs) = UmemHandle::open(frames)?;
        let memory = Memory::umem(handle.umem.clone(), descs).ok_or(UmemError::Layout)?;
        Ok((Self::over(memory), handle))
    }

    fn over(memory: Memory) -> Self {
        let count = memory.frames();
        Self {
            table: Table::new(count),
            first: 0,
            count,
            free: (0..count).rev().collect(),
            reserve: count as usize / 8,
            home: 0,
            away: Box::default(),
            memory,
        }
    }

    #[inline]
    pub fn available(&self) -> usize {
        self.free.len()
    }

    /// The frames for fill rings: those above the pool's reserve.
    #[inline]
    pub fn available_to_fill(&self) -> usize {
        self.free.len().saturating_sub(self.reserve)
    }

    #[inline]
    pub fn alloc(&mut self) -> Option<Frame> {
        let idx = self.free.pop()?;
        self.table.set(idx, Slot::single(0, Owner::HELD));
        Some(Frame::new(idx))
    }

    /// Sorts the next frames to be allocated, up to [`Self::ORDERED`], by their place in memory. Frames are
    /// returned in the order in which guests and devices released them. A core that walks a fill ring in
    /// memory order waits much less for memory (docs/journal/reproduce.md).
    #[inline]
    pub(crate) fn order_next(&mut self) {
        let from = self.free.len().saturating_sub(Self::ORDERED);
        if let Some(next) = self.free.get_mut(from..) {
            // The stable sort merges the runs that it finds, mostly two. For this few frames it takes no
            // heap.
            next.sort_by(|a, b| b.cmp(a));
        }
    }

    #[inline]
    pub fn free(&mut self, frame: Frame) {
        self.free_index(frame.into_index());
    }

    #[inline]
    pub(crate) fn free_index(&mut self, idx: u32) {
        if idx.wrapping_sub(self.first) < self.count {
            self.set_owner(idx, Owner::FREE);
            self.free.push(idx);
        } else {
            self.put_aside(idx);
        }
    }

    #[inline]
    pub(crate) fn set_owner(&mut self, idx: u32, owner: Owner) {
        self.table.set(idx, Slot { owner, ..self.table.get(idx) });
    }

    #[inline]
    pub(crate) fn next(&self, idx: u32) -> u32 {
        self.table.get(idx).next
    }

    #[inline]
    pub(crate) fn set_next(&mut self, idx: u32, next: u32) {
        self.table.set(idx, Slot { next, ..self.table.get(idx) });
    }

    #[inline]
    pub(crate) fn len_of(&self, idx: u32) -> u16 {
        self.table.get(idx).len
    }

    #[inline]
    pub(crate) fn set_len_of(&mut self, idx: u32, len: u16) {
        let len = len.min(ROOM as u16);
        self.table.set(idx, Slot { len, ..self.table.get(idx) });
    }

    #[inline]
    pub(crate) fn bytes_of(&self, idx: u32) -> &[u8] {
        let len = usize::from(self.len_of(idx));
        // SAFETY: `len` is at most `ROOM`. The caller has the frame, and keeps it as long as the bytes are
        // borrowed: either a packet or token is borrowed as well, or this pool's table says which owner has
        // it. Writing needs `&mut self`.
        unsafe { std::slice::from_raw_parts(self.memory.data(idx).as_ptr(), len) }
    }

    #[inline]
    pub(crate) fn bytes_of_mut(&mut self, idx: u32) -> &mut [u8] {
        let len = usize::from(self.len_of(idx));
        // SAFETY: as in `bytes_of`; the pool is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.memory.data(idx).as_ptr(), len) }
    }

    #[inline]
    pub(crate) fn tx_desc(&self, idx: u32) -> Option<FrameDesc> {
        self.memory.tx_desc(idx, self.len_of(idx))
    }

    /// Prefetches what will be read of a received frame: its metadata, its headers and its entry in the
    /// table. Another core has just written the first two, so they are not in this core's cache.
    #[inline]
    pub(crate) fn prefetch(&self, addr: u64) {
        let idx = addr / CHUNK as u64;
        if let Some(entry) = self.table.address(idx) {
            let data = self.memory.data(idx as u32).as_ptr();
            sys::prefetch(data.wrapping_sub(META_LEN));
            sys::prefetch(data);
            sys::prefetch(entry);
        }
    }

    /// Checks what the kernel reports as received: an address of this memory where packets begin, with a
    /// possible length, in a frame that this port gave it to fill. The frame then belongs to the port.
    #[inline]
    pub(crate) fn claim_received(&mut self, port: PortId, addr: u64, len: u32) -> Option<u32> {
        let idx = addr / CHUNK as u64;
        let slot = self.table.look_up(idx)?;
        let whole = addr % CHUNK as u64 == HEADROOM as u64 && len > 0 && len <= ROOM as u32;
        if !whole || slot.owner != Owner::fill(port) {
            return None;
        }
        self.table.set(idx as u32, Slot::single(len as u16, Owner::HELD));
        Some(idx as u32)
    }

    /// Checks what the kernel reports as sent, and frees the frame. Returns its length if the port was
    /// sending it.
    #[inline]
    pub(crate) fn complete(&mut self, port: PortId, addr: u64) -> Option<u16> {
        let idx = addr / CHUNK as u64;
        let slot = self.table.look_up(idx)?;
        if slot.owner != Owner::tx(port) {
            return None;
        }
        self.free_index(idx as u32);
        Some(slot.len)
    }

    fn range(&self) -> Range<u32> {
        self.first..self.first + self.count
    }

    /// Counts the pool's own frames, wherever they are. Over all parts of a divided pool every frame is
    /// counted once.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for idx in self.range() {
            census.add(self.table.get(idx).owner);
        }
        census
    }

    /// Takes back every frame that the kernel had for this port, and returns their number. Call it once the
    /// port's sockets are closed: until then the kernel may write to the frames.
    pub fn reclaim(&mut self, port: PortId) -> usize {
        let had = [Owner::fill(port), Owner::rx(port), Owner::tx(port)];
        let mut reclaimed = 0;
        // The whole table: packets that other workers received also left by this port.
        for idx in 0..self.table.frames() {
            if had.contains(&self.table.get(idx).owner) {
                self.free_index(idx);
                reclaimed += 1;
            }
        }
        reclaimed
    }
}

#[cfg(test)]
mod tests;
