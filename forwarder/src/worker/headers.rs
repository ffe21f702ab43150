//! Reads from a packet's headers what its metadata does not contain: the key of its flow.
//!
//! Invariant: missing bytes are zero in a key, and nothing is read beyond the frame.

use std::num::NonZeroU16;

use weir_abi::{Bytes as _, meta_flags as flag};
use weir_core::PackedKey;
use weir_port::Packet;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const V4_MAPPED: u128 = 0xffff_0000_0000;
/// The offset of the EtherType in an untagged frame.
const ETHERTYPE: usize = 12;
/// The offset of an echo's identifier in ICMP's header, after type, code and checksum.
const ICMP_ID: usize = 4;
const TCP_FLAGS: usize = 13;

/// The key of a packet's flow and its TCP flags, or 0 if it has none. `head` is the packet's first buffer.
#[inline]
pub(super) fn flow_key(packet: &Packet, head: &[u8]) -> (PackedKey, u8) {
    let l3 = head.get(usize::from(packet.l3_off())..).unwrap_or_default();
    let (mut addresses, mut proto) = ((0, 0), 0);
    if packet.has(flag::IPV4) {
        if let Some(header) = l3.first_chunk::<20>() {
            let [.., a, b, c, d, e, f, g, h] = *header;
            addresses = (mapped([a, b, c, d]), mapped([e, f, g, h]));
            proto = header[9];
        }
    } else if packet.has(flag::IPV6)
        && let Some((header, both)) = l3.split_first_chunk::<8>()
        && let Some((src, rest)) = both.split_first_chunk()
        && let Some(dst) = rest.first_chunk()
    {
        addresses = (u128::from_be_bytes(*src), u128::from_be_bytes(*dst));
        proto = protocol_v6(packet, header[6]);
    }
    let (ports, tcp_flags) = ports(packet, head);
    let tag = (packet.vlan, ethertype(packet, head));
    (PackedKey::new(addresses, ports, tag, packet.ingress.0, proto), tcp_flags)
}

#[inline]
fn mapped(address: [u8; 4]) -> u128 {
    V4_MAPPED | u128::from(u32::from_be_bytes(address))
}

/// The protocol of an IPv6 packet. For known protocols the metadata tells what follows extension headers.
#[inline]
fn protocol_v6(packet: &Packet, next_header: u8) -> u8 {
    match packet.flags & (flag::TCP | flag::UDP | flag::ICMP) {
        flag::TCP => 6,
        flag::UDP => 17,
        flag::ICMP => 58,
        _ => next_header,
    }
}

#[inline]
fn ethertype(packet: &Packet, head: &[u8]) -> u16 {
    if packet.has(flag::IPV4) {
        return IPV4;
    }
    if packet.has(flag::IPV6) {
        return IPV6;
    }
    let at = match NonZeroU16::new(packet.l3_off()) {
        Some(l3) => usize::from(l3.get()).saturating_sub(2),
        None if packet.has(flag::TAGGED2) => ETHERTYPE + 8,
        None if packet.has(flag::TAGGED) => ETHERTYPE + 4,
        None => ETHERTYPE,
    };
    head.be16(at).unwrap_or(0)
}

/// The ports (or an echo's identifier in place of both), and the TCP flags.
#[inline]
fn ports(packet: &Packet, head: &[u8]) -> (u32, u8) {
    let at = usize::from(packet.l4_off);
    let l4 = head.get(at..).unwrap_or_default();
    if at == 0 || packet.has(flag::FRAGMENT) {
        return (0, 0);
    }
    if packet.has(flag::TCP | flag::UDP) {
        let ports = l4.first_chunk().map_or(0, |ports| u32::from_be_bytes(*ports));
        let tcp_flags = if packet.has(flag::TCP) { l4.get(TCP_FLAGS).copied() } else { None };
        return (ports, tcp_flags.unwrap_or(0));
    }
    if packet.has(flag::ICMP) && is_echo(packet, l4.first().copied()) {
        let id = u32::from(l4.be16(ICMP_ID).unwrap_or(0));
        return (id << 16 | id, 0);
    }
    (0, 0)
}

/// Whether it is an echo request or reply, of either IP version.
#[inline]
fn is_echo(packet: &Packet, kind: Option<u8>) -> bool {
    if packet.has(flag::IPV4) {
        matches!(kind, Some(0 | 8))
    } else {
        matches!(kind, Some(128 | 129))
    }
}
