//! When and why an open container is released. Invariant: a policy decides only from the times it is given,
//! so the same calls give the same answers. No container stays open longer than its timeout T0.
//!
//! | policy | a container that is not full is released |
//! |---|---|
//! | `eager` | at the end of the turn that opened it: it gathers what is there and adds no waiting |
//! | `fixed` | T0 after it was opened |
//! | `adaptive` | at its playout deadline, min(T0, D + 4V) after it was opened |
//!
//! With every policy a container is released at once when a packet does not fit. Where `work_conserving` is
//! set, it is also released at once when its link has nothing else to send.
//!
//! # The playout deadline
//!
//! The rule is that of Ramjee, Kurose, Towsley and Schulzrinne (INFOCOM '94), applied per (ingress, egress)
//! pair, with *a* = `alpha_q16` / 65536:
//!
//! ```text
//! D = a D + (1 - a) n        the mean of n
//! V = a V + (1 - a) |D - n|  the mean deviation from D
//! ```
//! *n* is a container's **useful waiting**: the time from its opening to the arrival of its last packet,
//! which is the sum of the inter-arrival times inside it. Waiting longer brought nothing more. The time that
//! the container was open is not used: the rule sets that time itself, and would only confirm its own
//! decisions.
//!
//! - Request and response: a container holds one packet and n = 0, so after the first container nothing
//!   waits.
//! - A steady stream: n is the time to fill a container, and D + 4V stays at or above it.
//! - A deadline that falls between two packets of a stream reduces n by one gap. D decreases by 1 - a of that
//!   gap, and 4V increases by four times as much, so the deadline moves out again.
//!
//! Without an estimate the deadline is T0. The first observation gives D = n and V = n / 2, as TCP does for
//! its retransmission timer. For the k-th observation after that, 1 - a is 1 / k as long as that is more. D
//! is then the mean of all observations, until there are enough for *a*. Otherwise the first observation,
//! which is often a guest's greeting, would keep the deadline high for 550 containers at a = 0.99. Containers
//! released because the link was idle are not observed: what a longer wait would have brought is unknown.
//!
//! # Out of zero, and other limits
//!
//! Before the release, a closed loop (which waits for its answer) and an open stream look alike: one packet,
//! then nothing for a while. While nothing waits, n is 0 whatever the traffic. Once a connection began with
//! single packets, as all do, the rule as published would keep n at 0 for good. So one container in
//! [`PROBE_EVERY`] is a probe: it waits for T0. (For a closed loop this costs T0 / 1024 a round, 0.2 us.) If
//! the probe gains something, the next container is a probe too. If that gains as well, the estimate restarts
//! from the smaller n. The second probe is for several closed loops that share a pair: the first probe
//! gathers them all, they then run in step, and the second finds little more to gather.
//!
//! - A stream of medium rate that follows single packets is treated as `eager` would for up to `PROBE_EVERY`
//!   containers.
//! - The reverse change is slow once there were 1 / (1 - a) containers. Starting from D = T0 at a = 0.99,
//!   single packets wait for T0 for some 230 containers, because V grows at first, and still for a tenth of
//!   it after 540. A smaller `alpha` forgets faster.
//! - Times are read once a turn, so the resolution of n is one turn.

use crate::{NamedCounts, Release, ReleaseSettings, named};

/// The number of containers in a row that gained nothing by waiting, after which one waits as a probe.
pub const PROBE_EVERY: u16 = 1024;

named! {
    /// Why a container went from open to queued.
    ReleaseReason {
        Full "full" "Let go because the next packet did not fit.";
        Timeout "timeout" "Let go because it had been open for the longest time allowed.";
        Playout "playout" "Let go because its first packet would have been late.";
        Idle "idle" "Let go because its link had nothing else to send.";
        Flush "flush" "Let go because the burst that opened it was over, or its port left.";
    }
}

/// Released containers by reason.
pub type Releases = NamedCounts<ReleaseReason, { ReleaseReason::COUNT }>;

