//! Wakes a worker that sleeps.
//!
//! Invariant: no wake-up is lost. The writer of a ring first writes and then reads the state here. The worker
//! first sets the state to asleep and then looks into its rings. So at least one of them sees the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a worker that sleeps. The control side rings it for a command, and another worker for containers, or
/// for frames if the sleeper has none.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
    state: AtomicU8,
}

/// The worker is awake and looks into its rings by itself.
const AWAKE: u8 = 0;
/// The worker sleeps until something arrives.
const ASLEEP: u8 = 1;
/// The worker sleeps and has no frames to fill its rings with.
const ASLEEP_IN_NEED: u8 = 2;

impl Doorbell {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, state: AtomicU8::new(AWAKE) })
    }

    /// Wakes the listener, or keeps it from falling asleep. If the counter is full, the listener is about to
    /// wake anyway.
    pub(super) fn ring(&self) {
        let _ = rustix::io::write(&self.fd, &1_u64.to_ne_bytes());
    }

    /// Rings if the worker sleeps. A worker that is awake sees what was put into a ring before.
    pub(super) fn ring_if_asleep(&self) {
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) != AWAKE {
            self.ring();
        }
    }

    /// Rings if the worker sleeps and has no frames.
    pub(super) fn ring_if_in_need(&self) {
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) == ASLEEP_IN_NEED {
            self.ring();
        }
    }

    /// Marks the worker as asleep. Call this before the last look into the rings. `in_need`: it has no frames
    /// to fill receive rings with.
    pub(super) fn set_asleep(&self, in_need: bool) {
        let state = if in_need { ASLEEP_IN_NEED } else { ASLEEP };
        self.state.store(state, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    #[cfg(test)]
    pub(super) fn is_asleep(&self) -> bool {
        self.state.load(Ordering::Relaxed) != AWAKE
    }

    pub(super) fn set_awake(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.fd, &mut count);
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
