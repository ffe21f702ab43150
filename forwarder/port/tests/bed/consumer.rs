//! Consumers that stop: a core that is kept busy, and a tap with or without a reader.
#![allow(clippy::unwrap_used, reason = "a consumer that cannot be made fails the test")]

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{ip, on_core};

/// A core is not kept busy for longer than this, even if the test fails.
const LONGEST: Duration = Duration::from_millis(400);

/// Keeps everything else off a core: a real-time thread that runs there until told to stop.
pub(crate) struct Hog {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Hog {
    pub(crate) fn on_core_0() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, running) = (Arc::clone(&stop), Arc::new(AtomicBool::new(false)));
        let runs = Arc::clone(&running);
        let thread = std::thread::spawn(move || {
            on_core(0, 0);
            let first = libc::sched_param { sched_priority: 50 };
            // SAFETY: the parameters are alive during the call, which is about this thread only.
            let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const first) };
            assert_eq!(set, 0);
            runs.store(true, Ordering::Release);
            let start = Instant::now();
            // The second condition releases the core even if a test fails.
            while !told.load(Ordering::Relaxed) && start.elapsed() < LONGEST {
                std::hint::spin_loop();
            }
        });
        while !running.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        Self { stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

/// Opens a tap of this name, sets it up, and sets its offloads.
pub(crate) fn open_tap(name: &str, vnet: bool) -> std::fs::File {
    const TUN_F_CSUM: libc::c_ulong = 1;
    const TUN_F_TSO4: libc::c_ulong = 2;
    // SAFETY: the path is a C string; the request is alive during the call; the descriptor was just opened
    // and nothing else owns it.
    let fd = unsafe {
        let fd = libc::open(c"/dev/net/tun".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        assert!(fd >= 0);
        let fd = OwnedFd::from_raw_fd(fd);
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from as libc::c_char;
        }
        let flags = libc::IFF_TAP | libc::IFF_NO_PI | if vnet { libc::IFF_VNET_HDR } else { 0 };
        request.ifr_ifru.ifru_flags = flags as libc::c_short;
        assert_eq!(libc::ioctl(fd.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request), 0);
        if vnet {
            let offloads = TUN_F_CSUM | TUN_F_TSO4;
            assert_eq!(libc::ioctl(fd.as_raw_fd(), libc::TUNSETOFFLOAD as _, offloads), 0);
        }
        fd
    };
    ip(&format!("link set {name} addrgenmode none"));
    ip(&format!("link set {name} up"));
    std::fs::File::from(fd)
}

/// Reads frames on a separate thread, and can be paused.
pub(crate) struct Reader {
    paused: Arc<AtomicBool>,
    pub(crate) read: Arc<AtomicU64>,
    pub(crate) thread: std::thread::JoinHandle<Vec<Vec<u8>>>,
}

impl Reader {
    /// Reads until a frame arrives for which `last` is true.
    pub(crate) fn new(
        mut tap: std::fs::File,
        last: impl Fn(&[u8]) -> bool + Send + 'static,
    ) -> Self {
        let (paused, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (pause, count) = (Arc::clone(&paused), Arc::clone(&read));
        let thread = std::thread::spawn(move || {
            let mut frames = Vec::new();
            let mut buffer = vec![0; 70_000];
            loop {
                while pause.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let len = tap.read(&mut buffer).unwrap();
                frames.push(buffer[..len].to_vec());
                count.fetch_add(1, Ordering::Relaxed);
                if last(&buffer[..len]) {
                    return frames;
                }
            }
        });
        Self { paused, read, thread }
    }

    pub(crate) fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }
}
