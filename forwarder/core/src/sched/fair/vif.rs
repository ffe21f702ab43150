//! What a link keeps of one vif. Invariant: `head_*` describe the first container queued, and `per_weight`
//! belongs to `weight`.

use crate::Share;
use crate::sched::time::{PerByte, Time};

/// Fraction bits of a tag, which is a cost divided by the weight.
const TAG_BITS: u32 = 20;
/// Fraction bits of the reciprocal of the weight.
const QUOTIENT_BITS: u32 = 40;
/// The limit of a container's step and of a debt: 4 MiB at weight 1. A larger difference comes from a tag so
/// old that virtual time has wrapped halfway since.
const LARGEST: i64 = 1 << 42;
/// How far a minimum rate may fall behind and still be made up for. It is the longest of `LAG_NS`, of the
/// time that `LAG_CONTAINERS` like the one being sent take at that rate, and of the time that as many of the
/// largest take on the link.
const LAG_NS: u64 = 10_000_000;
pub(super) const LAG_CONTAINERS: u32 = 4;

/// A decision reads only the first 64 bytes, which are one cache line within a queue.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Vif {
    /// Service received, divided by the weight.
    pub(super) tag: i64,
    /// The amount by which the first container will move the tag.
    pub(super) head_step: i64,
    /// When the next service is due by the minimum rate.
    due: Time,
    /// How long the first container takes at the minimum rate.
    head_min: Time,
    pub(super) head_bytes: u64,
    pub(super) weight: i64,
    per_weight: u64,
    min: PerByte,
    /// When something was last queued or served.
    pub(super) seen_ns: u64,
    /// Set aside until then; 0: its cap is to be re-read.
    pub(super) aside_until: u64,
    /// Bytes that its cap was charged with when it was set aside.
    pub(super) reserved: u64,
}

impl Default for Vif {
    fn default() -> Self {
        Self {
            tag: 0,
            head_step: 0,
            due: Time(0),
            head_min: Time(0),
            head_bytes: 0,
            weight: 1,
            per_weight: 1 << QUOTIENT_BITS,
            min: PerByte(0),
            seen_ns: 0,
            aside_until: 0,
            reserved: 0,
        }
    }
}

impl Vif {
    #[inline]
    pub(super) fn step(&self, cost: u64) -> i64 {
        let step = (u128::from(cost) * u128::from(self.per_weight)) >> (QUOTIENT_BITS - TAG_BITS);
        i64::try_from(step).unwrap_or(LARGEST).min(LARGEST)
    }

    #[inline]
    pub(super) fn see_head(&mut self, bytes: u64, cost: u64) {
        self.head_bytes = bytes;
        self.head_step = self.step(cost);
        self.head_min = self.min.time(bytes);
    }

    #[inline]
    pub(super) fn has_min(&self) -> bool {
        self.min.0 != 0
    }

    /// Whether it is due by its minimum rate.
    #[inline]
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.due <= now
    }

    /// Whether the first container would put it ahead by at most one of the largest containers, or is due by
    /// its minimum rate.
    #[inline]
    pub(super) fn is_owed(
        &self,
        now: u64,
        virtual_now: i64,
        largest_cost: u64,
        link_has_rate: bool,
    ) -> bool {
        let ahead = self.tag.wrapping_sub(virtual_now);
        ahead.wrapping_add(self.head_step) <= self.step(largest_cost)
            || (self.has_min() && link_has_rate && self.is_due(Time::at(now)))
    }

    /// When the first container should have been sent, by the minimum rate.
    #[inline]
    pub(super) fn deadline(&self) -> Time {
        self.due.plus(self.head_min)
    }

    /// Updates the clocks when the queue fills again: debt stays, unless it is to be forgotten, and credit
    /// does not.
    #[inline]
    pub(super) fn arrive(&mut self, now: u64, virtual_now: i64, forget: bool) {
        let debt = self.tag.wrapping_sub(virtual_now);
        if forget || !(0..=LARGEST).contains(&debt) {
            self.tag = virtual_now;
        }
        self.due = self.due.max(Time::at(now));
    }

    /// Charges for a container that is sent. The tag moves at most to `most`. Returns by how much it moves.
    #[inline]
    pub(super) fn serve(&mut self, now: u64, cost: u64, most: Option<i64>) -> i64 {
        let before = self.tag;
        self.tag = before.wrapping_add(self.step(cost));
        if let Some(most) = most
            && self.tag.wrapping_sub(most) > 0
        {
            self.tag = most;
        }
        self.seen_ns = now;
        self.tag.wrapping_sub(before)
    }

    /// Advances the minimum rate's clock by a container that is sent. `resumed`: it is the rest of a turn,
    /// whose start the clock has already counted. `link_lag_ns`: the time that [`LAG_CONTAINERS`] of the
    /// largest containers take on this link.
    #[inline]
    pub(super) fn serve_minimum(&mut self, now: u64, bytes: u64, resumed: bool, link_lag_ns: u64) {
        let (now, takes) = (Time::at(now), self.min.time(bytes));
        let containers = Time(takes.0.saturating_mul(u64::from(LAG_CONTAINERS)));
        let lag = Time::at(LAG_NS.max(link_lag_ns)).max(containers);
        let due = if resumed { self.due } else { self.due.min(now) };
        self.due = due.max(now.since(lag)).plus(takes);
    }

    /// Refunds what came back. Returns by how much the tag moves backwards.
    #[inline]
    pub(super) fn refund(&mut self, bytes: u64, cost: u64) -> i64 {
        let step = self.step(cost);
        self.tag = self.tag.wrapping_sub(step);
        self.due = self.due.since(self.min.time(bytes));
        step
    }

    /// Applies a new share. The lead or debt stays the same amount of service.
    pub(super) fn change(&mut self, now: u64, virtual_now: i64, share: &Share) {
        let weight = i64::from(share.weight);
        let ahead = self.tag.wrapping_sub(virtual_now).clamp(-LARGEST, LARGEST);
        self.tag = virtual_now.wrapping_add(ahead * self.weight / weight);
        self.weight = weight;
        self.per_weight = (1u64 << QUOTIENT_BITS) / u64::from(share.weight);
        let min = share.min_rate.filter(|rate| rate.bits_per_s != 0);
        let min = min.map_or(PerByte(0), PerByte::of);
        if min != self.min {
            self.due = Time::at(now);
            self.min = min;
        }
    }
}
