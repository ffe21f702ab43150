//! The one frame. Invariant: both checksums are right, and it is at least as long as Ethernet wants.

use std::net::{IpAddr, SocketAddr};

use weir_core::ids::Mac;

use super::super::ProbeError;

/// Where the frames claim to come from; with the destination port, what a sink knows them by.
pub const SOURCE_PORT: u16 = 0x7765;
/// Without the check sum.
const SHORTEST: usize = 60;
/// Between the IP header and the payload, and up to the ports in it.
const UDP: usize = 8;
const ETHERNET: usize = 14;
const UDP_PROTOCOL: u8 = 17;

/// Where from and where to.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    pub src_mac: Mac,
    pub dst_mac: Mac,
    pub src: IpAddr,
    pub dst: SocketAddr,
}

/// A UDP datagram with `size` bytes of payload, as a frame.
pub fn build(addresses: &Addresses, size: usize) -> Result<Vec<u8>, ProbeError> {
    let udp_len = (UDP + size) as u16;
    let mut frame = [addresses.dst_mac.octets(), addresses.src_mac.octets()].concat();
    let pseudo = match (addresses.src, addresses.dst.ip()) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            frame.extend([8, 0]);
            let mut ip = vec![0x45, 0];
            ip.extend((20 + udp_len).to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, UDP_PROTOCOL, 0, 0]);
            ip.extend(src.octets());
            ip.extend(dst.octets());
            let sum = checksum(&[&ip]);
            ip.splice(10..12, sum.to_be_bytes());
            frame.extend(ip);
            [src.octets(), dst.octets()].concat()
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(udp_len.to_be_bytes());
            frame.extend([UDP_PROTOCOL, 64]);
            let pseudo = [src.octets(), dst.octets()].concat();
            frame.extend(&pseudo);
            pseudo
        }
        (src, dst) => {
            return Err(ProbeError::Refused(format!(
                "{src} cannot send to {dst}; valid: two addresses of one family"
            )));
        }
    };
    let mut udp = Vec::with_capacity(UDP + size);
    for word in [SOURCE_PORT, addresses.dst.port(), udp_len, 0] {
        udp.extend(word.to_be_bytes());
    }
    udp.resize(UDP + size, 0);
    let sum = checksum(&[&pseudo, &[0, UDP_PROTOCOL], &udp_len.to_be_bytes(), &udp]);
    udp.splice(6..8, if sum == 0 { [0xff, 0xff] } else { sum.to_be_bytes() });
    frame.extend(udp);
    frame.resize(frame.len().max(SHORTEST), 0);
    Ok(frame)
}

/// What a sink looks for: the ports, behind an IPv4 or an IPv6 header.
#[must_use]
pub fn patterns(port: u16) -> [(u8, [u8; 4]); 2] {
    let ([a, b], [c, d]) = (SOURCE_PORT.to_be_bytes(), port.to_be_bytes());
    [20, 40].map(|header: usize| ((ETHERNET + header) as u8, [a, b, c, d]))
}

/// The Internet checksum; every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|pair| {
            let (high, low) = (pair.first().copied(), pair.get(1).copied());
            u32::from(u16::from_be_bytes([high.unwrap_or(0), low.unwrap_or(0)]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests;
