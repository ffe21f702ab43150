//! Cuts a superframe into smaller superframes, so that it does not hold up a slow link.
//!
//! Invariant: segmenting the pieces gives byte for byte what segmenting the superframe gives. Checksums stay
//! partial, and the segment size stays the same: each piece is for a vnet-header socket.

use super::cut::{Cut, CutError, Field, GsoKind, Refuse};
use super::headers::Layout;
use super::source::FrameBytes;
use super::vnet::VnetHeader;

/// The kernel refuses a UDP superframe of more datagrams than this (`EINVAL` from `sendmsg`). For TCP there
/// is no such bound below what a packet can hold.
pub const UDP_MAX_SEGMENTS: u16 = 128;

/// Cuts one superframe into pieces. It holds a copy of the header and nothing of the payload, so the first
/// piece may be made in place: once the other pieces' payload is copied, call `write_header(0, ..)` over the
/// superframe's own header, and cut the chain off at `piece_len(0)`.
#[derive(Clone, Debug)]
pub struct Pieces {
    cut: Cut,
    gso_size: u16,
    kind: GsoKind,
}

impl Pieces {
    /// Each piece holds as many whole segments as fit into `max_bytes` with the headers (for UDP at most
    /// [`UDP_MAX_SEGMENTS`]), and at least one, even if that is longer.
    pub fn new(
        first: &[u8],
        total_len: u32,
        layout: &Layout,
        gso_size: u16,
        kind: GsoKind,
        max_bytes: u32,
    ) -> Result<Self, Refuse> {
        let room = max_bytes.saturating_sub(u32::from(layout.header_len));
        let segments = room.checked_div(u32::from(gso_size)).ok_or(Refuse::GsoSize)?;
        let most = if kind == GsoKind::UdpL4 { UDP_MAX_SEGMENTS } else { u16::MAX };
        let segments = segments.clamp(1, u32::from(most)) as u16;
        let cut = Cut::new(first, total_len, layout, gso_size, kind, segments)?;
        Ok(Self { cut, gso_size, kind })
    }

    /// The number of pieces, at least 1.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.cut.count()
    }

    /// The length of a whole piece; `None` past the last.
    #[must_use]
    pub fn piece_len(&self, i: u32) -> Option<usize> {
        self.cut.payload(i).map(|(_, len)| self.cut.header_len() + len)
    }

    /// The segment size of piece `i`; 0 if it is a single segment and not a superframe.
    #[must_use]
    pub fn gso_size(&self, i: u32) -> Option<u16> {
        let (_, len) = self.cut.payload(i)?;
        Some(if len > usize::from(self.gso_size) { self.gso_size } else { 0 })
    }

    /// The header to put in front of piece `i` on a vnet-header socket.
    #[must_use]
    pub fn vnet(&self, i: u32) -> Option<VnetHeader> {
        let gso_size = self.gso_size(i)?;
        let mut layout = self.cut.layout;
        layout.cwr &= i == 0;
        let gso = (gso_size > 0).then_some((self.kind, gso_size));
        Some(VnetHeader::new(&layout, gso, true))
    }

    /// Writes only piece `i`'s header; its length is the layout's `header_len`.
    pub fn write_header(&self, i: u32, dst: &mut [u8]) -> Result<(), CutError> {
        self.cut.write_header(i, dst)
    }

    /// Writes piece `i` and returns its length. `src` is the whole superframe.
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
        self.cut.write(i, src, dst, Field::Partial)
    }
}
