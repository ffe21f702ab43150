//! The bed of the tests against the kernel: a namespace per test, veth pairs in it, frames, and a view of
//! what arrives.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a bed that cannot be made fails the test"
)]
#![allow(dead_code, unused_imports, reason = "each test program uses its own part")]

pub(crate) mod consumer;
mod frames;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::Command;
use std::time::{Duration, Instant};

pub(crate) use frames::{frame, superframe};
use weir_abi::Meta;
use weir_core::PortId;
use weir_port::{Kick, Packet, Pool, Port, Refused, XskConfig, XskPort, ethtool, sys};

pub(crate) const FRAMES: u32 = 8192;

/// Runs `test` in a new network namespace. Where that is not possible, reports that and returns.
pub(crate) fn in_namespace(name: &str, test: impl FnOnce() + Send + 'static) {
    let name = name.to_owned();
    let thread = std::thread::spawn(move || {
        // SAFETY: moves only this thread into new namespaces; no memory is involved.
        if unsafe { libc::unshare(libc::CLONE_NEWNET) } != 0 {
            eprintln!("SKIPPED: {name}: takes root ({})", std::io::Error::last_os_error());
            return;
        }
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("ip");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes a veth pair with both ends up, the given MTU, and no IPv6 traffic.
pub(crate) fn veth(a: &str, b: &str, mtu: u32) {
    ip(&format!("link add {a} mtu {mtu} type veth peer name {b} mtu {mtu}"));
    for end in [a, b] {
        ip(&format!("link set {end} addrgenmode none"));
        ip(&format!("link set {end} up"));
    }
}

pub(crate) fn config(name: &str) -> XskConfig {
    let ifindex = sys::interface_index(name).unwrap();
    let (_, tx, combined) = ethtool::channels(name).unwrap_or((0, 1, 0));
    XskConfig {
        tx_queues: tx + combined,
        fill_quota: 512,
        tx_features: ethtool::tx_features(name).unwrap(),
        ..XskConfig::new(name, ifindex, PortId(1))
    }
}

/// Receives every frame that arrives on an interface.
pub(crate) struct Tap(OwnedFd);

impl Tap {
    pub(crate) fn on(name: &str) -> Self {
        let every = (libc::ETH_P_ALL as u16).to_be();
        // SAFETY: the result is a new descriptor or -1.
        let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW, i32::from(every)) };
        assert!(fd >= 0);
        // SAFETY: just opened, and owned by nothing else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size: libc::c_int = 64 << 20;
        // SAFETY: zeros are a valid address; the option and the address are alive during the calls.
        let bound = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVBUFFORCE,
                (&raw const size).cast(),
                4,
            );
            let mut address: libc::sockaddr_ll = std::mem::zeroed();
            address.sll_family = libc::AF_PACKET as u16;
            address.sll_protocol = every;
            address.sll_ifindex = sys::interface_index(name).unwrap() as i32;
            libc::bind(
                fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        assert_eq!(bound, 0);
        Self(fd)
    }

    /// The next frame, if one arrives within a second.
    pub(crate) fn next(&self) -> Option<Vec<u8>> {
        let deadline = Instant::now() + Duration::from_secs(1);
        let mut buffer = vec![0; 70_000];
        while Instant::now() < deadline {
            // SAFETY: the buffer has the given length.
            let got = unsafe {
                libc::recv(
                    self.0.as_raw_fd(),
                    buffer.as_mut_ptr().cast(),
                    buffer.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            if got > 0 {
                buffer.truncate(got as usize);
                return Some(buffer);
            }
            std::thread::yield_now();
        }
        None
    }
}

pub(crate) fn packet(pool: &mut Pool, bytes: &[u8]) -> Packet {
    pool.compose(bytes, &Meta::default()).unwrap()
}

/// Sends until the port takes the packet, then until the device has taken it.
pub(crate) fn send(port: &mut XskPort, pool: &mut Pool, mut packet: Packet) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match port.send(pool, packet) {
            Ok(()) => return,
            Err(Refused::Full(back)) => packet = back,
            Err(Refused::Lost(packet, reason)) => {
                pool.release(packet);
                panic!("lost: {reason:?}, {:?}", port.stats());
            }
        }
        assert!(Instant::now() < deadline, "{:?}", port.stats());
        if port.kick(pool) == Kick::Again {
            std::thread::yield_now();
        }
        port.complete(pool);
    }
}

pub(crate) fn drain(port: &mut XskPort, pool: &mut Pool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while port.tx_outstanding() > 0 || pool.census().tx > 0 {
        if port.kick(pool) == Kick::Again {
            std::thread::yield_now();
        }
        port.complete(pool);
        assert!(Instant::now() < deadline, "{:?} {:?}", port.stats(), pool.census());
    }
}

/// Closes the port and checks that every frame is returned.
pub(crate) fn end(port: XskPort, pool: &mut Pool) {
    let slot = port.slot();
    port.close();
    pool.reclaim(slot);
    let census = pool.census();
    assert_eq!(census.free, census.total, "{census:?}");
}

pub(crate) fn on_core(core: usize, thread: i32) {
    // SAFETY: zeros are an empty set, alive during the call.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut cores);
        assert_eq!(libc::sched_setaffinity(thread, size_of_val(&cores), &raw const cores), 0);
    }
}