impl ReleaseSettings {
    /// How long a container opened now may stay open, and the reason for its release after that time.
    #[inline]
    pub fn stay(&self, estimate: &Estimate) -> (u64, ReleaseReason) {
        match self.policy {
            Release::Eager => (0, ReleaseReason::Flush),
            Release::Fixed => (self.timeout_ns, ReleaseReason::Timeout),
            Release::Adaptive => match estimate.playout_ns() {
                Some(playout_ns) if playout_ns < self.timeout_ns => {
                    (playout_ns, ReleaseReason::Playout)
                }
                _ => (self.timeout_ns, ReleaseReason::Timeout),
            },
        }
    }
}

const ONE_Q16: u64 = 1 << 16;
/// The upper limit of n. Larger values, above four seconds, would make no difference; with the limit the sums
/// below fit 64 bits.
const LONGEST_NS: u64 = u32::MAX as u64;

/// What a pair has learned about its useful waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Estimate {
    /// D and V in 1/65536 ns, so that rounding does not leave them below the value they converge to.
    mean_q16: u64,
    variation_q16: u64,
    /// The number of containers observed, counted as long as the plain mean gives the past less weight than
    /// `alpha`.
    seen: u16,
    /// Containers in a row that gained nothing by waiting; at `PROBE_EVERY` the next one is a probe.
    quiet: u16,
    /// What the last probe gained, if another probe is to confirm it.
    gained_ns: u32,
}

impl Estimate {
    /// D + 4V; `None` if T0 applies instead, that is before the first observation and for a probe.
    #[inline]
    pub fn playout_ns(&self) -> Option<u64> {
        (self.seen > 0 && self.quiet < PROBE_EVERY).then(|| self.sum_ns())
    }

    #[inline]
    fn sum_ns(&self) -> u64 {
        nearest(self.mean_q16.saturating_add(self.variation_q16.saturating_mul(4)))
    }

    /// Observes a released container whose last packet came `useful_ns` after it was opened.
    #[inline]
    pub fn observe(&mut self, alpha_q16: u32, useful_ns: u64) {
        let n = useful_ns.min(LONGEST_NS);
        if self.seen == 0 {
            self.restart(n);
        } else if self.quiet >= PROBE_EVERY {
            self.looked(n);
        } else {
            let n_q16 = n * ONE_Q16;
            let keep_q16 = self.keep_q16(alpha_q16);
            self.mean_q16 = blend(keep_q16, self.mean_q16, n_q16);
            self.variation_q16 = blend(keep_q16, self.variation_q16, self.mean_q16.abs_diff(n_q16));
            self.quiet = if self.sum_ns() == 0 { self.quiet + 1 } else { 0 };
        }
    }

    /// The weight of the past: `alpha`, or while there are few observations the smaller weight that gives a
    /// plain mean.
    #[inline]
    fn keep_q16(&mut self, alpha_q16: u32) -> u64 {
        let alpha_q16 = u64::from(alpha_q16).min(ONE_Q16);
        let mean_q16 = ONE_Q16 - ONE_Q16 / (u64::from(self.seen) + 1);
        if mean_q16 >= alpha_q16 {
            return alpha_q16;
        }
        self.seen = self.seen.saturating_add(1);
        mean_q16
    }

    fn looked(&mut self, n: u64) {
        match (n, u64::from(self.gained_ns)) {
            (0, _) => (self.quiet, self.gained_ns) = (0, 0),
            (n, 0) => self.gained_ns = n as u32,
            (n, before) => self.restart(n.min(before)),
        }
    }

    fn restart(&mut self, n: u64) {
        *self = Self {
            mean_q16: n * ONE_Q16,
            variation_q16: n * ONE_Q16 / 2,
            seen: 1,
            ..Self::default()
        };
    }
}

/// `a * old + (1 - a) * new`. Both are below 2^48, so neither product passes 2^64.
#[inline]
fn blend(a: u64, old: u64, new: u64) -> u64 {
    (a * old + (ONE_Q16 - a) * new) / ONE_Q16
}

#[inline]
fn nearest(q16: u64) -> u64 {
    q16.saturating_add(ONE_Q16 / 2) / ONE_Q16
}

#[cfg(test)]
mod tests;
