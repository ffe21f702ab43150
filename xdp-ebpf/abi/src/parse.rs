//! The parser: Ethernet, up to two VLAN tags, IPv4, IPv6 with extension headers, ARP, TCP, UDP,
//! ICMP, in one pass with wide reads. Invariant: it never panics and never loops beyond
//! [`MAX_EXTENSIONS`]; lengths are checked against the whole frame, reads against its linear part.

use crate::bytes::mac_bytes;
use crate::checksum::{pseudo_sum_v4, pseudo_sum_v6};
use crate::{Bytes, Malformed, Verdict, meta_flags, verdict};

/// IPv6 extension headers looked through; behind more of them L4 stays unknown.
pub const MAX_EXTENSIONS: usize = 8;

const ETH_LEN: usize = 14;
const IPV4_LEN: u32 = 20;
const IPV6_LEN: u32 = 40;
const TCP_LEN: u32 = 20;
const UDP_LEN: u32 = 8;
const ICMP_LEN: u32 = 8;

mod ethertype {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const QINQ: u16 = 0x88a8;
    pub(super) const IPV6: u16 = 0x86dd;
}

mod proto {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const DESTINATION: u8 = 60;
}

/// The Ethernet header as numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Low 48 bits, the first byte highest.
    pub dst: u64,
    pub src: u64,
    /// EtherType or 802.3 length; that of the first tag, if there is one.
    pub kind: u16,
}

impl Ethernet {
    /// The destination has the group bit.
    #[inline(always)]
    pub const fn is_group(&self) -> bool {
        self.dst >> 40 & 1 != 0
    }

    /// The bytes begin with a tag.
    #[inline(always)]
    pub const fn has_tag(&self) -> bool {
        is_tag(self.kind)
    }

    /// The source is one station's address, as a bridge wants it: neither a group's nor zero.
    #[inline(always)]
    pub const fn has_valid_source(&self) -> bool {
        self.src >> 40 & 1 == 0 && self.src != 0
    }
}

/// Parses a frame. An unknown protocol gives [`meta_flags::OTHER`] or no L4; an error is a header that is cut
/// off or impossible.
#[inline(always)]
pub fn classify<B: Bytes + ?Sized>(b: &B) -> Result<Verdict, Malformed> {
    classify_from(b, ethernet(b)?)
}

/// The first step of [`classify`], for callers that decide on addresses before anything else.
#[inline(always)]
pub fn ethernet<B: Bytes + ?Sized>(b: &B) -> Result<Ethernet, Malformed> {
    let (Some(first), Some(second), Some(kind)) = (b.be64(0), b.be32(8), b.be16(12)) else {
        return Err(Malformed::Runt);
    };
    Ok(Ethernet { dst: first >> 16, src: (first & 0xffff) << 32 | u64::from(second), kind })
}

/// The rest of [`classify`].
#[inline(always)]
pub fn classify_from<B: Bytes + ?Sized>(b: &B, eth: Ethernet) -> Result<Verdict, Malformed> {
    let mut kind = eth.kind;
    let mut v = Verdict { dst: mac_bytes(eth.dst), src: mac_bytes(eth.src), ..Verdict::default() };
    if eth.is_group() {
        v.flags |= meta_flags::MULTICAST;
    }

    let mut off = ETH_LEN;
    if is_tag(kind) {
        let tag = b.be32(off).ok_or(Malformed::Vlan)?;
        v.vlan = (tag >> 16) as u16 & 0x0fff;
        v.flags |= meta_flags::TAGGED;
        kind = tag as u16;
        off += 4;
        if is_tag(kind) {
            let tag = b.be32(off).ok_or(Malformed::Vlan)?;
            v.flags |= meta_flags::TAGGED2;
            kind = tag as u16;
            off += 4;
        }
    }
    let off = b.opaque(off as u32) as usize;
    // What follows works in 32 bits: a frame is far shorter, and the verifier keeps such bounds.
    let room = (b.len() as u32).saturating_sub(off as u32);
    let hash = match kind {
        ethertype::IPV4 => ipv4(b, off, room, &mut v)?,
        ethertype::IPV6 => ipv6(b, off, room, &mut v)?,
        ethertype::ARP => {
            arp(b, off, room, &mut v)?;
            mix(mix(0, eth.dst << 16 | u64::from(kind)), eth.src)
        }
        _ => {
            v.flags |= meta_flags::OTHER;
            mix(mix(0, eth.dst << 16 | u64::from(kind)), eth.src)
        }
    };
    v.flow_hash = (hash ^ hash >> 32) as u32 ^ verdict::vlan_hash(v.vlan);
    v.flags = b.opaque(u32::from(v.flags)) as u16;
    Ok(v)
}

