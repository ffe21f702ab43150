//! Frames and superframes as a guest sends them.
#![allow(clippy::unwrap_used, reason = "a frame that cannot be made fails the test")]

use weir_abi::gso::gso_kind;
use weir_abi::{Meta, classify, meta_flags};
use weir_port::{Packet, Pool};

/// Ethernet, tags, IPv4 or IPv6, TCP or UDP, and a payload, with a partial checksum.
pub(crate) fn frame(tags: usize, v6: bool, udp: bool, payload: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    for tag in 0..tags {
        frame.extend([0x81, 0x00, 0x00, 5 + tag as u8]);
    }
    frame.extend(if v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
    let l4_len = payload + if udp { 8 } else { 20 };
    let proto = if udp { 17 } else { 6 };
    let mut ip = if v6 { vec![0; 40] } else { vec![0; 20] };
    if v6 {
        ip[0] = 0x60;
        ip[4..6].copy_from_slice(&(l4_len as u16).to_be_bytes());
        ip[6] = proto;
        ip[7] = 64;
        (ip[8], ip[23], ip[24], ip[39]) = (0xfd, 1, 0xfd, 2);
    } else {
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&((20 + l4_len) as u16).to_be_bytes());
        (ip[8], ip[9]) = (64, proto);
        ip[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let sum: u32 = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
        let sum = !(((sum & 0xffff) + (sum >> 16)) as u16);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
    }
    frame.extend(ip);
    let l4 = frame.len();
    frame.resize(l4 + l4_len - payload, 0);
    frame[l4..l4 + 4].copy_from_slice(&[0x10, 0x01, 0x10, 0x02]);
    if udp {
        frame[l4 + 4..l4 + 6].copy_from_slice(&(l4_len as u16).to_be_bytes());
    } else {
        (frame[l4 + 12], frame[l4 + 13]) = (0x50, 0x10);
    }
    frame.extend((0..payload).map(|i| (i % 251) as u8));
    let verdict = classify(&frame[..]).unwrap();
    let at = usize::from(verdict.csum_off());
    frame[at..at + 2].copy_from_slice(&verdict.pseudo.to_be_bytes());
    frame
}

pub(crate) fn superframe(pool: &mut Pool, bytes: &[u8], gso_size: u16) -> Packet {
    let verdict = classify(bytes).unwrap();
    let mut meta = Meta::new(&verdict, 1, bytes.len() as u32, 3);
    meta.flags |= meta_flags::GSO | meta_flags::CSUM_PARTIAL;
    meta.gso_size = gso_size;
    let kind = match (verdict.is(meta_flags::UDP), verdict.is(meta_flags::IPV6)) {
        (true, _) => gso_kind::UDP_L4,
        (false, true) => gso_kind::TCP6,
        (false, false) => gso_kind::TCP4,
    };
    meta.gso_type = kind as u8;
    pool.compose(bytes, &meta).unwrap()
}
