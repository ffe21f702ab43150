//! The sockets of probes, the thread that uses them, and batches of datagrams, each with its sender and
//! its times. Invariant: every socket here hands the kernel one datagram at a time (no segmentation
//! offload), and has as much room as the system allows, so that losses happen on the way. A received
//! datagram is whole (the buffers hold the largest), and is returned once.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::ProbeError;
use super::wire::Session;

/// The forced variants need CAP_NET_ADMIN; without it the system's bounds apply.
const BUFFER: usize = 64 << 20;
/// Datagrams of a batch, and the largest one.
const BATCH: usize = 32;
const LARGEST: usize = 1 << 16;

/// A socket connected to the target, with a source port of its own.
pub fn sender(target: SocketAddr, bind: Option<IpAddr>) -> Result<UdpSocket, ProbeError> {
    let any = match target {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let from = SocketAddr::new(bind.unwrap_or(any), 0);
    let socket = UdpSocket::bind(from).map_err(|error| {
        let hint = match error.raw_os_error() {
            Some(nix::libc::EMFILE) => " (each flow takes a file descriptor: ulimit -n)",
            _ => "",
        };
        ProbeError::io(format!("cannot send from {}{hint}", from.ip()))(error)
    })?;
    socket.connect(target).map_err(ProbeError::io(format!("no way to {target}")))?;
    enlarge(&socket);
    Ok(socket)
}

/// A socket that receives on the port: over IPv6 and IPv4, unless it is bound to an address.
pub(super) fn listener(bind: Option<IpAddr>, port: u16) -> Result<UdpSocket, ProbeError> {
    let socket = match bind {
        Some(ip) => UdpSocket::bind((ip, port)),
        None => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)).or_else(|error| {
            // The host may have no IPv6.
            if error.kind() == io::ErrorKind::AddrInUse {
                return Err(error);
            }
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))
        }),
    };
    let socket = socket.map_err(ProbeError::io(format!("cannot listen on port {port}")))?;
    enlarge(&socket);
    Ok(socket)
}

fn enlarge(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::RcvBufForce, &BUFFER)
        .or_else(|_| setsockopt(socket, sockopt::RcvBuf, &BUFFER));
    let _ = setsockopt(socket, sockopt::SndBufForce, &BUFFER)
        .or_else(|_| setsockopt(socket, sockopt::SndBuf, &BUFFER));
}

/// Waits until the socket has something to read, or can be written to.
pub(super) fn wait(socket: &UdpSocket, what: PollFlags, at_most: Duration) -> io::Result<bool> {
    let timeout = PollTimeout::try_from(at_most).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(socket.as_fd(), what)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Datagrams that found the socket's buffer full, since it was opened.
pub(super) fn dropped(socket: &UdpSocket) -> Option<u64> {
    let inode = nix::sys::stat::fstat(socket).ok()?.st_ino.to_string();
    ["udp", "udp6"].iter().find_map(|name| {
        let table = fs::read_to_string(format!("/proc/thread-self/net/{name}")).ok()?;
        table.lines().find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let (found, drops) = (columns.get(9)?, columns.last()?);
            if *found == inode { drops.parse().ok() } else { None }
        })
    })
}

/// Prepares the calling thread: exact timers, and pinned to `core` if one is given.
pub(super) fn ready_thread(core: Option<usize>) -> Result<(), ProbeError> {
    // The kernel's allowance for a sleep, 50 us by default. If this fails, sends are later, not wrong.
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1));
    let Some(core) = core else { return Ok(()) };
    let invalid = || {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        ProbeError::Refused(format!(
            "--core: there is no core {core} to run on; valid: one of the {cores} that this \
             process may use (taskset -p $$)"
        ))
    };
    if core >= CpuSet::MAX_CPU {
        return Err(invalid());
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|_| invalid())
}

/// Raises the soft limit of open files to `files`, as far as the hard limit goes.
pub(super) fn allow_files(files: u64) {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < files
    {
        // If it is still too low, opening the sockets fails.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, files.min(hard), hard);
    }
}

/// Identifies this boot of this machine: two ends with the same value share CLOCK_MONOTONIC.
pub(super) fn host() -> u32 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(8).collect();
    u32::from_str_radix(&digits, 16).unwrap_or(0)
}

/// A new session of this machine, chosen at random.
pub(super) fn session() -> Session {
    Session::new(host(), RandomState::new().build_hasher().finish() as u32)
}

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