/// The address that an address lock is about: see [`verdict::source_address`]. It is sought behind as many
/// tags as by [`classify`], and nothing else is read. An error is an address that is cut off, or behind more
/// tags: a receiver takes off any number of them.
#[inline(always)]
pub fn source<B: Bytes + ?Sized>(b: &B, eth: &Ethernet) -> Result<Option<[u8; 16]>, Malformed> {
    let (mut kind, mut off) = (eth.kind, ETH_LEN);
    for _ in 0..2 {
        if is_tag(kind) {
            kind = b.be32(off).ok_or(Malformed::Vlan)? as u16;
            off += 4;
        }
    }
    let off = b.opaque(off as u32) as usize;
    let (flags, last, malformed) = match kind {
        ethertype::IPV4 => (meta_flags::IPV4, 16, Malformed::Ipv4),
        ethertype::IPV6 => (meta_flags::IPV6, 36, Malformed::Ipv6),
        ethertype::ARP => (meta_flags::ARP, 4, Malformed::Arp),
        _ if is_tag(kind) => return Err(Malformed::Vlan),
        _ => return Ok(None),
    };
    if b.be32(off + last).is_none() {
        return Err(malformed);
    }
    Ok(verdict::source_address(b, flags, off as u16))
}

#[inline(always)]
const fn is_tag(kind: u16) -> bool {
    kind == ethertype::VLAN || kind == ethertype::QINQ
}

/// One step of the flow hash. It is cheap in eBPF, and folds the product's high bits into the low ones.
#[inline(always)]
const fn mix(hash: u64, word: u64) -> u64 {
    let product =
        (hash ^ word).wrapping_add(0x6a09_e667_f3bc_c909).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 29
}

#[inline(always)]
fn ipv4<B: Bytes + ?Sized>(
    b: &B,
    off: usize,
    room: u32,
    v: &mut Verdict,
) -> Result<u64, Malformed> {
    let (Some(first), Some(second), Some(dst)) = (b.be64(off), b.be64(off + 8), b.be32(off + 16))
    else {
        return Err(Malformed::Ipv4);
    };
    let header = (first >> 56 & 0xf) as u32 * 4;
    let total = match (first >> 32) as u32 & 0xffff {
        0 => room, // BIG TCP: too long for the field
        declared => declared,
    };
    if first >> 60 != 4 || header < IPV4_LEN || total < header || total > room {
        return Err(Malformed::Ipv4);
    }
    let src = second as u32;
    v.flags |= meta_flags::IPV4;
    v.l3_off = off as u16;
    v.proto = (second >> 48) as u8;
    v.l4_len = total - header;
    let hash = mix(mix(0, u64::from(src) << 32 | u64::from(dst)), u64::from(v.proto));
    if first & 0x3fff != 0 {
        v.flags |= meta_flags::FRAGMENT;
        return Ok(hash);
    }
    let l4_off = b.opaque(off as u32 + header) as usize;
    let ports = transport(b, l4_off, proto::ICMP, v)?;
    v.pseudo = if v.csum_len != 0 { pseudo_sum_v4(src, dst, v.proto, v.csum_len) } else { 0 };
    Ok(mix(hash, ports))
}

