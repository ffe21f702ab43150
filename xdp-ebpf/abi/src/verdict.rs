//! What the parser says about a frame.
//! Invariant: offsets lie inside the frame, and the L4 part (`l4_off`, `l4_len`) does too.

use crate::{Bytes, meta_flags};

/// A parsed frame. A protocol that is merely unknown is no error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub dst: [u8; 6],
    pub src: [u8; 6],
    /// VLAN identifier of the outer tag; 0: untagged.
    pub vlan: u16,
    /// [`meta_flags`], those that come from the headers.
    pub flags: u16,
    /// Offset of the IP or ARP header; 0: none.
    pub l3_off: u16,
    /// Offset of what IP carries; 0: none, a fragment, or too many extension headers.
    pub l4_off: u16,
    /// IP protocol after all extension headers.
    pub proto: u8,
    /// Length of what IP carries, as IP declares it (Ethernet padding is not in it).
    pub l4_len: u32,
    /// Bytes the L4 checksum covers: `l4_len`, or the UDP length; 0: no checksum known here.
    pub csum_len: u32,
    /// The L4 checksum as it stands (TCP and UDP).
    pub csum: u16,
    /// Folded sum of the pseudo-header (TCP and UDP, not fragments); never 0 there.
    pub pseudo: u16,
    /// Stable per 5-tuple and VLAN; fragments of a datagram share one.
    pub flow_hash: u32,
}

impl Verdict {
    pub const fn is(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// The L4 checksum is only the pseudo-header sum, as a guest leaves it for its device. A right
    /// checksum may happen to look so too; completing maps it onto itself:
    ///
    /// With P the pseudo-header, D the rest of L4 and C the checksum field, completing stores
    /// `~(C + D)` (ones' complement). If C was right, `C = ~(P + D)`; as it looks partial, `C = P`;
    /// so `~(C + D) = ~(P + D) = C`. Zero has two forms, but P is never zero (the protocol is in
    /// it), so the sum never folds to 0, only to 0xffff: the result is the one form senders use,
    /// and UDP's 0 becomes 0xffff here as there.
    #[inline(always)]
    pub const fn looks_partial(&self) -> bool {
        self.csum_len != 0 && self.csum == self.pseudo
    }

    /// Puts the frame into another VLAN, as if it had been parsed with that one's tag.
    #[inline(always)]
    pub const fn set_vlan(&mut self, vlan: u16) {
        self.flow_hash ^= vlan_hash(self.vlan) ^ vlan_hash(vlan);
        self.vlan = vlan;
    }

    /// Offset of the L4 checksum field; meaningful where `csum_len` is not 0.
    #[inline(always)]
    pub const fn csum_off(&self) -> u16 {
        self.l4_off + if self.flags & meta_flags::TCP != 0 { 16 } else { 6 }
    }
}

/// What the VLAN contributes to [`Verdict::flow_hash`], by exclusive or, so that it can be taken out
/// again: the outer tag may travel beside the bytes that are parsed. 0 for none.
#[inline(always)]
pub(crate) const fn vlan_hash(vlan: u16) -> u32 {
    (vlan as u32).wrapping_mul(0x9e37_79b1)
}

/// The source address that an address lock is about: that of IPv4 (as `::ffff:a.b.c.d`), of IPv6, or of the
/// sender in ARP. `None`: there is none, or every station may use it. Those are the addresses of a station
/// that has none yet (0.0.0.0 in ARP and towards 255.255.255.255, as in DHCP, and `::` in IPv6), and those
/// that never leave the link (fe80::/10). ARP's hardware type does not matter, since receivers on Ethernet
/// take more than one. An ARP sender that cannot be read counts as 255.255.255.255, which no lock allows.
#[inline(always)]
pub fn source_address<B: Bytes + ?Sized>(b: &B, flags: u16, l3_off: u16) -> Option<[u8; 16]> {
    let l3 = l3_off as usize;
    let (high, low) = if flags & meta_flags::IPV4 != 0 {
        let (sender, receiver) = (b.be32(l3 + 12)?, b.be32(l3 + 16)?);
        if sender == 0 && receiver == u32::MAX {
            return None;
        }
        (0, V4_MAPPED | u64::from(sender))
    } else if flags & meta_flags::IPV6 != 0 {
        let (high, low) = (b.be64(l3 + 8)?, b.be64(l3 + 16)?);
        if high >> 54 == 0xfe80 >> 6 || high | low == 0 {
            return None;
        }
        (high, low)
    } else if flags & meta_flags::ARP != 0 && b.be32(l3)? as u16 == ARP_IPV4 {
        let lengths = b.be32(l3 + 4)? >> 16;
        let sender = if lengths == ARP_LENGTHS { b.be32(l3 + 14) } else { None };
        let sender = sender.unwrap_or(u32::MAX);
        if sender == 0 {
            return None;
        }
        (0, V4_MAPPED | u64::from(sender))
    } else {
        return None;
    };
    let mut address = [0; 16];
    let (first, last) = address.split_at_mut(8);
    first.copy_from_slice(&high.to_be_bytes());
    last.copy_from_slice(&low.to_be_bytes());
    Some(address)
}

const V4_MAPPED: u64 = 0xffff_0000_0000;
const ARP_IPV4: u16 = 0x0800;
/// Of an Ethernet and of an IPv4 address.
const ARP_LENGTHS: u32 = 0x0604;

/// The header that was cut off or impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than an Ethernet header.
    Runt,
    Vlan,
    Ipv4,
    Ipv6,
    Arp,
    Tcp,
    Udp,
    Icmp,
}

impl Malformed {
    pub const fn name(self) -> &'static str {
        match self {
            Malformed::Runt => "runt",
            Malformed::Vlan => "vlan",
            Malformed::Ipv4 => "ipv4",
            Malformed::Ipv6 => "ipv6",
            Malformed::Arp => "arp",
            Malformed::Tcp => "tcp",
            Malformed::Udp => "udp",
            Malformed::Icmp => "icmp",
        }
    }
}
