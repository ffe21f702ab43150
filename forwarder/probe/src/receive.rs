//! Datagrams in batches, each with its sender and the kernel's time of receipt. Invariant: a datagram
//! is whole (the buffers hold the largest), and is returned once.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

const BATCH: usize = 32;
const LARGEST: usize = 1 << 16;

/// The metadata of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    pub from: SocketAddr,
    pub len: usize,
    /// The time at which it was read: CLOCK_MONOTONIC and CLOCK_REALTIME.
    pub monotonic_ns: u64,
    pub realtime_ns: u64,
    /// The time at which the kernel received it, on CLOCK_REALTIME, if the socket has time stamps.
    pub kernel_ns: Option<u64>,
}

/// Buffers for a batch.
#[derive(Debug)]
pub struct Batch {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<Vec<u8>>,
    letters: Vec<Letter>,
    unreachable: u64,
}

/// Has the kernel stamp the datagrams that the socket receives.
pub fn stamp(socket: &UdpSocket) -> io::Result<()> {
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

impl Default for Batch {
    fn default() -> Self {
        let stamps = nix::cmsg_space!(TimeSpec);
        Self {
            headers: MultiHeaders::preallocate(BATCH, Some(stamps)),
            buffers: vec![vec![0; LARGEST]; BATCH],
            letters: Vec::with_capacity(BATCH),
            unreachable: 0,
        }
    }
}

impl Batch {
    /// Receives the queued datagrams, at most `most`; returns how many. Network errors are counted: the
    /// kernel reports each to one call only, so a sender on this socket does not see them.
    pub fn receive(&mut self, socket: &UdpSocket, most: u64) -> io::Result<usize> {
        self.letters.clear();
        let most = usize::try_from(most).unwrap_or(BATCH).min(BATCH);
        let mut slices: Vec<[IoSliceMut<'_>; 1]> =
            self.buffers.iter_mut().take(most).map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let got = match recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, flags, None) {
            Ok(got) => got,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {
                self.unreachable += 1;
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        };
        let (monotonic_ns, realtime_ns) = (clock_monotonic_ns(), clock_realtime_ns());
        for message in got {
            let kernel_ns = message.cmsgs().ok().and_then(|mut all| all.find_map(kernel_ns));
            let from = message.address.as_ref().and_then(address);
            let unknown = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
            let (from, len) = (from.unwrap_or(unknown), message.bytes);
            self.letters.push(Letter { from, len, monotonic_ns, realtime_ns, kernel_ns });
        }
        Ok(self.letters.len())
    }

    /// Network errors that reported that no socket listens there.
    pub fn unreachable(&self) -> u64 {
        self.unreachable
    }

    /// The last batch.
    pub fn letters(&mut self) -> impl Iterator<Item = (Letter, &mut [u8])> {
        self.letters.iter().zip(&mut self.buffers).map(|(letter, buffer)| {
            let len = letter.len.min(buffer.len());
            (*letter, buffer.get_mut(..len).unwrap_or_default())
        })
    }
}

fn kernel_ns(message: ControlMessageOwned) -> Option<u64> {
    match message {
        ControlMessageOwned::ScmTimestampns(at) => {
            let seconds = u64::try_from(at.tv_sec()).ok()?;
            Some(seconds * 1_000_000_000 + u64::try_from(at.tv_nsec()).ok()?)
        }
        _ => None,
    }
}

/// An IPv4 sender received over an IPv6 socket is shown, and answered, as the IPv6 address it has
/// there; the socket uses only its port and family.
fn address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|a| SocketAddr::from((a.ip(), a.port())));
    let v6 = || {
        let address = storage.as_sockaddr_in6()?;
        Some(SocketAddr::V6((*address).into()))
    };
    v4.or_else(v6)
}

#[cfg(test)]
mod tests;
