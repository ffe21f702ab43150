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
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// The offset of the checksum in the L4 header.
    #[must_use]
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

/// Why there is no [`Layout`] for a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("the headers reach past the first bytes of the frame")]
    Truncated,
    #[error("neither an IPv4 nor an IPv6 header")]
    Version,
    #[error("a fragment: its checksum covers bytes that are not here")]
    Fragment,
    #[error("neither TCP nor UDP, or not at the offset given")]
    Protocol,
    #[error("a length in the headers is impossible, or absent as in a jumbogram")]
    Length,
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
    /// Reads the headers from the first chunk of a frame, at the offsets the classifier found.
    pub fn parse(first: &[u8], l3_off: u16, l4_off: u16) -> Result<Self, HeaderError> {
        let (l3, l4) = (usize::from(l3_off), usize::from(l4_off));
        let version = first.get(l3).ok_or(HeaderError::Truncated)? >> 4;
        let (number, ip_payload) = match version {
            4 => ipv4(first, l3, l4)?,
            6 => ipv6(first, l3, l4)?,
            _ => return Err(HeaderError::Version),
        };
        let byte = |at: usize| first.get(at).copied().ok_or(HeaderError::Truncated);
        let (proto, l4_header, l4_len, cwr) = match number {
            6 => {
                let header = (byte(l4 + 12)? >> 4) * 4;
                if header < 20 {
                    return Err(HeaderError::Length);
                }
                let cwr = byte(l4 + 13)? & FLAG_CWR != 0;
                (Proto::Tcp, u16::from(header), ip_payload, cwr)
            }
            17 => {
                // Shorter than the IP payload if UDP options follow; the checksum covers only this length.
                let len = be16(first, l4 + 4).ok_or(HeaderError::Truncated)?;
                (Proto::Udp, 8, len, false)
            }
            _ => return Err(HeaderError::Protocol),
        };
        if l4_len < l4_header || l4_len > ip_payload {
            return Err(HeaderError::Length);
        }
        let header_len = l4_off.checked_add(l4_header).ok_or(HeaderError::Length)?;
        if first.len() < usize::from(header_len) {
            return Err(HeaderError::Truncated);
        }
        let v6 = version == 6;
        Ok(Self { l3_off, l4_off, header_len, l4_len, v6, proto, cwr })
    }

    /// The offset of the L4 checksum in the frame.
    #[must_use]
    pub fn checksum_at(&self) -> usize {
        usize::from(self.l4_off) + usize::from(self.proto.checksum_offset())
    }
}

/// The protocol, and the bytes from `l4` on that the IPv4 header declares.
fn ipv4(first: &[u8], l3: usize, l4: usize) -> Result<(u8, u16), HeaderError> {
    let header = first.get(l3..l3 + 20).ok_or(HeaderError::Truncated)?;
    let ihl = usize::from(header.first().copied().unwrap_or(0) & 0x0f) * 4;
    if ihl < 20 {
        return Err(HeaderError::Length);
    }
    if l3 + ihl != l4 {
        return Err(HeaderError::Protocol);
    }
    // More fragments or an offset; "don't fragment" does not count.
    if be16(header, 6).ok_or(HeaderError::Truncated)? & 0x3fff != 0 {
        return Err(HeaderError::Fragment);
    }
    let total = be16(header, 2).ok_or(HeaderError::Truncated)?;
    let payload = total.checked_sub(ihl as u16).ok_or(HeaderError::Length)?;
    let proto = header.get(9).copied().ok_or(HeaderError::Truncated)?;
    Ok((proto, payload))
}

/// Same as [`ipv4`], for IPv6: walks the extension headers, which must end at `l4`.
fn ipv6(first: &[u8], l3: usize, l4: usize) -> Result<(u8, u16), HeaderError> {
    let mut next = first.get(l3 + 6).copied().ok_or(HeaderError::Truncated)?;
    let mut at = l3 + V6_HEADER;
    while at < l4 {
        let unit = usize::from(first.get(at + 1).copied().ok_or(HeaderError::Truncated)?);
        let len = match next {
            0 | 43 | 60 | 135 | 139 | 140 => (unit + 1) * 8,
            51 => (unit + 2) * 4,
            44 => return Err(HeaderError::Fragment),
            _ => return Err(HeaderError::Protocol),
        };
        next = first.get(at).copied().ok_or(HeaderError::Truncated)?;
        at += len;
    }
    if at != l4 {
        return Err(HeaderError::Protocol);
    }
    if next == 44 {
        return Err(HeaderError::Fragment);
    }
    let declared = be16(first, l3 + 4).ok_or(HeaderError::Truncated)?;
    let extensions = u16::try_from(l4 - l3 - V6_HEADER).map_err(|_| HeaderError::Length)?;
    let payload = declared.checked_sub(extensions).ok_or(HeaderError::Length)?;
    Ok((next, payload))
}
