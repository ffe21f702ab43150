//! A link's rate. Invariant: over any interval at most `rate * interval` is sent, plus what was not sent in
//! the last `SLACK_NS` before it (`LATE_NS` if something waited all that time), plus what prompt containers
//! may be ahead, plus one container.
//!
//! `free` is when what was sent so far has left a link of that rate. A container may go once `free` has come.
//! `free` may be behind now by the slack, so that a worker that asks late still fills the link. A worker that
//! shares its core can be away for milliseconds; what waited meanwhile was owed to the link, and is made up
//! for. A link that had nothing to send is owed less.

use super::time::PerByte;
use crate::Rate;

const SLACK_NS: u64 = 2_000_000;
const LATE_NS: u64 = 10_000_000;
/// The limits of how far prompt containers may put the link ahead. It is the time of two of the largest
/// containers, within these limits, and in any case at least that of one.
const AHEAD_LEAST_NS: u64 = 100_000;
const AHEAD_MOST_NS: u64 = 1_000_000;

/// Time with the fraction bits that `PerByte` has. It is not rounded, because a link's sum never ends.
type Fine = u128;

#[inline]
fn fine(ns: u64) -> Fine {
    Fine::from(ns) << PerByte::BITS
}

/// In whole nanoseconds, rounded up.
#[inline]
fn ceil_ns(at: Fine) -> u64 {
    u64::try_from(at.div_ceil(1 << PerByte::BITS)).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Zero: the link has no rate.
    per_byte: PerByte,
    free: Fine,
    /// Bytes of the largest container so far.
    largest: u64,
    /// Something has been waiting since the last container was sent.
    wanted: bool,
}

impl Link {
    #[inline]
    pub(super) fn has_rate(&self) -> bool {
        self.per_byte.0 != 0
    }

    #[inline]
    fn cost(&self, bytes: u64) -> Fine {
        Fine::from(bytes) * Fine::from(self.per_byte.0)
    }

    /// When the next container may go; 0: now.
    #[inline]
    pub(super) fn opens_at(&self, now: u64) -> u64 {
        if !self.has_rate() || self.free <= fine(now) { 0 } else { ceil_ns(self.free) }
    }

    /// When a prompt container may go; 0: now.
    #[inline]
    pub(super) fn opens_early_at(&self, now: u64) -> u64 {
        if !self.has_rate() {
            return 0;
        }
        let one = self.cost(self.largest);
        let ahead = (2 * one).clamp(fine(AHEAD_LEAST_NS), fine(AHEAD_MOST_NS)).max(one);
        let at = self.free.saturating_sub(ahead);
        if at <= fine(now) { 0 } else { ceil_ns(at) }
    }

    #[inline]
    pub(super) fn charge(&mut self, now: u64, bytes: u64) {
        self.largest = self.largest.max(bytes);
        if !self.has_rate() {
            return;
        }
        let cost = self.cost(bytes);
        let slack = fine(if self.wanted { LATE_NS } else { SLACK_NS }).max(2 * cost);
        self.free = self.free.max(fine(now).saturating_sub(slack)) + cost;
    }

    /// Other traffic occupies the link at least until then.
    #[inline]
    pub(crate) fn occupy(&mut self, until: u64) {
        if self.has_rate() {
            self.free = self.free.max(fine(until));
        }
    }

    /// Charges other traffic, which puts the link at most `ahead_ns` ahead of now. While something waits, the
    /// link is owed what a late worker has not sent; otherwise the traffic counts from now on.
    #[inline]
    pub(crate) fn charge_passing(&mut self, now: u64, bytes: u64, ahead_ns: u64) {
        if !self.has_rate() {
            return;
        }
        let slack = if self.wanted { fine(LATE_NS) } else { 0 };
        let from = self.free.max(fine(now).saturating_sub(slack));
        let most = self.free.max(fine(now.saturating_add(ahead_ns)));
        self.free = (from + self.cost(bytes)).min(most);
    }

    /// Records after a container was sent whether others wait.
    #[inline]
    pub(super) fn leave_behind(&mut self, others: bool) {
        self.wanted = others;
    }

    #[inline]
    pub(super) fn refund(&mut self, bytes: u64) {
        self.free = self.free.saturating_sub(self.cost(bytes));
    }

    /// How long this many of the largest containers take.
    pub(super) fn time_of_largest_ns(&self, containers: u32) -> u64 {
        ceil_ns(self.cost(self.largest) * Fine::from(containers))
    }

    /// Sets the rate. What is still on the link stays the same number of bytes.
    pub(super) fn set(&mut self, now: u64, rate: Option<Rate>) {
        let new = rate.map_or(PerByte(0), PerByte::of);
        if new == self.per_byte {
            return;
        }
        let on_link = self.free.saturating_sub(fine(now)).min(Fine::from(u64::MAX));
        let on_link = on_link * Fine::from(new.0);
        let on_link = on_link.checked_div(Fine::from(self.per_byte.0)).unwrap_or(0);
        // A link that has stood still has nothing on it, so its slack starts at zero.
        self.free = fine(now) + on_link;
        self.per_byte = new;
    }
}

#[cfg(test)]
mod tests;
