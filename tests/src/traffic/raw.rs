//! Raw Ethernet frames, written and read at a guest's interface.
//!
//! Invariant: a frame leaves byte for byte as given. On receipt, the kernel removes the outermost VLAN
//! tag before a packet socket sees the bytes; use an XDP observer to see the tag.

use crate::bed::GUEST_IF;
use crate::{Guest, Ns};
use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

pub use weir_probe::raw::frame::{checksum, ethernet as frame, udp};

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

    /// The next frame that `wanted` accepts; `None` if `deadline` passes without one.
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

/// An IPv4/UDP packet with right checksums, as a body for [`frame`].
pub fn udp4(from: &Guest, to: &Guest, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    udp(from.v4().into(), to.v4().into(), ports, payload)
        .map(|(_, packet)| packet)
        .unwrap_or_default()
}
