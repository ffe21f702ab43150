//! Raw Ethernet frames, written and read at a guest's interface.
//!
//! Invariant: a frame leaves byte for byte as given. On the way in the kernel takes the outermost
//! VLAN tag out of the bytes before a packet socket sees them; use an XDP observer to see it.

use crate::bed::GUEST_IF;
use crate::{Guest, Ns};
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct RawSocket {
    fd: OwnedFd,
}

impl RawSocket {
    /// Opens a packet socket on the guest's interface, for all protocols.
    pub fn open(guest: &Guest) -> Result<Self> {
        Self::open_on(&guest.ns, GUEST_IF)
    }

    /// The same on any interface.
    pub fn open_on(ns: &Ns, interface: &str) -> Result<Self> {
        ns.run(|| {
            let fd = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                SockProtocol::EthAll,
            )
            .context("a packet socket")?;
            bind(fd.as_raw_fd(), &link_addr(interface)?).context("bind")?;
            Ok(Self { fd })
        })
    }

    pub fn send(&self, frame: &[u8]) -> Result<()> {
        send(self.fd.as_raw_fd(), frame, MsgFlags::empty()).context("send")?;
        Ok(())
    }

    /// The next frame that `wanted` accepts; None when `deadline` passes without one.
    pub fn receive(
        &self,
        deadline: Duration,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>> {
        let start = Instant::now();
        let mut buffer = vec![0; 65536];
        while start.elapsed() < deadline {
            let left = deadline.saturating_sub(start.elapsed());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, timeout)? == 0 {
                break;
            }
            let len = recv(self.fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).unwrap_or(0);
            let frame = buffer.get(..len).unwrap_or_default();
            if wanted(frame) {
                return Ok(Some(frame.to_vec()));
            }
        }
        Ok(None)
    }
}

/// The interface's own address from the kernel: the only safe way to a `sockaddr_ll`.
fn link_addr(interface: &str) -> Result<LinkAddr> {
    nix::ifaddrs::getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .with_context(|| format!("{interface} has no link address"))
}

/// A frame with the given tags (TPID, TCI), outermost first, padded to 60 bytes.
#[must_use]
pub fn frame(
    dst: [u8; 6],
    src: [u8; 6],
    tags: &[(u16, u16)],
    ethertype: u16,
    body: &[u8],
) -> Vec<u8> {
    let mut frame = Vec::with_capacity(64 + body.len());
    frame.extend(dst);
    frame.extend(src);
    for (tpid, tci) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(body);
    frame.resize(frame.len().max(60), 0);
    frame
}

/// An IPv4/UDP packet with right checksums, as a body for [`frame`].
#[must_use]
pub fn udp4(from: &Guest, to: &Guest, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    udp_over_v4(from.v4(), to.v4(), ports, payload)
}

/// The same between any two addresses of one family, with its ethertype.
pub fn udp(from: IpAddr, to: IpAddr, ports: (u16, u16), payload: &[u8]) -> Result<(u16, Vec<u8>)> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Ok((0x0800, udp_over_v4(from, to, ports, payload))),
        (IpAddr::V6(from), IpAddr::V6(to)) => Ok((0x86dd, udp_over_v6(from, to, ports, payload))),
        _ => bail!("{from} and {to} are not of one family"),
    }
}

fn udp_over_v4(from: Ipv4Addr, to: Ipv4Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (from.octets(), to.octets());
    let udp = datagram(&[&src, &dst, &[0, 17]], ports, payload);
    let mut ip = vec![0x45, 0];
    ip.extend(u16::try_from(20 + udp.len()).unwrap_or(u16::MAX).to_be_bytes());
    ip.extend([0, 1, 0x40, 0, 64, 17, 0, 0]);
    ip.extend(src);
    ip.extend(dst);
    let sum = checksum(&[&ip]);
    ip.splice(10..12, sum.to_be_bytes());
    ip.extend(udp);
    ip
}

fn udp_over_v6(from: Ipv6Addr, to: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let (src, dst) = (from.octets(), to.octets());
    let udp = datagram(&[&src, &dst, &[0, 17]], ports, payload);
    let mut ip = vec![0x60, 0, 0, 0];
    ip.extend(u16::try_from(udp.len()).unwrap_or(u16::MAX).to_be_bytes());
    ip.extend([17, 64]);
    ip.extend(src);
    ip.extend(dst);
    ip.extend(udp);
    ip
}

/// UDP from its header on; `pseudo` is the pseudo-header without the length.
fn datagram(pseudo: &[&[u8]], ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
    let mut udp = Vec::with_capacity(usize::from(length));
    for word in [ports.0, ports.1, length, 0] {
        udp.extend(word.to_be_bytes());
    }
    udp.extend(payload);
    let length = length.to_be_bytes();
    let sum = checksum(&[pseudo, &[&length, &udp]].concat());
    udp.splice(6..8, if sum == 0 { [0xff, 0xff] } else { sum.to_be_bytes() });
    udp
}

/// The Internet checksum; every part but the last has an even length.
#[must_use]
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|pair| {
            let low = pair.get(1).copied().unwrap_or(0);
            u32::from(u16::from_be_bytes([pair.first().copied().unwrap_or(0), low]))
        })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests;