/// Moves the device's poll to a thread on the sender's core, so that the sender is faster.
pub(crate) fn slow_receiver(name: &str, sender: &str) {
    without_tso(sender);
    polled_on_core_0(name);
    on_core(0, 0);
}

/// Turns TSO off at the sending end, so that frames go through the far end's poll. With TSO the kernel does
/// not aggregate them, and delivers them on the sender's core, one by one.
pub(crate) fn without_tso(sender: &str) {
    for (feature, on) in ethtool::features(sender).unwrap() {
        if on && feature.starts_with("tx-tcp") {
            ethtool::set_feature(sender, &feature, false).unwrap();
        }
    }
}

/// Moves the device's poll to a thread on core 0.
pub(crate) fn polled_on_core_0(name: &str) {
    for thread in polled_by_threads(name) {
        on_core(0, thread);
    }
}

/// Moves the device's poll to threads, one for each of its queues, and returns them.
pub(crate) fn polled_by_threads(name: &str) -> Vec<i32> {
    // SAFETY: the strings are constants, and only this thread's mounts change.
    unsafe {
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        let private = libc::MS_REC | libc::MS_PRIVATE;
        let (root, sysfs) = (c"/".as_ptr(), c"sysfs".as_ptr());
        assert_eq!(libc::mount(sysfs, root, std::ptr::null(), private, std::ptr::null()), 0);
        assert_eq!(libc::mount(sysfs, c"/sys".as_ptr(), sysfs, 0, std::ptr::null()), 0);
    }
    ethtool::set_feature(name, "rx-gro", true).unwrap();
    std::fs::write(format!("/sys/class/net/{name}/threaded"), "1").unwrap();
    let mut threads = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let comm = std::fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        if comm.starts_with(&format!("napi/{name}-")) {
            threads.push(entry.file_name().into_string().unwrap().parse().unwrap());
        }
    }
    assert!(!threads.is_empty(), "no thread polls {name}");
    threads
}

/// The number of packets that the kernel has received on an interface.
pub(crate) fn received(name: &str) -> u64 {
    let output = Command::new("ip").args(["-s", "-o", "link", "show", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let numbers = text.split("RX:").nth(1).unwrap().split('\\').nth(1).unwrap();
    numbers.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A frame as a tap sees it: the kernel has removed the outer tag.
pub(crate) fn without_outer_tag(bytes: &[u8], tags: usize) -> Vec<u8> {
    if tags == 0 { bytes.to_vec() } else { [&bytes[..12], &bytes[16..]].concat() }
}
