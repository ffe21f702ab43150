//! A link's rate. Invariant: over any interval at most `rate * interval` goes, and besides what
//! was not sent in the last `SLACK_NS` before it (`LATE_NS`, if something waited all that time),
//! what prompt containers may go ahead, and one container.
//!
//! `free` is when what was sent so far has left a link of that rate. A container may go once that
//! is now; it can be behind by the slack, so that a worker that asks late still fills the link. A
//! worker that shares its core can be away for milliseconds; what waited meanwhile was owed, and is
//! made up for. A link that had nothing to send is owed less.

use super::time::PerByte;
use crate::Rate;

const SLACK_NS: u64 = 2_000_000;
const LATE_NS: u64 = 10_000_000;
/// How far ahead of its time the link may be for prompt containers: two of the largest seen, but
/// within these two, and at least one of the largest in any case.
const AHEAD_LEAST_NS: u64 = 100_000;
const AHEAD_MOST_NS: u64 = 1_000_000;

/// Time with the fraction that `PerByte` has: without rounding, as a link's sum never ends.
type Fine = u128;

#[inline]
fn fine(ns: u64) -> Fine {
    Fine::from(ns) << PerByte::BITS
}

/// In whole nanoseconds, not before.
#[inline]
fn ceil_ns(at: Fine) -> u64 {
    u64::try_from(at.div_ceil(1 << PerByte::BITS)).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
pub(super) struct Link {
    /// Zero: without a rate.
    per_byte: PerByte,
    free: Fine,
    /// Bytes of the largest container so far.
    largest: u64,
    /// Something has been waiting since the last container went.
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

    /// When a prompt one may.
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

    /// What else was sent keeps it until then at least.
    #[inline]
    pub(super) fn occupy(&mut self, until: u64) {
        if self.has_rate() {
            self.free = self.free.max(fine(until));
        }
    }

    /// What was sent without passing here. While something waits the link is owed what a late worker has not
    /// sent; otherwise it is taken from now on.
    #[inline]
    pub(super) fn charge_passing(&mut self, now: u64, bytes: u64, ahead_ns: u64) {
        if !self.has_rate() {
            return;
        }
        let slack = if self.wanted { fine(LATE_NS) } else { 0 };
        let from = self.free.max(fine(now).saturating_sub(slack));
        let most = self.free.max(fine(now.saturating_add(ahead_ns)));
        self.free = (from + self.cost(bytes)).min(most);
    }

    /// After a container went: whether others wait.
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

    /// What is still on the link stays the same number of bytes.
    pub(super) fn set(&mut self, now: u64, rate: Option<Rate>) {
        let new = rate.map_or(PerByte(0), PerByte::of);
        if new == self.per_byte {
            return;
        }
        let on_link = self.free.saturating_sub(fine(now)).min(Fine::from(u64::MAX));
        let on_link = on_link * Fine::from(new.0);
        let on_link = on_link.checked_div(Fine::from(self.per_byte.0)).unwrap_or(0);
        // Nothing is on a link that has stood still, so its slack begins anew.
        self.free = fine(now) + on_link;
        self.per_byte = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GBIT: u64 = 1_000_000_000;

    #[test]
    fn the_rate_is_exact() {
        for (rate, bytes, step_ns, span_ns) in [
            (100 * GBIT, 64, 1, 2_000_000),
            (100 * GBIT, 4096, 100, 40_000_000),
            (GBIT, 1500, 1_000_000, 1_000_000_000),
            (GBIT / 1000, 4096, 10_000, 100_000_000_000),
        ] {
            let mut link = Link::default();
            link.set(0, Some(Rate::new(rate)));
            let (mut now, mut sent) = (0, 0u64);
            while now < span_ns {
                while link.opens_at(now) == 0 {
                    link.charge(now, bytes);
                    sent += bytes;
                }
                now += step_ns;
            }
            let ideal = rate as f64 / 8e9 * span_ns as f64;
            assert!(sent as f64 <= ideal + bytes as f64, "{rate}: {sent} of {ideal}");
            let late = rate as f64 / 8e9 * step_ns as f64;
            assert!(
                sent as f64 >= 0.9999 * ideal - late - bytes as f64,
                "{rate}: {sent} of {ideal}"
            );
        }
    }

    #[test]
    fn what_a_late_worker_may_catch_up_is_bounded() {
        let mut link = Link::default();
        link.set(0, Some(Rate::new(GBIT)));
        let now = 1_000_000_000;
        let mut sent = 0;
        while link.opens_at(now) == 0 {
            link.charge(now, 1000);
            sent += 1000;
        }
        assert_eq!(sent, 250_000 + 1000, "2 ms of a gigabit, and the one that reaches now");
    }

    #[test]
    fn what_waited_for_a_late_worker_is_made_up_for() {
        for (wanted, expected) in [(false, 250_000), (true, 1_250_000)] {
            let mut link = Link::default();
            link.set(0, Some(Rate::new(GBIT)));
            link.charge(1_000_000_000, 1000);
            link.leave_behind(wanted);
            // It comes back after 50 ms.
            let now = 1_050_000_000;
            let mut sent = 0;
            while link.opens_at(now) == 0 {
                link.charge(now, 1000);
                sent += 1000;
            }
            assert_eq!(sent, expected + 1000);
        }
    }

    #[test]
    fn a_prompt_one_may_go_while_another_is_on_the_link() {
        for mbit in [1, 10, 200, 10_000] {
            let mut link = Link::default();
            link.set(0, Some(Rate::new(mbit * 1_000_000)));
            link.charge(0, 4096);
            assert_ne!(link.opens_at(0), 0);
            assert_eq!(link.opens_early_at(0), 0, "{mbit} Mbit");
            let mut ahead = 0;
            while link.opens_early_at(0) == 0 {
                link.charge(0, 4096);
                ahead += 4096;
            }
            let at_100_us = mbit * 100 / 8;
            assert!(ahead <= (3 * 4096).max(at_100_us + 4096), "{mbit} Mbit: {ahead}");
        }
    }

    #[test]
    fn what_others_sent_keeps_the_link_and_is_not_owed_again() {
        let mut link = Link::default();
        link.occupy(70);
        assert_eq!(link.opens_at(0), 0, "without a rate there is nothing to keep");
        link.set(0, Some(Rate::new(GBIT)));
        link.occupy(1_000);
        link.occupy(500);
        assert_eq!((link.opens_at(999), link.opens_at(1_000)), (1_000, 0));
        link.charge(1_000, 125);
        assert_eq!(link.opens_at(1_000), 2_000);
    }

    #[test]
    fn what_passes_by_takes_its_time_of_the_link_and_no_more_than_the_bound() {
        let now = 1_000_000_000;
        for (wanted, due) in [(false, now + 1_000), (true, now - LATE_NS + 1_000)] {
            let mut link = Link::default();
            link.set(0, Some(Rate::new(GBIT)));
            link.leave_behind(wanted);
            link.charge_passing(now, 125, 5_000);
            assert_eq!(link.free, fine(due));
            link.charge_passing(now, 1 << 40, 5_000);
            assert_eq!(link.opens_at(now), now + 5_000);
            // Further ahead for another reason: it stays there.
            link.occupy(now + 9_000);
            link.charge_passing(now, 125, 5_000);
            assert_eq!(link.opens_at(now), now + 9_000);
        }
        let mut link = Link::default();
        link.charge_passing(now, 125, 5_000);
        assert_eq!(link.opens_at(0), 0, "it has no rate");
    }

    #[test]
    fn a_new_rate_keeps_what_is_on_the_link() {
        let mut link = Link::default();
        assert_eq!(link.opens_at(0), 0);
        link.set(0, Some(Rate::new(8_000_000)));
        link.charge(0, 1000);
        link.set(500_000, Some(Rate::new(80_000_000)));
        assert_eq!(link.opens_at(500_000), 550_000, "500 bytes are left");
        link.refund(500);
        assert_eq!(link.opens_at(500_000), 0);
        link.set(500_000, None);
        assert_eq!((link.opens_at(0), link.opens_early_at(0)), (0, 0));
    }
}
