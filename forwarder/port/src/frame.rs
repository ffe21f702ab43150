//! The token for one frame of a pool.
//!
//! Invariant: at most one token exists for each frame, because only [`crate::Pool`] makes tokens and nothing
//! copies them. Only the holder of the token touches the frame's bytes.

/// The right to use one frame. It must end in [`crate::Pool::free`], a ring or a packet.
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

    /// Exchanges the token for its number: from here on ownership is recorded elsewhere.
    #[inline]
    pub(crate) fn into_index(self) -> u32 {
        let idx = self.idx;
        std::mem::forget(self);
        idx
    }
}

/// A dropped token is a frame that is never returned. Only debug builds check this, so that the token costs
/// nothing in release builds.
#[cfg(debug_assertions)]
impl Drop for Frame {
    fn drop(&mut self) {
        debug_assert!(std::thread::panicking(), "frame {} was dropped, not freed", self.idx);
    }
}
