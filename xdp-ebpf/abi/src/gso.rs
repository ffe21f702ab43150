//! Which superframes weir can carry, and how the kernel names them.
//! Invariant: a kind that cannot be sent on faithfully is never given a number, so it is dropped
//! under a reason instead of leaving as something else.

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
    /// From an untrusted source (a tap, a packet socket): checked by whoever segments.
    pub const DODGY: u32 = 1 << 1;
    /// CWR is set in the header, where whoever sends the frame on finds it too.
    pub const TCP_ECN: u32 = 1 << 2;
    /// IP identifiers do not count up; since 6.18 in the two bits at the top.
    pub const TCP_FIXEDID: u32 = 1 << 3 | 1 << 30 | 1 << 31;
    pub const TCPV6: u32 = 1 << 4;
    pub const UDP_L4: u32 = 1 << 17;
    /// Accurate ECN. A vnet header cannot say it: segments after the first may lose a CWR bit of
    /// the feedback, which is better than losing them all.
    pub const TCP_ACCECN: u32 = 1 << 19;
    pub const TOLERATED: u32 = DODGY | TCP_ECN | TCP_FIXEDID | TCP_ACCECN;
}

/// The kind for the kernel's bits on a frame with these [`meta_flags`]; `None`: cannot be carried
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
