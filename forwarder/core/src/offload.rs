//! Checksum completion and segmentation on packet bytes, for devices that do not do it themselves.
//!
//! Invariant: these are pure functions of the given bytes. They allocate nothing and never panic, and they
//! write the bytes that the kernel's own segmentation would have written.
//!
//! | module | for |
//! |---|---|
//! | [`headers`] | where the L3 and L4 headers are, checked once: [`Layout`] |
//! | [`checksum`] | partial checksums: completing, verifying, making |
//! | [`cut`] | a superframe into finished segments, for a device without segmentation, or into smaller superframes, for a link that others wait for |
//! | [`VnetHeader`] | what hands a frame's offloads to the kernel |

pub mod checksum;
pub mod cut;
pub mod headers;

#[cfg(test)]
mod tests;

pub use checksum::Sum;
pub use cut::{Cut, GsoKind};
pub use headers::{Layout, Proto};

pub const F_NEEDS_CSUM: u8 = 1;
pub const GSO_TCPV4: u8 = 1;
pub const GSO_TCPV6: u8 = 4;
pub const GSO_UDP_L4: u8 = 5;
/// A flag beside the type: CWR is set, so the device must clear it after the first segment.
pub const GSO_ECN: u8 = 0x80;

/// The kernel's `TCP_MIN_SND_MSS`: below this a TCP segment is mostly header.
const MIN_MSS: u16 = 48;

/// The virtio-net header (`struct virtio_net_hdr`, the legacy layout without the number of buffers), which tells
/// a packet socket what is left to do for a frame. Invariant: `csum_start`, `csum_offset` and `hdr_len` are
/// those of the frame's [`Layout`]. A superframe's checksum must be partial ([`checksum::make_partial`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    pub flags: u8,
    pub gso_type: u8,
    pub hdr_len: u16,
    pub gso_size: u16,
    pub csum_start: u16,
    pub csum_offset: u16,
}

impl VnetHeader {
    pub const LEN: usize = 10;

    /// `gso`: the kind and segment size of a superframe. `partial`: the checksum is left to the receiver of
    /// this header. For a frame that needs neither, use `VnetHeader::default()`.
    pub fn new(layout: &Layout, gso: Option<(GsoKind, u16)>, partial: bool) -> Self {
        let mut header = Self::default();
        if partial {
            header.flags = F_NEEDS_CSUM;
            header.csum_start = layout.l4_off;
            header.csum_offset = layout.proto.checksum_offset();
        }
        if let Some((kind, gso_size)) = gso {
            header.gso_type = match kind {
                GsoKind::Tcp4 => GSO_TCPV4,
                GsoKind::Tcp6 => GSO_TCPV6,
                GsoKind::UdpL4 => GSO_UDP_L4,
            };
            if layout.cwr && layout.proto == Proto::Tcp {
                header.gso_type |= GSO_ECN;
            }
            header.gso_size = gso_size;
            header.hdr_len = layout.header_len;
        }
        header
    }

    /// The bytes in the machine's own byte order, as packet sockets and legacy tap devices expect them.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [h0, h1] = self.hdr_len.to_ne_bytes();
        let [g0, g1] = self.gso_size.to_ne_bytes();
        let [s0, s1] = self.csum_start.to_ne_bytes();
        let [o0, o1] = self.csum_offset.to_ne_bytes();
        [self.flags, self.gso_type, h0, h1, g0, g1, s0, s1, o0, o1]
    }
}

/// The segment size with which a superframe's segments fit an MTU (which counts from the L3 header on). TCP
/// segments may be made smaller; UDP datagrams must stay as the sender made them.
pub fn fit_mtu(layout: &Layout, gso_size: u16, mtu: u32) -> Option<u16> {
    let headers = u32::from(layout.header_len.checked_sub(layout.l3_off)?);
    let room = u16::try_from(mtu.checked_sub(headers)?).unwrap_or(u16::MAX);
    if gso_size <= room {
        return Some(gso_size);
    }
    (layout.proto == Proto::Tcp && room >= MIN_MSS).then_some(room)
}
