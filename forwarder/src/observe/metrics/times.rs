//! The latency histograms in Prometheus' form: few buckets with fixed bounds.
//!
//! Invariant: a packet is in the first bucket whose bound is not below the top of its bucket in the
//! fine histogram: it never looks faster than it was, and slower by 1 in 128 at most.

use hdrhistogram::Histogram;
use weir_core::{Stage, VifLatency};

/// The buckets' upper bounds, besides infinity.
pub const BOUNDS_US: [u64; 23] = [
    2, 5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1_000, 2_000, 5_000, 10_000, 20_000,
    50_000, 100_000, 200_000, 500_000, 1_000_000,
];

/// One histogram in those buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Counts by bound, and above the last; not cumulative.
    counts: [u64; BOUNDS_US.len() + 1],
    /// Each packet counts as the middle of its bucket in the fine histogram.
    sum_ns: u128,
}

/// The times of one source's delivered packets, by stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortTimes {
    pub port: String,
    pub residence: Spread,
    stages: [Spread; Stage::COUNT],
}

impl From<&Histogram<u64>> for Spread {
    fn from(histogram: &Histogram<u64>) -> Self {
        let mut spread = Self::default();
        for bin in histogram.iter_recorded() {
            let (highest_ns, packets) = (bin.value_iterated_to(), bin.count_at_value());
            let at = BOUNDS_US.partition_point(|&bound_us| bound_us * 1000 < highest_ns);
            if let Some(count) = spread.counts.get_mut(at) {
                *count = count.saturating_add(packets);
            }
            let middle_ns = histogram.median_equivalent(highest_ns);
            spread.sum_ns += u128::from(middle_ns) * u128::from(packets);
        }
        spread
    }
}

impl Spread {
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    pub fn sum_seconds(&self) -> f64 {
        seconds(self.sum_ns)
    }

    /// Upper bounds in seconds, each with the count between it and the bound below.
    pub(super) fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds =
            BOUNDS_US.iter().map(|&us| seconds(u128::from(us * 1000))).chain([f64::INFINITY]);
        bounds.zip(self.counts).collect()
    }
}

impl PortTimes {
    pub fn new(port: &str, latency: &VifLatency) -> Self {
        Self {
            port: port.to_owned(),
            residence: (&latency.residence()).into(),
            stages: Stage::ALL.map(|stage| (&latency.stage(stage)).into()),
        }
    }

    pub(super) fn stages(&self) -> impl Iterator<Item = (Stage, &Spread)> {
        Stage::ALL.into_iter().zip(&self.stages)
    }
}

pub(super) fn seconds(ns: u128) -> f64 {
    // Exact to the microsecond for 285 years, and as exact as a double beyond.
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests;
