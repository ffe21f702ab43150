//! Cuts a superframe into parts: into segments, the frames that a device with TSO or USO would send, or into
//! pieces, smaller superframes that do not hold up a slow link. The superframe's header is a template, of
//! which a few fields change from one part to the next.
//!
//! Invariant: the parts' payloads, in order, are the superframe's payload, and all but the last have equal
//! length.
//!
//! - Segments are byte for byte what the kernel's `tcp_gso_segment` and `__udp_gso_segment` make (IPv4 ids
//!   increase by one per segment), with complete checksums.
//! - Segmenting the pieces gives byte for byte what segmenting the superframe gives. Their checksums stay
//!   partial, and the segment size stays the same: each piece is for a vnet-header socket.

use super::checksum::{Sum, pseudo};
use super::headers::{Layout, Proto, be16, be32, put16, put32};

/// The longest header that is copied. Ethernet, two tags, and the longest IPv4 and TCP headers take 142
/// bytes; the rest is for IPv6 extension headers.
pub const MAX_HEADER: usize = 256;

/// The kernel refuses a UDP superframe of more datagrams than this (`EINVAL` from `sendmsg`). For TCP there
/// is no such bound below what a packet can hold.
pub const UDP_MAX_SEGMENTS: u16 = 128;

const FIN_PSH: u8 = 0x09;
const CWR: u8 = 0x80;

/// The kinds of superframe that can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoKind {
    Tcp4,
    Tcp6,
    UdpL4,
}

impl GsoKind {
    /// Whether the headers are of this kind.
    pub fn fits(self, layout: &Layout) -> bool {
        match self {
            Self::Tcp4 => layout.proto == Proto::Tcp && !layout.v6,
            Self::Tcp6 => layout.proto == Proto::Tcp && layout.v6,
            Self::UdpL4 => layout.proto == Proto::Udp,
        }
    }
}

/// Cuts one superframe. It holds a copy of the header and nothing of the payload.
#[derive(Clone, Debug)]
pub struct Cut {
    header: [u8; MAX_HEADER],
    layout: Layout,
    gso_size: u16,
    /// The parts are segments, with complete checksums.
    complete: bool,
    payload_len: u32,
    /// Payload bytes of each part but the last.
    step: u32,
    /// The IPv4 ids that each part but the last uses up: one per segment.
    ids: u16,
    count: u32,
}

impl Cut {
    /// Into segments. `first` is the superframe's first chunk, with all of its headers; `total_len` is the
    /// frame's length. `None` if these, the kind or the segment size are impossible.
    #[must_use]
    pub fn segments(
        first: &[u8],
        total_len: u32,
        layout: &Layout,
        gso_size: u16,
        kind: GsoKind,
    ) -> Option<Self> {
        let pieces = Self::new(first, total_len, layout, gso_size, kind, 1)?;
        Some(Self { complete: true, ..pieces })
    }

    /// Into pieces. Each holds as many whole segments as fit into `max_bytes` with the headers (for UDP at
    /// most [`UDP_MAX_SEGMENTS`]), and at least one, even if that is longer.
    #[must_use]
    pub fn pieces(
        first: &[u8],
        total_len: u32,
        layout: &Layout,
        gso_size: u16,
        kind: GsoKind,
        max_bytes: u32,
    ) -> Option<Self> {
        let room = max_bytes.saturating_sub(u32::from(layout.header_len));
        let segments = room.checked_div(u32::from(gso_size))?;
        let most = if kind == GsoKind::UdpL4 { UDP_MAX_SEGMENTS } else { u16::MAX };
        let segments = segments.clamp(1, u32::from(most)) as u16;
        Self::new(first, total_len, layout, gso_size, kind, segments)
    }

    fn new(
        first: &[u8],
        total_len: u32,
        layout: &Layout,
        gso_size: u16,
        kind: GsoKind,
        segments_per_part: u16,
    ) -> Option<Self> {
        if !kind.fits(layout) || gso_size == 0 {
            return None;
        }
        let l3 = u32::from(layout.l3_off);
        let ip_from = if layout.v6 { l3 + 40 } else { l3 };
        let l4_from = if layout.v6 { ip_from } else { l3 + 20 };
        let (l4, end) = (u32::from(layout.l4_off), u32::from(layout.header_len));
        // `Layout::parse` guarantees this, but its fields are public, so a caller may have changed them.
        if l4 < l4_from || end < l4 + if layout.proto == Proto::Tcp { 20 } else { 8 } {
            return None;
        }
        let len = usize::from(layout.header_len);
        let mut header = [0_u8; MAX_HEADER];
        header.get_mut(..len)?.copy_from_slice(first.get(..len)?);
        let payload_len = total_len.checked_sub(u32::from(layout.header_len))?;
        if total_len - ip_from > u32::from(u16::MAX) {
            return None;
        }
        let step = u32::from(gso_size) * u32::from(segments_per_part);
        let count = payload_len.div_ceil(step).max(1);
        let ids = segments_per_part;
        let (layout, complete) = (*layout, false);
        Some(Self { header, layout, gso_size, complete, payload_len, step, ids, count })
    }

