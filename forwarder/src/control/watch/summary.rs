//! A packet's addresses in one line.
//!
//! Invariant: what is not there is left out; nothing is guessed.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_abi::{Bytes as _, meta_flags};

use crate::worker::Facts;

pub(super) fn summary(facts: &Facts, head: &[u8]) -> String {
    let mut text = String::new();
    if let (Some(dst), Some(src)) = (head.mac(0), head.mac(6)) {
        let _ = write!(text, "{} > {}", mac(src), mac(dst));
    }
    let has = |flag: u16| facts.flags & flag != 0;
    let l3 = usize::from(facts.l3_off);
    let v4 = |at: usize| head.be32(at).map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)));
    let v6 = |at: usize| {
        let octets: Option<[u8; 16]> = head.get(at..at + 16).and_then(|b| b.try_into().ok());
        octets.map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
    };
    let (name, ends) = match () {
        () if has(meta_flags::IPV4) => ("IPv4", v4(l3 + 12).zip(v4(l3 + 16))),
        () if has(meta_flags::IPV6) => ("IPv6", v6(l3 + 8).zip(v6(l3 + 24))),
        () if has(meta_flags::ARP) => ("ARP", v4(l3 + 14).zip(v4(l3 + 24))),
        () => {
            let kind = head.be16(12).map(|kind| format!(", EtherType 0x{kind:04x}"));
            text.push_str(&kind.unwrap_or_default());
            return text;
        }
    };
    let above = [
        (meta_flags::FRAGMENT, " fragment"),
        (meta_flags::TCP, " TCP"),
        (meta_flags::UDP, " UDP"),
        (meta_flags::ICMP, " ICMP"),
    ];
    let above = above.iter().find(|(flag, _)| has(*flag)).map_or("", |(_, name)| name);
    let _ = write!(text, ", {name}{above}");
    let Some((src, dst)) = ends else { return text };
    let l4 = usize::from(facts.l4_off);
    let ports = (l4 != 0 && has(meta_flags::TCP | meta_flags::UDP))
        .then(|| head.be16(l4).zip(head.be16(l4 + 2)))
        .flatten();
    let _ = match ports {
        Some((from, to)) => write!(
            text,
            " {} > {}",
            std::net::SocketAddr::new(src, from),
            std::net::SocketAddr::new(dst, to)
        ),
        None => write!(text, " {src} > {dst}"),
    };
    text
}

fn mac(octets: [u8; 6]) -> String {
    octets.map(|octet| format!("{octet:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: u16, body: &[u8]) -> String {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        frame.extend(kind.to_be_bytes());
        frame.extend(body);
        let verdict = weir_abi::classify(&frame[..]).unwrap();
        summary(&Facts::from(&verdict), &frame)
    }

    #[test]
    fn says_who_speaks_to_whom() {
        let mut udp = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        udp.extend([0x04, 0xd2, 0, 53, 0, 8, 0, 0]);
        let ends = "02:00:00:00:00:02 > 02:00:00:00:00:01";
        assert_eq!(of(0x0800, &udp), format!("{ends}, IPv4 UDP 10.0.0.1:1234 > 10.0.0.2:53"));
        let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1];
        arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
        assert_eq!(of(0x0806, &arp), format!("{ends}, ARP 10.0.0.1 > 10.0.0.2"));
        assert_eq!(of(0x88b5, &[0; 46]), format!("{ends}, EtherType 0x88b5"));
        let mut tcp = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        tcp.extend(Ipv6Addr::LOCALHOST.octets());
        tcp.extend(Ipv6Addr::LOCALHOST.octets());
        tcp.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
        assert_eq!(of(0x86dd, &tcp), format!("{ends}, IPv6 TCP [::1]:80 > [::1]:81"));
        assert_eq!(summary(&Facts::default(), &[]), "");
    }
}
