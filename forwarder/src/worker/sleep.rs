//! How long a worker may sleep, and what wakes it.
//!
//! Invariant: each event that a worker waits for either wakes it, or is checked at least as often as its
//! other chores. No wake-up is lost: the writer of a ring first writes and then reads the [`Doorbell`]'s state.
//! The worker first sets the state to asleep and then looks into its rings. So at least one of them sees the
//! other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering, fence};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use weir_core::broken;
use weir_port::Port;

use super::Worker;
use super::heartbeat::LATE_NS;

/// How often the worker does its chores while it is awake.
pub(super) const CHORES_EVERY_NS: u64 = 1_000_000;
/// The longest sleep. Commands end it at once, so it bounds only the ageing of flows and the interval of the
/// heartbeat.
pub(super) const LONGEST_SLEEP_NS: u64 = 100_000_000;

const _: () = assert!(4 * LONGEST_SLEEP_NS <= LATE_NS, "a sleeper is not taken for one that hangs");

impl<P: Port> Worker<P> {
    /// A device takes nothing now, and something waits for it.
    pub(super) fn device_pushes_back(&self) -> bool {
        self.lanes.any_tended(|lane| lane.refused)
    }

    /// The receive rings cannot be filled: other workers have the frames, and will return them.
    fn is_in_need(&self) -> bool {
        !self.peers.is_alone() && self.pool.available_to_fill() == 0
    }

    /// How long the worker may sleep. Completions and single returned frames do not wake it, so it checks for
    /// them itself.
    pub(super) fn chore_gap(&self) -> u64 {
        let awaited = !self.leaving.is_empty()
            || self.is_in_need()
            || self.lanes.any_tended(|lane| lane.port.tx_outstanding() > 0);
        if awaited { CHORES_EVERY_NS } else { LONGEST_SLEEP_NS }
    }

    /// Waits until a frame or a command arrives. The sockets are registered for each wait, not once for all:
    /// a socket with a waiter costs a wake-up for every frame sent or received, whether the waiter sleeps or
    /// not.
    pub(super) fn sleep(&self, at_most_ns: u64) {
        let Some(bell) = self.peers.bell() else { return broken!("a worker has no bell") };
        let in_need = self.is_in_need();
        bell.set_asleep(in_need);
        if self.peers.has_arrivals(in_need) {
            bell.set_awake();
            return;
        }
        let mut watched = Vec::with_capacity(self.lanes.receiving() + 2);
        watched.push(PollFd::from_borrowed_fd(bell.fd(), PollFlags::IN));
        let lanes = (0..self.lanes.receiving()).filter_map(|nth| self.lanes.nth(nth));
        let ports = lanes.filter_map(|id| self.lanes.get(id)).map(|lane| &lane.port);
        for port in ports.chain(self.gathering.iter().map(|gathering| &gathering.port)) {
            watched.extend(port.fds().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        let timeout = Timespec::try_from(Duration::from_nanos(at_most_ns));
        // An interrupted or failed wait is just a short one: the loop looks into its rings either way.
        let _ = poll(&mut watched, timeout.ok().as_ref());
        bell.set_awake();
    }
}

/// Wakes a worker that sleeps. The control side rings it for a command, and another worker for containers, or
/// for frames if the sleeper has none.
#[derive(Debug)]
pub(super) struct Doorbell {
    fd: OwnedFd,
    state: AtomicU8,
}

/// The worker is awake and looks into its rings by itself.
const AWAKE: u8 = 0;
/// The worker sleeps until something arrives.
pub(super) const ASLEEP: u8 = 1;
/// The worker sleeps and has no frames to fill its rings with.
pub(super) const ASLEEP_IN_NEED: u8 = 2;

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

    /// Rings if the worker is [`ASLEEP`], or only if it is [`ASLEEP_IN_NEED`]. A worker that is awake sees what
    /// was put into a ring before.
    pub(super) fn ring_if(&self, state: u8) {
        fence(Ordering::SeqCst);
        if self.state.load(Ordering::Relaxed) >= state {
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
