//! Waking a worker that sleeps.
//!
//! Invariant: who puts something into a ring and then looks here, and who says here that it sleeps and
//! then looks into its rings, do not miss each other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes a worker that sleeps: the control side with a command, another worker with containers, or
/// with frames for a worker that has none.
#[derive(Debug)]
pub struct Doorbell {
    fd: OwnedFd,
    state: AtomicU8,
}

/// A worker that looks at its rings by itself.
const AWAKE: u8 = 0;
/// One that sleeps until something comes.
const ASLEEP: u8 = 1;
/// One that sleeps although it has no frames to fill its rings with.
const ASLEEP_IN_NEED: u8 = 2;

impl Doorbell {
    pub(super) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { fd, state: AtomicU8::new(AWAKE) })
    }

    /// Whoever listens wakes, or does not fall asleep. A full counter means that it is about to be
    /// woken anyway.
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

    /// To be called before the last look at the rings. `in_need`: there are no frames to fill
    /// receive rings with.
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