    /// The number of parts, at least 1. A tiny `gso_size` can make it large: check it before cutting.
    pub fn count(&self) -> u32 {
        self.count
    }

    fn header_len(&self) -> usize {
        usize::from(self.layout.header_len)
    }

    /// The length of a whole part; `None` past the last.
    pub fn part_len(&self, i: u32) -> Option<usize> {
        self.payload(i).map(|(_, len)| self.header_len() + len)
    }

    /// The segment size of part `i`; 0 if it is a single segment and not a superframe.
    pub fn gso_size(&self, i: u32) -> Option<u16> {
        let (_, len) = self.payload(i)?;
        Some(if len > usize::from(self.gso_size) { self.gso_size } else { 0 })
    }

    /// Where in the superframe part `i`'s payload begins, and its length.
    fn payload(&self, i: u32) -> Option<(usize, usize)> {
        if i >= self.count {
            return None;
        }
        let start = i * self.step; // no overflow: i < count, so this is at most payload_len
        let len = (self.payload_len - start).min(self.step);
        Some((self.header_len() + start as usize, len as usize))
    }

    /// Writes part `i`'s header, the L4 checksum field partial.
    fn write_header(&self, i: u32, payload_len: usize, dst: &mut [u8]) -> Option<()> {
        let header = dst.get_mut(..self.header_len())?;
        header.copy_from_slice(self.header.get(..self.header_len())?);
        let (l3, l4) = (usize::from(self.layout.l3_off), usize::from(self.layout.l4_off));
        let end = self.header_len() + payload_len;
        if self.layout.v6 {
            put16(header, l3 + 4, (end - l3 - 40) as u16)?;
        } else {
            put16(header, l3 + 2, (end - l3) as u16)?;
            let id = be16(header, l3 + 4)?;
            put16(header, l3 + 4, id.wrapping_add((i as u16).wrapping_mul(self.ids)))?;
            put16(header, l3 + 10, 0)?;
            let mut sum = Sum::default();
            sum.add(header.get(l3..l4)?);
            put16(header, l3 + 10, sum.checksum())?;
        }
        let l4_len = (end - l4) as u16;
        match self.layout.proto {
            Proto::Tcp => {
                let seq = be32(header, l4 + 4)?;
                put32(header, l4 + 4, seq.wrapping_add(i * self.step))?;
                let flags = header.get_mut(l4 + 13)?;
                if i > 0 {
                    *flags &= !CWR;
                }
                if i + 1 < self.count {
                    *flags &= !FIN_PSH;
                }
            }
            Proto::Udp => put16(header, l4 + 4, l4_len)?,
        }
        let partial = pseudo(header, &self.layout, l4_len)?.fold();
        put16(header, self.layout.checksum_at(), partial)
    }

    /// Writes part `i` and returns its length. `src` is the whole superframe, in any number of chunks. Of the
    /// buffers in `dst` each is filled before the next is used, and the headers must fit into the first.
    /// `None`: there is no such part, or `src` or `dst` is too short.
    pub fn write<'s, 'd>(
        &self,
        i: u32,
        src: impl IntoIterator<Item = &'s [u8], IntoIter: Clone>,
        dst: impl IntoIterator<Item = &'d mut [u8]>,
    ) -> Option<usize> {
        let (mut at, len) = self.payload(i)?;
        let end = at + len;
        let (src, mut dst) = (src.into_iter(), dst.into_iter());
        let first = dst.next()?;
        self.write_header(i, len, first)?;

        let body = first.get_mut(self.header_len()..)?;
        at += copy_some(src.clone(), at, end, body)?;
        let filled = self.header_len() + len - (end - at);
        let mut sum = Sum::default();
        if self.complete {
            // The field holds the pseudo-header's sum, so summing the L4 part includes it.
            let l4 = usize::from(self.layout.l4_off)..filled;
            sum.add(first.get(l4)?);
        }
        while at < end {
            let next = dst.next()?;
            let copied = copy_some(src.clone(), at, end, next)?;
            at += copied;
            if self.complete {
                sum.add(next.get(..copied).unwrap_or(next));
            }
        }
        if self.complete {
            // Zero would mean "none" for UDP. It stays for TCP, as in the kernel's segmentation.
            let checksum = match (sum.checksum(), self.layout.proto) {
                (0, Proto::Udp) => 0xffff,
                (checksum, _) => checksum,
            };
            put16(first, self.layout.checksum_at(), checksum)?;
        }
        Some(self.header_len() + len)
    }
}

/// Copies bytes from `at` on, up to `end` or as many as fit, and returns their number.
fn copy_some<'a>(
    src: impl Iterator<Item = &'a [u8]>,
    at: usize,
    end: usize,
    dst: &mut [u8],
) -> Option<usize> {
    let len = dst.len().min(end.saturating_sub(at));
    let dst = dst.get_mut(..len)?;
    copy_range(src, at, dst).then_some(len)
}

/// Fills `dst` with the bytes of a frame from `offset` on. Returns false if the frame ends before that.
pub(super) fn copy_range<'a>(
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
