//! Selects the packets to be watched.
//!
//! Invariant: a packet is matched by its bytes as they are. If it lacks what is asked for, as a later
//! fragment lacks its port, it does not match.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_abi::{Bytes, Verdict, meta_flags};
use weir_core::{PortId, PortSet};
use weir_port::Packet;

weir_core::choices! {
    /// The protocol of a packet.
    Protocol {
        /// TCP
        Tcp = "tcp",
        /// UDP
        Udp = "udp",
        /// ICMP and ICMPv6
        Icmp = "icmp",
        /// ARP
        Arp = "arp",
    }
}

impl Protocol {
    /// The protocol's number in the IP header; ARP has none.
    fn number(self, facts: &Facts) -> Option<u8> {
        match self {
            Self::Tcp => Some(6),
            Self::Udp => Some(17),
            Self::Icmp if facts.has(meta_flags::IPV6) => Some(58),
            Self::Icmp => Some(1),
            Self::Arp => None,
        }
    }

    const fn flag(self) -> u16 {
        match self {
            Self::Tcp => meta_flags::TCP,
            Self::Udp => meta_flags::UDP,
            Self::Icmp => meta_flags::ICMP,
            Self::Arp => meta_flags::ARP,
        }
    }
}

/// A filter; all given conditions must match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub ports: Option<PortSet>,
    /// An address at either end, including ARP's addresses.
    pub host: Option<IpAddr>,
    /// A port of TCP or UDP, at either end.
    pub l4_port: Option<u16>,
    pub protocol: Option<Protocol>,
    /// The outermost VLAN id; 0: untagged.
    pub vlan: Option<u16>,
}

/// The header offsets in a packet, as the parser found them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The flags of `weir_abi::meta_flags`.
    pub flags: u16,
    pub l3_off: u16,
    pub l4_off: u16,
    pub vlan: u16,
    /// Payload bytes per segment; 0: not a superframe.
    pub gso_size: u16,
}

impl Facts {
    pub(super) fn of(packet: &Packet) -> Self {
        Self {
            flags: packet.flags,
            l3_off: packet.l3_off(),
            l4_off: packet.l4_off,
            vlan: packet.vlan,
            gso_size: packet.gso_size,
        }
    }

    /// Whether any of these flags is set.
    pub fn has(&self, flags: u16) -> bool {
        self.flags & flags != 0
    }

    /// The addresses of IP or ARP, the source first, as far as they are there.
    pub fn addresses(&self, head: &[u8]) -> [Option<IpAddr>; 2] {
        let l3 = usize::from(self.l3_off);
        let v4 = |at: usize| head.be32(l3 + at).map(|bits| Ipv4Addr::from_bits(bits).into());
        let v6 = |at: usize| {
            let octets = head.get(l3 + at..)?.first_chunk::<16>()?;
            Some(Ipv6Addr::from(*octets).into())
        };
        match () {
            () if self.has(meta_flags::IPV4) => [12, 16].map(v4),
            () if self.has(meta_flags::IPV6) => [8, 24].map(v6),
            () if self.has(meta_flags::ARP) => [14, 24].map(v4),
            () => [None; 2],
        }
    }

    /// The ports of TCP or UDP, the source first.
    pub fn ports(&self, head: &[u8]) -> [Option<u16>; 2] {
        let l4 = usize::from(self.l4_off);
        let has = l4 != 0 && self.has(meta_flags::TCP | meta_flags::UDP);
        [l4, l4 + 2].map(|at| head.be16(at).filter(|_| has))
    }
}

impl From<&Verdict> for Facts {
    fn from(verdict: &Verdict) -> Self {
        let Verdict { flags, l3_off, l4_off, vlan, .. } = *verdict;
        Self { flags, l3_off, l4_off, vlan, gso_size: 0 }
    }
}

impl Filter {
    pub fn takes_port(&self, port: PortId) -> bool {
        self.ports.is_none_or(|ports| ports.contains(port))
    }

    /// Whether a packet matches, whatever its port. `head` contains all its headers.
    pub fn takes(&self, facts: &Facts, head: &[u8]) -> bool {
        self.protocol.is_none_or(|protocol| has_protocol(facts, head, protocol))
            && self.vlan.is_none_or(|vlan| vlan == facts.vlan)
            && self.l4_port.is_none_or(|port| facts.ports(head).contains(&Some(port)))
            && self.host.is_none_or(|host| facts.addresses(head).contains(&Some(host)))
    }
}

/// For a fragment the parser does not examine what IP carries.
fn has_protocol(facts: &Facts, head: &[u8], protocol: Protocol) -> bool {
    if !facts.has(meta_flags::FRAGMENT) {
        return facts.has(protocol.flag());
    }
    const V6_FRAGMENT: u8 = 44;
    let l3 = usize::from(facts.l3_off);
    let carried = match () {
        () if facts.has(meta_flags::IPV4) => head.u8(l3 + 9),
        () if head.u8(l3 + 6) == Some(V6_FRAGMENT) => head.u8(l3 + 40),
        () => None,
    };
    carried.is_some() && carried == protocol.number(facts)
}

#[cfg(test)]
mod tests;
