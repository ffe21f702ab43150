//! Decides when to look again and when to sleep, as a pure function of what the worker knows. [`Gaps`] says how
//! long `adaptive` looks for the next frame: the time that would have cost least lately.
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
    /// How long looking for the next frame is worth it ([`Gaps`]).
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

/// The times to choose from. A gap belongs to the class of the first time that is longer than it.
const LOOKS_NS: [u64; 5] = [0, 3_000, 6_000, 12_000, 25_000];
/// The cost of a gap of each class to a worker that looks for long enough. Longer gaps never end while it
/// looks.
const WITHIN_NS: [u64; 4] = [1_500, 4_500, 9_000, 18_500];
/// The cost of a sleep and its wake-up: the CPU time and the frame's wait together. 17 us and 20 us were
/// measured in a virtual machine, and a quarter of that outside one.
const SLEEP_NS: u64 = 25_000;
/// How much later than its frame a sleeping worker wakes.
const WAKE_NS: u64 = 15_000;
/// The number of counted gaps at which the counts are halved.
const MANY: u32 = 64;

/// Gaps between frames, counted by length, with decreasing weight for old ones. If a frame comes while the worker
/// looks, the gap costs its own length. Otherwise it costs the time spent looking plus a sleep. Of
/// [`LOOKS_NS`] the worker takes the time with the least cost over the counted gaps. Invariant: over those
/// gaps, no other of them would have been cheaper, by more than the width of a class.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    /// The number of gaps by class: the classes of `WITHIN_NS`, then all longer gaps.
    counted: [u32; LOOKS_NS.len()],
    look_ns: u64,
}

impl Gaps {
    /// Starts without knowledge, with the longest time.
    pub(super) const fn new() -> Self {
        Self { counted: [0; LOOKS_NS.len()], look_ns: LOOKS_NS[LOOKS_NS.len() - 1] }
    }

    /// How long to look after the last frame.
    pub(super) const fn look_ns(&self) -> u64 {
        self.look_ns
    }

    /// Counts a gap: a frame came `after_ns` after the previous one.
    pub(super) fn came(&mut self, after_ns: u64, slept: bool) {
        let gap_ns = if slept { after_ns.saturating_sub(WAKE_NS) } else { after_ns };
        let class = LOOKS_NS.iter().skip(1).position(|look_ns| gap_ns < *look_ns);
        if let Some(counted) = self.counted.get_mut(class.unwrap_or(WITHIN_NS.len())) {
            *counted += 1;
        }
        if self.counted.iter().sum::<u32>() >= MANY {
            self.look_ns = self.cheapest_ns();
            self.counted.iter_mut().for_each(|counted| *counted /= 2);
        }
    }

    fn cheapest_ns(&self) -> u64 {
        let cost = |nth: usize, look_ns: u64| -> u64 {
            let costs = self.counted.iter().zip(WITHIN_NS.iter().chain([&0])).enumerate();
            costs
                .map(|(class, (counted, within_ns))| {
                    let each = if class < nth { *within_ns } else { look_ns + SLEEP_NS };
                    u64::from(*counted) * each
                })
                .sum()
        };
        let looks =
            LOOKS_NS.iter().enumerate().map(|(nth, look_ns)| (cost(nth, *look_ns), *look_ns));
        looks.min().map_or(self.look_ns, |(_, look_ns)| look_ns)
    }
}

#[cfg(test)]
mod tests;
