//! When an open container is let go, and why it was. Invariant: a policy decides from the times
//! it is given only, so the same calls give the same answers; and no container stays open longer
//! than its timeout T0.
//!
//! | policy | a container that is not full is let go |
//! |---|---|
//! | `eager` | at the end of the turn that opened it: gathers what is there, adds no waiting |
//! | `fixed` | T0 after it was opened |
//! | `adaptive` | at its playout deadline, min(T0, D + 4V) after it was opened |
//!
//! A packet that does not fit lets the container go at once, whatever the policy. So does, where
//! `work_conserving` is set, a link that has nothing else to send.
//!
//! # The playout deadline
//!
//! After Ramjee, Kurose, Towsley and Schulzrinne (INFOCOM '94), per (ingress, egress) pair, with
//! *a* = `alpha_q16` / 65536:
//!
//! ```text
//! D = a D + (1 - a) n        the mean of n
//! V = a V + (1 - a) |D - n|  how far it strays from it
//! ```
//! *n* is a container's **useful waiting**: from its opening to the arrival of its last packet, the
//! sum of the inter-arrival times inside it. After that, waiting brought nothing more. Not the time
//! it was open: the rule sets that itself and would only confirm what it did before.
//!
//! - Request and response: a container holds one packet, n = 0, and after the first one nothing
//!   waits.
//! - A steady stream: n is the time to fill a container, and D + 4V stays at or above it.
//! - A deadline that comes between two packets of a stream cuts n down by one gap. D follows by
//!   1 - a of that gap and 4V grows by four times as much, so the deadline moves out again.
//!
//! With no estimate yet the deadline is T0. The first observation gives D = n, V = n / 2, as TCP
//! does for its retransmission timer. After that, 1 - a is 1 / k for the k-th one as long as that
//! is more: D is the mean of all there were, until there are enough for *a*. Otherwise the first
//! one, which is often some guest's greeting, would hold the deadline up for 550 containers at
//! a = 0.99. Containers that were let go because the link was idle are not observed: nobody waited
//! to see what would have come.
//!
//! # Out of zero, and other limits
//!
//! A closed loop, which waits for its answer, and an open stream look alike before the release: one
//! packet, then nothing for a while. Where nothing waits, n is 0 whatever the traffic, and the rule
//! as published stays there for good once a connection began with single packets, as they all do.
//! So one container in [`PROBE_EVERY`] (which costs a closed loop T0 / 1024 a round, 0.2 us) waits
//! for T0 to look. If it gains something, the next one looks too; if that gains as well, the estimate
//! starts anew from the smaller n. The second look is for several closed loops that share a pair:
//! the first gathers them all, they then go on in step, and the second finds little more to gather.
//!
//! - A stream of medium rate that follows single packets is treated as `eager` would for up to
//!   `PROBE_EVERY` containers.
//! - The reverse is slow once there were 1 / (1 - a) containers: from D = T0, single packets wait
//!   for T0 for some 230 containers at a = 0.99, because V grows at first, and for a tenth of it
//!   after 540. A smaller `alpha` forgets faster.
//! - Times are read once a turn, so n is no finer than that.

use std::fmt;

use crate::{Release, ReleaseSettings};

/// Containers in a row with nothing to wait for, after which one waits all the same, to look.
pub const PROBE_EVERY: u16 = 1024;

/// Why a container went from open to queued.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ReleaseReason {
    /// The next packet did not fit.
    Full,
    /// It had been open for the longest time allowed.
    Timeout,
    /// Its playout deadline came.
    Playout,
    /// Its link had nothing else to send.
    Idle,
    /// The turn it was opened in ended.
    Flush,
}

impl ReleaseReason {
    pub const ALL: &'static [Self] =
        &[Self::Full, Self::Timeout, Self::Playout, Self::Idle, Self::Flush];
    pub const COUNT: usize = Self::ALL.len();

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Timeout => "timeout",
            Self::Playout => "playout",
            Self::Idle => "idle",
            Self::Flush => "flush",
        }
    }
}

impl fmt::Display for ReleaseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl ReleaseSettings {
    /// How long a container that is opened now may stay open, and what it is called if it does.
    #[inline]
    #[must_use]
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
/// Of n. Larger ones, four seconds, are as good as this; the sums below then fit 64 bits.
const LONGEST_NS: u64 = u32::MAX as u64;

/// What a pair has learned about its useful waiting.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Estimate {
    /// D and V in 1/65536 ns, so that they come to rest at the value and not below it.
    mean_q16: u64,
    variation_q16: u64,
    /// Containers behind it, as far as they are counted: until `alpha` weighs more than one of them.
    seen: u16,
    /// Containers in a row that had nothing to wait for; at `PROBE_EVERY` the next one is a look.
    quiet: u16,
    /// What the last look gained, if another is to confirm it.
    gained_ns: u32,
}

impl Estimate {
    pub const NONE: Self = Self { mean_q16: 0, variation_q16: 0, seen: 0, quiet: 0, gained_ns: 0 };

    /// D + 4V; `None` where it is T0 that counts: before the first observation, and for a look.
    #[inline]
    #[must_use]
    pub fn playout_ns(&self) -> Option<u64> {
        (self.seen > 0 && self.quiet < PROBE_EVERY).then(|| self.sum_ns())
    }

    /// (D, V), to the nearest nanosecond.
    #[must_use]
    pub fn mean_and_variation_ns(&self) -> (u64, u64) {
        (nearest(self.mean_q16), nearest(self.variation_q16))
    }

    #[inline]
    fn sum_ns(&self) -> u64 {
        nearest(self.mean_q16.saturating_add(self.variation_q16.saturating_mul(4)))
    }

    /// A container was let go whose last packet came `useful_ns` after it was opened.
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

    /// `alpha`, or while there are few observations what makes a plain mean of them, if that is less.
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
        *self =
            Self { mean_q16: n * ONE_Q16, variation_q16: n * ONE_Q16 / 2, seen: 1, ..Self::NONE };
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
