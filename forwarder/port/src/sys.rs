//! The few system calls that no crate wraps: socket options, the transmit kick, a tap, the clock.
//!
//! Invariant: each function is safe to call with any argument, and returns the kernel's answer unchanged.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::time::{ClockId, clock_gettime};

const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// Nanoseconds on CLOCK_MONOTONIC, which `bpf_ktime_get_ns` reads too.
#[inline]
pub fn clock_monotonic_ns() -> u64 {
    clock_ns(ClockId::Monotonic)
}

/// Nanoseconds since 1970, as kernel time stamps have it.
pub fn clock_realtime_ns() -> u64 {
    clock_ns(ClockId::Realtime)
}

#[inline]
fn clock_ns(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64)
}

/// Keeps a long-lived process from growing in steps: all threads share one heap, and large pieces are mapped
/// separately, so that freeing them returns them to the system. Call this before the second thread starts.
/// Threads that must not wait for one another must not allocate.
pub fn keep_heap_small() {
    #[cfg(target_env = "gnu")]
    {
        const LARGE: libc::c_int = 128 << 10;
        // SAFETY: sets two parameters of the allocator through its own interface; no memory is accessed.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
            // A fixed threshold; otherwise the allocator raises it to the largest piece that was ever freed.
            libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        }
    }
}

/// Converts libbpf's answer, which is a negated errno or a result.
pub fn checked(ret: i32) -> io::Result<i32> {
    if ret < 0 { Err(io::Error::from_raw_os_error(-ret)) } else { Ok(ret) }
}

/// Takes ownership of the descriptor that libbpf has just opened.
pub fn owned(ret: i32) -> io::Result<OwnedFd> {
    let fd = checked(ret)?;
    // SAFETY: the kernel has just opened this descriptor for this process; nothing else holds it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub(crate) fn check(ret: libc::c_int) -> io::Result<libc::c_int> {
    if ret < 0 { Err(io::Error::last_os_error()) } else { Ok(ret) }
}

pub(crate) fn set_int(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option's value is the `int` pointed at, alive during the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// Sets the room for what a socket has sent and the device has not consumed. The forced variant needs
/// CAP_NET_ADMIN; without it the system's bound applies.
pub fn set_send_buffer(fd: BorrowedFd<'_>, bytes: libc::c_int) -> io::Result<()> {
    set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
        .or_else(|_| set_int(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
}

/// Lets one kick send as many frames as the ring holds. Returns false if the kernel is older than 6.17 and
/// sends 32 a call.
pub fn raise_tx_budget(fd: BorrowedFd<'_>, frames: u32) -> bool {
    set_int(fd, libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, frames as libc::c_int).is_ok()
}

/// Asks the kernel to send what is in a socket's transmit ring. Returns 0 or the errno.
#[inline]
pub fn kick(fd: BorrowedFd<'_>) -> i32 {
    // SAFETY: no buffer and no address are passed.
    let ret = unsafe {
        libc::sendto(fd.as_raw_fd(), std::ptr::null(), 0, libc::MSG_DONTWAIT, std::ptr::null(), 0)
    };
    if ret < 0 { last_errno() } else { 0 }
}

#[inline]
pub(crate) fn last_errno() -> i32 {
    // SAFETY: the location is the calling thread's own.
    unsafe { *libc::__errno_location() }
}

/// Makes a tap device, which exists as long as the descriptor. `flags` are further `IFF_` flags.
pub fn tap(name: &str, flags: libc::c_int) -> io::Result<OwnedFd> {
    let how = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open("/dev/net/tun", how, Mode::empty())?;
    let mut request = interface_request(name)?;
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | flags) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes the `ifreq` pointed at.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) })?;
    Ok(fd)
}

pub(crate) fn interface_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: an `ifreq` of zeros is valid: a name and a union of plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte must stay 0.
    if name.len() >= request.ifr_name.len() || name.as_bytes().contains(&0) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

/// The interface's index in this network namespace.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let socket = any_socket()?;
    Ok(rustix::net::netdevice::name_to_index(&socket, name)?)
}

/// The flags (IFF_UP, ...) of an interface in the network namespace in which `socket` was made, whatever the
/// calling thread's namespace. IFF_RUNNING, which tells that the other end is up, may be a second out of
/// date. An exact answer takes a lock that any process that configures a device may hold for long.
pub(crate) fn interface_flags(socket: BorrowedFd<'_>, ifindex: u32) -> io::Result<i32> {
    // SAFETY: an `ifreq` of zeros is valid: a name and a union of plain numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_ifru.ifru_ifindex = libc::c_int::try_from(ifindex).map_err(io::Error::other)?;
    // SAFETY: SIOCGIFNAME reads the index and writes the name of the `ifreq` pointed at.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFNAME as _, &raw mut request) })?;
    // SAFETY: SIOCGIFFLAGS reads the name and writes the flags of the `ifreq` pointed at.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &raw mut request) })?;
    // SAFETY: the call above has filled in the flags.
    Ok(i32::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// A socket for ioctls about network devices.
pub(crate) fn any_socket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

/// A packet socket on an interface that does not block. It receives nothing: its protocol is none.
pub(crate) fn packet_socket(ifindex: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
    // SAFETY: zeros are a valid address structure.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_ifindex = libc::c_int::try_from(ifindex).map_err(io::Error::other)?;
    // SAFETY: the address is alive during the call and its length is right.
    check(unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })?;
    Ok(fd)
}

/// Prefetches the cache line at an address. Nothing is read, so any address is valid.
#[inline(always)]
pub(crate) fn prefetch(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; it never faults.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests;
