//! A packet's addresses in one line.
//!
//! Invariant: absent fields are left out; nothing is guessed.

use std::fmt::Write as _;
use std::net::SocketAddr;

use weir_abi::{Bytes as _, meta_flags};
use weir_core::Mac;

use crate::worker::Facts;

pub(super) fn summary(facts: &Facts, head: &[u8]) -> String {
    let mut text = String::new();
    if let (Some(dst), Some(src)) = (head.mac(0), head.mac(6)) {
        let _ = write!(text, "{} > {}", Mac::new(src), Mac::new(dst));
    }
    let name = match () {
        () if facts.has(meta_flags::IPV4) => "IPv4",
        () if facts.has(meta_flags::IPV6) => "IPv6",
        () if facts.has(meta_flags::ARP) => "ARP",
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
    let above = above.iter().find(|(flag, _)| facts.has(*flag)).map_or("", |(_, name)| name);
    let _ = write!(text, ", {name}{above}");
    let [Some(src), Some(dst)] = facts.addresses(head) else { return text };
    let _ = match facts.ports(head) {
        [Some(from), Some(to)] => {
            write!(text, " {} > {}", SocketAddr::new(src, from), SocketAddr::new(dst, to))
        }
        _ => write!(text, " {src} > {dst}"),
    };
    text
}

#[cfg(test)]
mod tests;
