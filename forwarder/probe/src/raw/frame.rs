//! Frames for senders past the stack. Invariant: all checksums are right, and no frame is shorter than
//! Ethernet allows.

use std::net::{IpAddr, SocketAddr};

use weir_core::ids::Mac;
use weir_core::offload::Sum;

use super::super::ProbeError;

/// The frames' source port; a sink recognizes them by it and the destination port.
pub const SOURCE_PORT: u16 = 0x7765;
/// Without the frame check sequence.
const SHORTEST: usize = 60;
const UDP_HEADER: usize = 8;
const ETHERNET: usize = 14;
const UDP_PROTOCOL: u8 = 17;

/// Source and destination.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub src_mac: Mac,
    pub dst_mac: Mac,
    pub src: IpAddr,
    pub dst: SocketAddr,
}

/// A UDP datagram with `size` bytes of payload, as a frame.
pub fn build(addresses: &Addresses, size: usize) -> Result<Vec<u8>, ProbeError> {
    let Addresses { src_mac, dst_mac, src, dst } = *addresses;
    let (ethertype, packet) = udp(src, dst.ip(), (SOURCE_PORT, dst.port()), &vec![0; size])?;
    Ok(ethernet(dst_mac.octets(), src_mac.octets(), &[], ethertype, &packet))
}

/// A frame with these tags (TPID, TCI), outermost first, padded to 60 bytes.
pub fn ethernet(
    dst: [u8; 6],
    src: [u8; 6],
    tags: &[(u16, u16)],
    ethertype: u16,
    body: &[u8],
) -> Vec<u8> {
    let mut frame = [dst, src].concat();
    for (tpid, tci) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(body);
    frame.resize(frame.len().max(SHORTEST), 0);
    frame
}

/// A UDP packet between two addresses of one family, from its IP header on, and its ethertype.
pub fn udp(
    src: IpAddr,
    dst: IpAddr,
    ports: (u16, u16),
    payload: &[u8],
) -> Result<(u16, Vec<u8>), ProbeError> {
    let length = (UDP_HEADER + payload.len()) as u16;
    let (ethertype, mut packet, pseudo) = match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let addresses = [src.octets(), dst.octets()].concat();
            let mut ip = vec![0x45, 0];
            ip.extend((20 + length).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, UDP_PROTOCOL, 0, 0]);
            ip.extend(&addresses);
            let sum = checksum(&[&ip]);
            ip.splice(10..12, sum.to_be_bytes());
            (0x0800, ip, addresses)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let addresses = [src.octets(), dst.octets()].concat();
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend(length.to_be_bytes());
            ip.extend([UDP_PROTOCOL, 64]);
            ip.extend(&addresses);
            (0x86dd, ip, addresses)
        }
        (src, dst) => {
            return Err(ProbeError::Refused(format!(
                "{src} cannot send to {dst}; valid: two addresses of one family"
            )));
        }
    };
    let mut datagram: Vec<u8> =
        [ports.0, ports.1, length, 0].into_iter().flat_map(u16::to_be_bytes).collect();
    datagram.extend(payload);
    let sum = checksum(&[&pseudo, &[0, UDP_PROTOCOL], &length.to_be_bytes(), &datagram]);
    datagram.splice(6..8, if sum == 0 { [0xff, 0xff] } else { sum.to_be_bytes() });
    packet.extend(datagram);
    Ok((ethertype, packet))
}

/// The patterns that a sink matches: the ports, behind an IPv4 or an IPv6 header.
pub fn patterns(port: u16) -> [(u8, [u8; 4]); 2] {
    let ([a, b], [c, d]) = (SOURCE_PORT.to_be_bytes(), port.to_be_bytes());
    [20, 40].map(|header: usize| ((ETHERNET + header) as u8, [a, b, c, d]))
}

/// The Internet checksum.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = Sum::default();
    parts.iter().for_each(|part| sum.add(part));
    sum.checksum()
}

#[cfg(test)]
mod tests;
