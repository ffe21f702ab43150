//! What a packet's headers say beyond its metadata: which flow it is of.
//!
//! Invariant: bytes that are not there are zero in a key; nothing is read behind the frame.

use std::num::NonZeroU16;

use weir_abi::meta_flags as flag;
use weir_core::FlowKey;
use weir_port::Packet;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
/// Where the EtherType of an untagged frame stands.
const ETHERTYPE: usize = 12;
/// Of ICMP's header: type, code, checksum, then the identifier of an echo.
const ICMP_ID: usize = 4;
const TCP_FLAGS: usize = 13;

/// The flow of a packet, and its TCP flags, 0 where it has none. `head` is its first buffer.
#[inline]
pub(super) fn flow_key(packet: &Packet, head: &[u8]) -> (FlowKey, u8) {
    let mut key = FlowKey {
        vlan: packet.vlan(),
        ingress: packet.ingress().0,
        ethertype: ethertype(packet, head),
        ..FlowKey::default()
    };
    let l3 = head.get(usize::from(packet.l3_off())..).unwrap_or_default();
    if packet.has(flag::IPV4) {
        if let Some(header) = l3.first_chunk::<20>() {
            let [.., a, b, c, d, e, f, g, h] = *header;
            key.proto = header[9];
            key.src = mapped([a, b, c, d]);
            key.dst = mapped([e, f, g, h]);
        }
    } else if packet.has(flag::IPV6) {
        if let Some(header) = l3.first_chunk::<40>() {
            let (_, addresses) = header.split_at(8);
            let (src, dst) = addresses.split_at(16);
            key.src.copy_from_slice(src);
            key.dst.copy_from_slice(dst);
            key.proto = protocol_v6(packet, header[6]);
        }
    } else {
        return (key, 0);
    }
    let tcp_flags = ports(packet, head, &mut key);
    (key, tcp_flags)
}

#[inline]
fn mapped(address: [u8; 4]) -> [u8; 16] {
    let mut mapped = [0; 16];
    let (prefix, v4) = mapped.split_at_mut(12);
    prefix.copy_from_slice(&V4_MAPPED);
    v4.copy_from_slice(&address);
    mapped
}

/// The metadata says what is behind extension headers, if it is anything known.
#[inline]
fn protocol_v6(packet: &Packet, next_header: u8) -> u8 {
    match packet.flags() & (flag::TCP | flag::UDP | flag::ICMP) {
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
    be16(head, at)
}

/// Ports, or an echo's identifier; gives the TCP flags.
#[inline]
fn ports(packet: &Packet, head: &[u8], key: &mut FlowKey) -> u8 {
    let at = usize::from(packet.l4_off());
    if at == 0 || packet.has(flag::FRAGMENT) {
        return 0;
    }
    if packet.has(flag::TCP | flag::UDP) {
        key.src_port = be16(head, at);
        key.dst_port = be16(head, at + 2);
    } else if packet.has(flag::ICMP) && is_echo(packet, head.get(at).copied()) {
        key.src_port = be16(head, at + ICMP_ID);
        key.dst_port = key.src_port;
    }
    if packet.has(flag::TCP) { head.get(at + TCP_FLAGS).copied().unwrap_or(0) } else { 0 }
}

/// Request or reply, of either version.
#[inline]
fn is_echo(packet: &Packet, kind: Option<u8>) -> bool {
    if packet.has(flag::IPV4) {
        matches!(kind, Some(0 | 8))
    } else {
        matches!(kind, Some(128 | 129))
    }
}

#[inline]
fn be16(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..).and_then(|rest| rest.first_chunk());
    two.map_or(0, |two| u16::from_be_bytes(*two))
}
