//! Several pools over the same frames, one per worker.
//!
//! Invariant: each frame has a home, the one pool whose free list it may be on. A frame that is freed in
//! another pool is put aside there, and is free again only once it has been returned to its home.
//!
//! ```text
//!   pool 0: alloc ─► packet ─── ring ──► pool 1: release ─► away[0]
//!     free ◄── take_back_freed ◄────── ring ◄─────── drain_away(0) ┘
//! ```

use weir_core::broken;

use crate::pool::{Owner, Pool};
use crate::table::Slot;

impl Pool {
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
