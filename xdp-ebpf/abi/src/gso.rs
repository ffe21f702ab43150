//! Which superframes weir can carry, and how the kernel names them.
//! Invariant: a kind that weir cannot send on faithfully has no number. So it is left to the bridge instead
//! of leaving as something else.

use crate::meta::meta_flags;

/// Values of [`Meta::gso_type`](crate::Meta::gso_type). The kernel's own bits do not fit 16.
pub mod gso_kind {
    pub const NONE: u8 = 0;
    pub const TCP4: u8 = 1;
    pub const TCP6: u8 = 2;
    /// UDP datagrams of `gso_size` bytes each, IPv4 or IPv6 (see the `IPV4`/`IPV6` flags).
    pub const UDP_L4: u8 = 3;
}

/// Bits of the kernel's `skb_shared_info::gso_type` (`SKB_GSO_*`).
pub mod skb_gso {
    pub const TCPV4: u32 = 1 << 0;
    /// From an untrusted source (a tap, a packet socket): the code that segments the frame checks it.
    pub const DODGY: u32 = 1 << 1;
    /// CWR is set. The TCP header has the bit as well, and `VnetHeader` (in `core`) takes it from there.
    pub const TCP_ECN: u32 = 1 << 2;
    /// IP identifiers do not count up; since Linux 6.18 the two bits at the top say so.
    pub const TCP_FIXEDID: u32 = 1 << 3 | 1 << 30 | 1 << 31;
    pub const TCPV6: u32 = 1 << 4;
    pub const UDP_L4: u32 = 1 << 17;
    /// Accurate ECN. A vnet header cannot say it. So segments after the first may lose a CWR bit of the
    /// feedback, which is better than refusing the superframe.
    pub const TCP_ACCECN: u32 = 1 << 19;
    pub const TOLERATED: u32 = DODGY | TCP_ECN | TCP_FIXEDID | TCP_ACCECN;
}

/// The kind for the kernel's bits on a frame with these [`meta_flags`]; `None`: weir cannot carry it
/// (tunnels, UFO, fragment lists, or bits that contradict the headers).
#[inline(always)]
pub const fn kind(skb_gso_type: u32, flags: u16) -> Option<u8> {
    if flags & meta_flags::FRAGMENT != 0 {
        return None;
    }
    let tcp4 = meta_flags::IPV4 | meta_flags::TCP;
    let tcp6 = meta_flags::IPV6 | meta_flags::TCP;
    match skb_gso_type & !skb_gso::TOLERATED {
        skb_gso::TCPV4 if flags & tcp4 == tcp4 => Some(gso_kind::TCP4),
        skb_gso::TCPV6 if flags & tcp6 == tcp6 => Some(gso_kind::TCP6),
        skb_gso::UDP_L4 if flags & meta_flags::UDP != 0 => Some(gso_kind::UDP_L4),
        _ => None,
    }
}
