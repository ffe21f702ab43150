//! The sockets of probes, and the thread that uses them. Invariant: every socket here hands the kernel
//! one datagram at a time (no segmentation offload), and has as much room as the system allows, so that
//! losses happen on the way.

use std::collections::hash_map::RandomState;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{setsockopt, sockopt};
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};

use super::ProbeError;
use super::wire::Session;

/// The forced variants need CAP_NET_ADMIN; without it the system's bounds apply.
const BUFFER: usize = 64 << 20;

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
        Err(nix::errno::Errno::EINTR) => Ok(false),
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

#[cfg(test)]
mod tests;
