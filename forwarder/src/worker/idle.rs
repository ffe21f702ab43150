//! When to look again and when to sleep, as a pure function of what the worker knows.
//!
//! Invariant: a worker never sleeps in the kernel's readiness queue while a transmit ring still
//! holds frames. Polling an AF_XDP socket in copy mode transmits as a side effect and swallows the
//! error that says a frame was dropped, so such a frame would be lost without a name.

/// How a worker waits for frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdlePolicy {
    /// Never sleeps: the lowest latency, one whole core.
    Spin,
    /// Spins for a while after the last frame, then sleeps until the next.
    Adaptive,
    /// Sleeps whenever there is nothing to do.
    Sleep,
}

/// What to do after a turn that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look again at once.
    Again,
    /// Wait in the kernel until a socket is readable, at most this long.
    Readable { at_most_ns: u64 },
    /// Devices are full: let time pass, without touching their sockets.
    Nap { for_ns: u64 },
}

/// How long `adaptive` spins after the last frame before it sleeps. A sleep and the wake-up that
/// ends it cost some 5 us of latency and CPU; spinning ten times that long after each burst keeps
/// a flow of 50 k frames/s out of the kernel and still leaves an idle host idle.
pub const SPIN_NS: u64 = 50_000;
/// How long a nap lasts while devices are full: about the time a veth needs to empty half its ring.
pub const NAP_NS: u64 = 50_000;
/// Back-pressure is spun through for this long before the worker naps.
const PRESSURE_SPIN_NS: u64 = 20_000;

/// Decides what to do after a turn without progress.
#[inline]
pub const fn wait(
    policy: IdlePolicy,
    idle_for_ns: u64,
    tx_pending: bool,
    next_chore_in_ns: u64,
) -> Wait {
    match policy {
        IdlePolicy::Spin => Wait::Again,
        _ if tx_pending => {
            if idle_for_ns < PRESSURE_SPIN_NS {
                Wait::Again
            } else {
                Wait::Nap { for_ns: NAP_NS }
            }
        }
        IdlePolicy::Adaptive if idle_for_ns < SPIN_NS => Wait::Again,
        IdlePolicy::Adaptive | IdlePolicy::Sleep => Wait::Readable { at_most_ns: next_chore_in_ns },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spin_never_sleeps() {
        assert_eq!(wait(IdlePolicy::Spin, u64::MAX, false, 1), Wait::Again);
        assert_eq!(wait(IdlePolicy::Spin, u64::MAX, true, 1), Wait::Again);
    }

    #[test]
    fn adaptive_spins_first() {
        assert_eq!(wait(IdlePolicy::Adaptive, 0, false, 7), Wait::Again);
        assert_eq!(wait(IdlePolicy::Adaptive, SPIN_NS, false, 7), Wait::Readable { at_most_ns: 7 });
    }

    #[test]
    fn sleep_sleeps_at_once() {
        assert_eq!(wait(IdlePolicy::Sleep, 0, false, 7), Wait::Readable { at_most_ns: 7 });
    }

    #[test]
    fn nobody_polls_a_socket_that_has_frames_to_send() {
        for policy in [IdlePolicy::Adaptive, IdlePolicy::Sleep] {
            for idle_for_ns in [0, 10_000, 100_000, u64::MAX] {
                assert!(!matches!(wait(policy, idle_for_ns, true, 1), Wait::Readable { .. }));
            }
        }
    }
}
