//! Which packets somebody wants to see.
//!
//! Invariant: what is asked of a packet is answered from its bytes as they are; a packet that lacks
//! what is asked for, such as a later fragment its port, does not match.

use std::net::IpAddr;

use weir_abi::{Bytes, Verdict, meta_flags};
use weir_core::{PortId, PortSet};
use weir_port::Packet;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Arp,
}

impl Protocol {
    pub const ALL: [Self; 4] = [Self::Tcp, Self::Udp, Self::Icmp, Self::Arp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Arp => "arp",
        }
    }

    /// Its number in the IP header; ARP has none.
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

/// All that is given has to match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub ports: Option<PortSet>,
    /// At either end; ARP's addresses, too.
    pub host: Option<IpAddr>,
    /// TCP's or UDP's, at either end.
    pub l4_port: Option<u16>,
    pub protocol: Option<Protocol>,
    /// Of the outermost tag; 0: untagged.
    pub vlan: Option<u16>,
}

/// Where things stand in a packet, as the parser found them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// `weir_abi::meta_flags`.
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

    /// Whether a packet matches, whatever its port; `head` has all its headers.
    pub fn takes(&self, facts: &Facts, head: &[u8]) -> bool {
        self.protocol.is_none_or(|protocol| has_protocol(facts, head, protocol))
            && self.vlan.is_none_or(|vlan| vlan == facts.vlan)
            && self.l4_port.is_none_or(|port| has_port(facts, head, port))
            && self.host.is_none_or(|host| has_host(facts, head, host))
    }
}

/// Of a fragment the parser does not look at what IP carries.
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
mod tests {
    use super::*;

    fn facts(frame: &[u8]) -> Facts {
        Facts::from(&weir_abi::classify(frame).unwrap_or_default())
    }

    /// A frame with this EtherType and what it carries.
    fn frame(tag: Option<u16>, kind: u16, body: &[u8]) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        if let Some(tag) = tag {
            frame.extend([0x81, 0]);
            frame.extend(tag.to_be_bytes());
        }
        frame.extend(kind.to_be_bytes());
        frame.extend(body);
        frame
    }

    fn udp4(more_fragments: bool) -> Vec<u8> {
        let mut ip = vec![0x45, 0, 0, 36, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        ip[6] = if more_fragments { 0x20 } else { 0 };
        ip.extend([0x04, 0xd2, 0, 53, 0, 16, 0, 0]);
        ip.extend([0; 8]);
        ip
    }

    fn tcp6() -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        ip.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
        ip
    }

    fn arp() -> Vec<u8> {
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
        arp.extend([2, 0, 0, 0, 0, 2, 10, 0, 0, 1]);
        arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
        arp
    }

    #[test]
    fn each_part_matches_what_it_names_and_nothing_else() {
        let frames = [
            frame(None, 0x0800, &udp4(false)),
            frame(Some(7), 0x86dd, &tcp6()),
            frame(None, 0x0806, &arp()),
            frame(None, 0x0800, &udp4(true)),
            frame(None, 0x88b5, &[1; 46]),
        ];
        let host = |text: &str| Filter { host: text.parse().ok(), ..Filter::default() };
        let port = |port| Filter { l4_port: Some(port), ..Filter::default() };
        let protocol = |protocol| Filter { protocol: Some(protocol), ..Filter::default() };
        let vlan = |vlan| Filter { vlan: Some(vlan), ..Filter::default() };
        let cases: [(Filter, [bool; 5]); 15] = [
            (Filter::default(), [true, true, true, true, true]),
            (host("10.0.0.1"), [true, false, true, true, false]),
            (host("10.0.0.2"), [true, false, true, true, false]),
            (host("10.0.0.3"), [false; 5]),
            (host("fd00::1"), [false, true, false, false, false]),
            (host("fd00::2"), [false, true, false, false, false]),
            (port(53), [true, false, false, false, false]),
            (port(1234), [true, false, false, false, false]),
            (port(443), [false, true, false, false, false]),
            (protocol(Protocol::Udp), [true, false, false, true, false]),
            (protocol(Protocol::Tcp), [false, true, false, false, false]),
            (protocol(Protocol::Arp), [false, false, true, false, false]),
            (protocol(Protocol::Icmp), [false; 5]),
            (vlan(7), [false, true, false, false, false]),
            (vlan(0), [true, false, true, true, true]),
        ];
        for (filter, expected) in cases {
            let found: Vec<bool> =
                frames.iter().map(|frame| filter.takes(&facts(frame), frame)).collect();
            assert_eq!(found, expected, "{filter:?}");
        }
        let both = Filter { l4_port: Some(53), ..host("10.0.0.9") };
        assert!(!both.takes(&facts(&frames[0]), &frames[0]), "all has to match");
    }

    #[test]
    fn a_head_that_is_cut_off_does_not_match_what_it_lacks() {
        let whole = frame(None, 0x0800, &udp4(false));
        let facts = facts(&whole);
        for len in 0..whole.len() {
            let port = Filter { l4_port: Some(53), ..Filter::default() };
            assert_eq!(port.takes(&facts, &whole[..len]), len >= 38, "{len}");
            let host = Filter { host: "10.0.0.2".parse().ok(), ..Filter::default() };
            assert_eq!(host.takes(&facts, &whole[..len]), len >= 34, "{len}");
        }
    }

    #[test]
    fn ports_are_a_set() {
        assert!(Filter::default().takes_port(PortId(200)));
        let mut ports = PortSet::EMPTY;
        ports.insert(PortId(3));
        let filter = Filter { ports: Some(ports), ..Filter::default() };
        assert!(filter.takes_port(PortId(3)) && !filter.takes_port(PortId(4)));
    }
}