#[inline(always)]
fn ipv6<B: Bytes + ?Sized>(
    b: &B,
    off: usize,
    room: u32,
    v: &mut Verdict,
) -> Result<u64, Malformed> {
    let word = |n: usize| b.be64(off + 8 * n).ok_or(Malformed::Ipv6);
    let first = word(0)?;
    let (src, dst) = ([word(1)?, word(2)?], [word(3)?, word(4)?]);
    if first >> 60 != 6 || room < IPV6_LEN {
        return Err(Malformed::Ipv6);
    }
    let mut left = match (first >> 16) as u32 & 0xffff {
        0 => room - IPV6_LEN, // a jumbogram or BIG TCP
        declared => declared,
    };
    if left > room - IPV6_LEN {
        return Err(Malformed::Ipv6);
    }
    v.flags |= meta_flags::IPV6;
    v.l3_off = off as u16;

    let mut next = (first >> 8) as u8;
    let mut at = off + IPV6_LEN as usize;
    let mut whole = true;
    for _ in 0..MAX_EXTENSIONS {
        if !is_extension(next) {
            break;
        }
        let head = b.be32(at).ok_or(Malformed::Ipv6)?;
        let units = head >> 16 & 0xff;
        let size = match next {
            proto::FRAGMENT => 8,
            proto::AUTHENTICATION => (units + 2) * 4,
            _ => (units + 1) * 8,
        };
        if size > left {
            return Err(Malformed::Ipv6);
        }
        left = b.opaque(left - size);
        at = b.opaque(at as u32 + size) as usize;
        // An "atomic" fragment (offset 0, no more to come) is a whole datagram.
        let fragment = next == proto::FRAGMENT && head & 0xfff9 != 0;
        next = (head >> 24) as u8;
        if fragment {
            v.flags |= meta_flags::FRAGMENT;
            whole = false;
            break;
        }
    }
    v.proto = next;
    v.l4_len = left;
    let hash = mix(mix(mix(mix(0, src[0]), src[1]), dst[0]), dst[1]);
    let hash = mix(hash, u64::from(next));
    if !whole || is_extension(next) {
        return Ok(hash);
    }
    let at = b.opaque(at as u32) as usize;
    let ports = transport(b, at, proto::ICMPV6, v)?;
    v.pseudo = if v.csum_len != 0 { pseudo_sum_v6(src, dst, next, v.csum_len) } else { 0 };
    Ok(mix(hash, ports))
}

#[inline(always)]
const fn is_extension(next: u8) -> bool {
    matches!(
        next,
        proto::HOP_BY_HOP
            | proto::ROUTING
            | proto::FRAGMENT
            | proto::AUTHENTICATION
            | proto::DESTINATION
    )
}

/// Looks at the L4 header at `off`; gives the ports, 0 if there are none. `icmp` is the protocol number of
/// ICMP under this version of IP.
#[inline(always)]
fn transport<B: Bytes + ?Sized>(
    b: &B,
    off: usize,
    icmp: u8,
    v: &mut Verdict,
) -> Result<u64, Malformed> {
    let mut ports = 0;
    if v.proto == proto::TCP {
        let (Some(both), Some(rest)) = (b.be32(off), b.be64(off + 12)) else {
            return Err(Malformed::Tcp);
        };
        let header = (rest >> 60) as u32 * 4;
        if header < TCP_LEN || header > v.l4_len {
            return Err(Malformed::Tcp);
        }
        v.flags |= meta_flags::TCP;
        v.csum = (rest >> 16) as u16;
        v.csum_len = v.l4_len;
        ports = both;
    } else if v.proto == proto::UDP {
        let whole = b.be64(off).ok_or(Malformed::Udp)?;
        let length = match (whole >> 16) as u32 & 0xffff {
            0 if v.l4_len > 0xffff => v.l4_len, // a jumbogram
            declared => declared,
        };
        if length < UDP_LEN || length > v.l4_len {
            return Err(Malformed::Udp);
        }
        v.flags |= meta_flags::UDP;
        v.csum = whole as u16;
        v.csum_len = length;
        ports = (whole >> 32) as u32;
    } else if v.proto == icmp {
        if v.l4_len < ICMP_LEN {
            return Err(Malformed::Icmp);
        }
        v.flags |= meta_flags::ICMP;
    }
    v.l4_off = off as u16;
    v.csum_len = b.opaque(v.csum_len);
    Ok(u64::from(ports))
}

#[inline(always)]
fn arp<B: Bytes + ?Sized>(b: &B, off: usize, room: u32, v: &mut Verdict) -> Result<(), Malformed> {
    let first = b.be64(off).ok_or(Malformed::Arp)?;
    let (hardware, protocol) = ((first >> 48) as u16, (first >> 32) as u16);
    let (hardware_len, protocol_len) = ((first >> 24) as u32 & 0xff, (first >> 16) as u32 & 0xff);
    let impossible = hardware == 1 && hardware_len != 6
        || protocol == ethertype::IPV4 && protocol_len != 4
        || room < 8 + 2 * (hardware_len + protocol_len);
    if impossible {
        return Err(Malformed::Arp);
    }
    v.flags |= meta_flags::ARP;
    v.l3_off = off as u16;
    Ok(())
}
