//! Decides when to look again and when to sleep, as a pure function of what the worker knows.
//!
//! Invariant: a worker never polls its sockets while a transmit ring still holds frames. Polling an AF_XDP
//! socket in copy mode transmits as a side effect, and hides the error that says a frame was dropped. Such a
//! frame would be lost without a reason.

use weir_core::Idle;

/// What to do after a turn without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Look again at once.
    Again,
    /// Wait in the kernel until a socket is readable, at most this long.
    Readable { at_most_ns: u64 },
    /// Devices are full: sleep for [`NAP_NS`] without touching their sockets.
    Nap,
}

/// The length of a nap while devices are full: about the time a veth needs to empty half its ring.
pub const NAP_NS: u64 = 50_000;
/// The worker spins for this long under back-pressure before it naps.
const PRESSURE_SPIN_NS: u64 = 20_000;

/// What a worker knows after a turn without progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time since the last frame moved.
    pub idle_for_ns: u64,
    /// How long looking for the next frame is worth it (`gaps`).
    pub look_ns: u64,
    /// A device refuses frames that wait for it.
    pub tx_pending: bool,
    /// The time until something that waits may leave.
    pub due_in_ns: Option<u64>,
    /// The time until a link may take the next packet that waits for it.
    pub link_in_ns: Option<u64>,
    /// The time until the next chores.
    pub chores_in_ns: u64,
}

/// A sleep shorter than this is not worth its cost.
const SHORT_NS: u64 = 5_000;
/// While frames wait for a link that takes the next of them within this time, an adaptive worker keeps
/// looking. A virtual machine may get a core that slept back milliseconds late, and every frame on the link
/// would wait that long.
const CONTENDED_NS: u64 = 250_000;

/// Decides what to do after a turn without progress.
#[inline]
pub const fn wait(policy: Idle, moment: Moment) -> Wait {
    let Moment { idle_for_ns, look_ns, tx_pending, due_in_ns, link_in_ns, chores_in_ns } = moment;
    let at_most_ns = match due_in_ns {
        Some(due) if due < chores_in_ns => due,
        _ => chores_in_ns,
    };
    match policy {
        Idle::Spin => Wait::Again,
        _ if tx_pending => {
            if idle_for_ns < PRESSURE_SPIN_NS || at_most_ns < NAP_NS {
                Wait::Again
            } else {
                Wait::Nap
            }
        }
        Idle::Adaptive if idle_for_ns < look_ns => Wait::Again,
        Idle::Adaptive if matches!(link_in_ns, Some(due) if due < CONTENDED_NS) => Wait::Again,
        _ if at_most_ns < SHORT_NS => Wait::Again,
        Idle::Adaptive | Idle::Sleep => Wait::Readable { at_most_ns },
    }
}

#[cfg(test)]
mod tests;
