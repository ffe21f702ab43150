//! A packet's addresses in one line.
//!
//! Invariant: absent fields are left out; nothing is guessed.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use weir_abi::{Bytes as _, meta_flags};
use weir_core::Mac;

use crate::worker::Facts;

pub(super) fn summary(facts: &Facts, head: &[u8]) -> String {
    let mut text = String::new();
    if let (Some(dst), Some(src)) = (head.mac(0), head.mac(6)) {
        let _ = write!(text, "{} > {}", Mac::new(src), Mac::new(dst));
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

#[cfg(test)]
mod tests;
