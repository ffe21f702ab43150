//! The frames of a worker: which are free, and which owner has each of the others.
//!
//! Invariant: each frame's owner is recorded at every hand-over. So what the kernel reports about a frame can
//! be checked, and `census()` always adds up to the total. Only frames of the pool's own range are ever on
//! its free list; with one worker that is all of them. Several workers have a pool each over the same frames.
//! Each frame has a home, the one pool whose free list it may be on. A frame that is freed in another pool is
//! put aside there, and is free again only once it has been returned to its home.
//!
//! ```text
//!   pool 0: alloc ─► packet ─── ring ──► pool 1: release ─► away[0]
//!     free ◄── take_back_freed ◄────── ring ◄─────── drain_away(0) ┘
//! ```

use std::ops::Range;

use weir_abi::META_LEN;
use weir_core::{PortId, broken};

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
    table: Table,
    /// The frames whose home is this pool: `count` frames from `first` on.
    first: u32,
    count: u32,
    /// Last in, first out: the frame that was used last is still in the cache.
    free: Vec<u32>,
    /// The number of frames that fill rings leave in the pool, so that pieces and segments can be made even
    /// while every port fills its quota.
    reserve: usize,
    /// The index of this pool among the parts, and what was freed here of each other part.
    home: usize,
    away: Box<[Vec<u32>]>,
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

    /// Makes one pool for each worker, all over the same frames. Each is the home of an equal part of them,
    /// and can use frames of any other. A pool that is already a part is returned whole.
    #[must_use]
    pub fn divide(mut self, parts: usize) -> Vec<Self> {
        let parts = parts.clamp(1, self.count as usize);
        if parts == 1 || !self.away.is_empty() {
            return vec![self];
        }
        let step = self.count / parts as u32;
        let mut divided: Vec<Self> = (0..parts)
            .map(|home| {
                let first = home as u32 * step;
                let count = if home + 1 == parts { self.count - first } else { step };
                // Room for all frames that can be there, so that freeing never allocates.
                let room = |of: usize| match of {
                    of if of == home => 0,
                    of if of + 1 == parts => self.count - of as u32 * step,
                    _ => step,
                };
                Self {
                    memory: self.memory.clone(),
                    table: self.table.clone(),
                    first,
                    count,
                    free: Vec::with_capacity(count as usize),
                    reserve: self.reserve / parts,
                    home,
                    away: (0..parts).map(|of| Vec::with_capacity(room(of) as usize)).collect(),
                }
            })
            .collect();
        // From the bottom of the list, so that the order of use stays the same.
        for idx in std::mem::take(&mut self.free) {
            if let Some(pool) = divided.get_mut(self.home_of(idx, parts)) {
                pool.free.push(idx);
            }
        }
        divided
    }

    fn home_of(&self, idx: u32, parts: usize) -> usize {
        let step = (self.table.frames() / parts as u32).max(1);
        ((idx / step) as usize).min(parts - 1)
    }

    /// The index of this pool among the parts.
    #[inline]
    pub fn home(&self) -> usize {
        self.home
    }

    /// The number of parts.
    #[inline]
    pub fn homes(&self) -> usize {
        self.away.len().max(1)
    }

    /// The number of frames freed here that have to be returned to this home.
    #[inline]
    pub fn away(&self, home: usize) -> usize {
        self.away.get(home).map_or(0, Vec::len)
    }

    /// Frees a frame whose home is another pool.
    #[cold]
    pub(crate) fn put_aside(&mut self, idx: u32) {
        let home = self.home_of(idx, self.homes());
        self.set_owner(idx, Owner::AWAY);
        match self.away.get_mut(home) {
            Some(list) => list.push(idx),
            None => broken!("a frame was freed that has no home"),
        }
    }

    /// Passes each frame to be returned to `home` to `send`, until `send` refuses one, which is kept. An
    /// accepted frame must be given to the other pool's [`Self::take_back_freed`].
    pub fn drain_away(&mut self, home: usize, mut send: impl FnMut(u32) -> bool) {
        let Some(list) = self.away.get_mut(home) else { return };
        while let Some(&idx) = list.last() {
            if !send(idx) {
                return;
            }
            list.pop();
        }
    }

    /// Takes back a frame of this home that another pool freed. Returns false for any other number: a frame
    /// of another home, or one that is not being returned.
    #[inline]
    pub fn take_back_freed(&mut self, idx: u32) -> bool {
        if idx.wrapping_sub(self.first) >= self.count {
            return false;
        }
        let slot = self.table.get(idx);
        if slot.owner != Owner::AWAY {
            return false;
        }
        self.table.set(idx, Slot { owner: Owner::FREE, ..slot });
        self.free.push(idx);
        true
    }
}

#[cfg(test)]
mod tests;
