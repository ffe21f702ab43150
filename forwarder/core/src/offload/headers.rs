//! The positions of a frame's headers, read once from its first bytes and checked against each other.
//!
//! Invariant: a [`Layout`] that `parse` returned describes headers that lie wholly in the bytes it was parsed
//! from, of an unfragmented TCP or UDP packet with a plausible length.

const FLAG_CWR: u8 = 0x80;
const V6_HEADER: usize = 40;

/// The protocols for which checksums and segments can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    Tcp,
    Udp,
}

impl Proto {
    /// The protocol number in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The offset of the checksum in the L4 header.
    pub const fn checksum_offset(self) -> u16 {
        match self {
            Self::Tcp => 16,
            Self::Udp => 6,
        }
    }
}

/// Offsets and lengths of a TCP or UDP frame. VLAN tags are simply in front of `l3_off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub l3_off: u16,
    pub l4_off: u16,
    /// The length up to the end of the L4 header, including TCP options.
    pub header_len: u16,
    /// The length that the L4 checksum covers, as the headers declare it; what follows is link padding.
    pub l4_len: u16,
    pub v6: bool,
    pub proto: Proto,
    /// TCP congestion window reduced: set on the first segment only.
    pub cwr: bool,
}

pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|pair| u16::from_be_bytes(*pair))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_be_bytes(*four))
}

pub(super) fn put16(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

pub(super) fn put32(bytes: &mut [u8], at: usize, value: u32) -> Option<()> {
    *bytes.get_mut(at..)?.first_chunk_mut()? = value.to_be_bytes();
    Some(())
}

impl Layout {
    /// Reads the headers from the first chunk of a frame, at the offsets the classifier found. `None`: they
    /// reach past the chunk or contradict each other, it is a fragment, or neither TCP nor UDP.
    #[must_use]
    pub fn parse(first: &[u8], l3_off: u16, l4_off: u16) -> Option<Self> {
        let (l3, l4) = (usize::from(l3_off), usize::from(l4_off));
        let version = first.get(l3)? >> 4;
        let (number, ip_payload) = match version {
            4 => ipv4(first, l3, l4)?,
            6 => ipv6(first, l3, l4)?,
            _ => return None,
        };
        let (proto, l4_header, l4_len, cwr) = match number {
            6 => {
                let header = (first.get(l4 + 12)? >> 4) * 4;
                if header < 20 {
                    return None;
                }
                let cwr = first.get(l4 + 13)? & FLAG_CWR != 0;
                (Proto::Tcp, u16::from(header), ip_payload, cwr)
            }
            // Shorter than the IP payload if UDP options follow; the checksum covers only this length.
            17 => (Proto::Udp, 8, be16(first, l4 + 4)?, false),
            _ => return None,
        };
        let header_len = l4_off.checked_add(l4_header)?;
        if l4_len < l4_header || l4_len > ip_payload || first.len() < usize::from(header_len) {
            return None;
        }
        let v6 = version == 6;
        Some(Self { l3_off, l4_off, header_len, l4_len, v6, proto, cwr })
    }

    /// The offset of the L4 checksum in the frame.
    pub fn checksum_at(&self) -> usize {
        usize::from(self.l4_off) + usize::from(self.proto.checksum_offset())
    }
}

/// The protocol, and the bytes from `l4` on that the IPv4 header declares; `None` for a fragment.
fn ipv4(first: &[u8], l3: usize, l4: usize) -> Option<(u8, u16)> {
    let header = first.get(l3..l3 + 20)?;
    let ihl = usize::from(header.first()? & 0x0f) * 4;
    // More fragments or an offset; "don't fragment" does not count.
    let is_fragment = be16(header, 6)? & 0x3fff != 0;
    if ihl < 20 || l3 + ihl != l4 || is_fragment {
        return None;
    }
    let payload = be16(header, 2)?.checked_sub(ihl as u16)?;
    Some((*header.get(9)?, payload))
}

/// Same as [`ipv4`], for IPv6: walks the extension headers, which must end at `l4`.
fn ipv6(first: &[u8], l3: usize, l4: usize) -> Option<(u8, u16)> {
    let mut next = *first.get(l3 + 6)?;
    let mut at = l3 + V6_HEADER;
    while at < l4 {
        let unit = usize::from(*first.get(at + 1)?);
        let len = match next {
            0 | 43 | 60 | 135 | 139 | 140 => (unit + 1) * 8,
            51 => (unit + 2) * 4,
            // Among others 44, a fragment: its checksum covers bytes that are not here.
            _ => return None,
        };
        next = *first.get(at)?;
        at += len;
    }
    if at != l4 {
        return None;
    }
    let extensions = u16::try_from(l4 - l3 - V6_HEADER).ok()?;
    Some((next, be16(first, l3 + 4)?.checked_sub(extensions)?))
}
