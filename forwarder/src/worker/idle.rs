//! When to look again and when to sleep, as a pure function of what the worker knows.
//!
//! Invariant: a worker never sleeps in the kernel's readiness queue while a transmit ring still
//! holds frames. Polling an AF_XDP socket in copy mode transmits as a side effect and swallows the
//! error that says a frame was dropped, so such a frame would be lost without a name.

use weir_core::Idle;

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

/// How long a nap lasts while devices are full: about the time a veth needs to empty half its ring.
pub const NAP_NS: u64 = 50_000;
/// Back-pressure is spun through for this long before the worker naps.
const PRESSURE_SPIN_NS: u64 = 20_000;

/// What a worker knows after a turn that found nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the last frame moved.
    pub idle_for_ns: u64,
    /// How long it pays to look for the next one (`gaps`).
    pub look_ns: u64,
    /// A device holds frames that it does not take.
    pub tx_pending: bool,
    /// Until something that waits for its time may go.
    pub due_in_ns: Option<u64>,
    /// Until a link may take the next of what waits for it.
    pub link_in_ns: Option<u64>,
    /// Until the worker wants to look after its house.
    pub chores_in_ns: u64,
}

/// A sleep shorter than this is not worth falling asleep for.
const SHORT_NS: u64 = 5_000;
/// While frames wait for a link that takes the next of them within this time, an adaptive worker looks on:
/// a virtual machine may get a core that slept back milliseconds late, and every frame that shares the
/// link would wait for it.
const CONTENDED_NS: u64 = 100_000;

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
                Wait::Nap { for_ns: NAP_NS }
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
