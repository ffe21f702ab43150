//! Selects the packets to be watched.
//!
//! Invariant: a packet is matched by its bytes as they are. If it lacks what is asked for, as a later
//! fragment lacks its port, it does not match.

use std::net::IpAddr;

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
            Self::Icmp if facts.flags & meta_flags::IPV6 != 0 => Some(58),
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
            flags: packet.flags(),
            l3_off: packet.l3_off(),
            l4_off: packet.l4_off(),
            vlan: packet.vlan(),
            gso_size: packet.gso_size(),
        }
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
            && self.l4_port.is_none_or(|port| has_port(facts, head, port))
            && self.host.is_none_or(|host| has_host(facts, head, host))
    }
}

/// For a fragment the parser does not examine what IP carries.
fn has_protocol(facts: &Facts, head: &[u8], protocol: Protocol) -> bool {
    if facts.flags & meta_flags::FRAGMENT == 0 {
        return facts.flags & protocol.flag() != 0;
    }
    const V6_FRAGMENT: u8 = 44;
    let l3 = usize::from(facts.l3_off);
    let carried = match () {
        () if facts.flags & meta_flags::IPV4 != 0 => head.u8(l3 + 9),
        () if head.u8(l3 + 6) == Some(V6_FRAGMENT) => head.u8(l3 + 40),
        () => None,
    };
    carried.is_some() && carried == protocol.number(facts)
}

fn has_port(facts: &Facts, head: &[u8], port: u16) -> bool {
    let l4 = usize::from(facts.l4_off);
    facts.flags & (meta_flags::TCP | meta_flags::UDP) != 0
        && l4 != 0
        && [l4, l4 + 2].iter().any(|at| head.be16(*at) == Some(port))
}

fn has_host(facts: &Facts, head: &[u8], host: IpAddr) -> bool {
    let l3 = usize::from(facts.l3_off);
    let has = |flag: u16| facts.flags & flag != 0;
    match host {
        IpAddr::V4(host) => {
            let places = match () {
                () if has(meta_flags::IPV4) => [12, 16],
                () if has(meta_flags::ARP) => [14, 24],
                () => return false,
            };
            places.iter().any(|at| head.be32(l3 + at) == Some(host.to_bits()))
        }
        IpAddr::V6(host) => {
            let address = |at: usize| head.get(l3 + at..l3 + at + 16);
            has(meta_flags::IPV6)
                && [8, 24].iter().any(|at| address(*at) == Some(&host.octets()[..]))
        }
    }
}

#[cfg(test)]
mod tests;
