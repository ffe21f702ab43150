//! Software segmentation: cuts a superframe into the frames that a device with TSO or USO would send.
//!
//! Invariant: the result is byte for byte what the kernel's `tcp_gso_segment` and `__udp_gso_segment` make
//! (IPv4 ids increase by one per segment). Every segment's checksums are complete.

use super::cut::{Cut, CutError, Field, GsoKind, Refuse};
use super::headers::Layout;
use super::source::FrameBytes;

/// Cuts one superframe into segments. It holds a copy of the header and nothing of the payload.
#[derive(Clone, Debug)]
pub struct Segmenter {
    cut: Cut,
}

impl Segmenter {
    /// `first` is the superframe's first chunk, with all of its headers; `total_len` is the frame's length.
    pub fn new(
        first: &[u8],
        total_len: u32,
        layout: &Layout,
        gso_size: u16,
        kind: GsoKind,
    ) -> Result<Self, Refuse> {
        Cut::new(first, total_len, layout, gso_size, kind, 1).map(|cut| Self { cut })
    }

    /// The number of segments, at least 1. A tiny `gso_size` can make it large: check it before cutting.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.cut.count()
    }

    /// The length of a whole segment; `None` past the last.
    #[must_use]
    pub fn segment_len(&self, i: u32) -> Option<usize> {
        self.cut.payload(i).map(|(_, len)| self.cut.header_len() + len)
    }

    /// Writes segment `i` and returns its length. `src` is the whole superframe.
    pub fn write<S: FrameBytes + ?Sized>(
        &self,
        i: u32,
        src: &S,
        dst: &mut [u8],
    ) -> Result<usize, CutError> {
        self.write_chain(i, src, std::iter::once(dst))
    }

    /// Same as [`Self::write`], into a chain of buffers: each is filled before the next is used, and the
    /// headers must fit into the first.
    pub fn write_chain<'d, S: FrameBytes + ?Sized>(
        &self,
        i: u32,
        src: &S,
        dst: impl IntoIterator<Item = &'d mut [u8]>,
    ) -> Result<usize, CutError> {
        self.cut.write(i, src, dst, Field::Complete)
    }
}
