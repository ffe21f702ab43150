//! The token for one frame of a pool.
//!
//! Invariant: for each frame at most one token exists, because only [`crate::Pool`] makes them and
//! nothing copies them. Whoever holds it is the only one to touch the frame's bytes.

/// The right to use one frame. Has to end in [`crate::Pool::free`], a ring or a packet.
#[derive(Debug)]
pub struct Frame {
    idx: u32,
}

impl Frame {
    #[inline]
    pub(crate) fn new(idx: u32) -> Self {
        Self { idx }
    }

    /// The frame's number in its pool.
    #[inline]
    pub fn index(&self) -> u32 {
        self.idx
    }

    /// Gives the token up for its number: ownership is recorded elsewhere from here on.
    #[inline]
    pub(crate) fn into_index(self) -> u32 {
        let idx = self.idx;
        std::mem::forget(self);
        idx
    }
}

/// A token that is dropped is a frame that never comes back. Only debug builds look, so that the
/// token costs nothing where it counts.
#[cfg(debug_assertions)]
impl Drop for Frame {
    fn drop(&mut self) {
        debug_assert!(std::thread::panicking(), "frame {} was dropped, not freed", self.idx);
    }
}
