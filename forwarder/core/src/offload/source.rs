//! Reads a range of a frame that is spread over several buffers.
//!
//! Invariant: `copy_range` fills the whole destination, or reports that the frame is too short.

/// The bytes of a whole frame, in any number of buffers.
pub trait FrameBytes {
    /// Fills `dst` with the bytes from `offset` on. Returns false if the frame ends before that.
    #[must_use]
    fn copy_range(&self, offset: usize, dst: &mut [u8]) -> bool;
}

/// A frame as an iterator over its chunks, which is cloned for each range.
#[derive(Clone, Debug)]
pub struct Chunks<I>(pub I);

impl<'a, I> FrameBytes for Chunks<I>
where
    I: Iterator<Item = &'a [u8]> + Clone,
{
    fn copy_range(&self, offset: usize, dst: &mut [u8]) -> bool {
        copy_from(self.0.clone(), offset, dst)
    }
}

impl FrameBytes for [&[u8]] {
    fn copy_range(&self, offset: usize, dst: &mut [u8]) -> bool {
        copy_from(self.iter().copied(), offset, dst)
    }
}

impl<const N: usize> FrameBytes for [&[u8]; N] {
    fn copy_range(&self, offset: usize, dst: &mut [u8]) -> bool {
        self.as_slice().copy_range(offset, dst)
    }
}

impl FrameBytes for [u8] {
    fn copy_range(&self, offset: usize, dst: &mut [u8]) -> bool {
        copy_from(std::iter::once(self), offset, dst)
    }
}

fn copy_from<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    mut offset: usize,
    mut dst: &mut [u8],
) -> bool {
    for chunk in chunks {
        if dst.is_empty() {
            return true;
        }
        let Some(here) = chunk.get(offset..) else {
            offset -= chunk.len();
            continue;
        };
        offset = 0;
        let len = here.len().min(dst.len());
        let (Some((to, rest)), Some(from)) = (dst.split_at_mut_checked(len), here.get(..len))
        else {
            return false;
        };
        to.copy_from_slice(from);
        dst = rest;
    }
    dst.is_empty()
}
