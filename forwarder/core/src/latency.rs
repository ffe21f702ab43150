//! Latency histograms of a fixed shape, of which only the parts ever used take memory. Invariant: a time
//! above the longest is counted as the longest, so no packet goes uncounted.
//!
//! Resolution: 64 ns or 1 in 128, whichever is coarser, up to 17 s.

pub(crate) mod counts;
pub(crate) mod shape;

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

use self::counts::Counts;
use self::shape::bin_of;
use crate::named;

/// Times are resolved no finer than this.
pub const SHORTEST_NS: u64 = 64;
/// Longer times count as this long.
pub const LONGEST_NS: u64 = 1 << 34;
const DIGITS: u8 = 2;

named! {
    /// The parts of a packet's time in weir. The stages of a packet add up to its residence.
    Stage {
        Steer "steer" "From the program until the worker took the packet.";
        Container "container" "In an open container.";
        Queue "queue" "In its link's queue.";
        Tx "tx" "From being handed over until the kernel had taken it.";
    }
}

/// A histogram of the shape used everywhere in weir. Allocates: cold.
#[must_use]
pub fn histogram<C: Counter>() -> Histogram<C> {
    #[expect(clippy::expect_used, reason = "the bounds are constants that a test holds")]
    Histogram::new_with_bounds(SHORTEST_NS, LONGEST_NS, DIGITS).expect("the bounds are valid")
}

/// A summary of a histogram; all zero if nothing was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub count: u64,
    pub min_ns: u64,
    pub mean_ns: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    pub max_ns: u64,
}

impl Summary {
    #[must_use]
    pub fn of<C: Counter>(times: &Histogram<C>) -> Self {
        if times.is_empty() {
            return Self::default();
        }
        let [p50_ns, p90_ns, p99_ns, p999_ns] =
            [0.5, 0.9, 0.99, 0.999].map(|quantile| times.value_at_quantile(quantile));
        Self {
            count: times.len(),
            min_ns: times.min(),
            mean_ns: times.mean().round() as u64,
            p50_ns,
            p90_ns,
            p99_ns,
            p999_ns,
            max_ns: times.max(),
        }
    }
}

/// The bin of a time, computed once for all histograms that count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin(pub(crate) usize);

impl Bin {
    #[inline]
    #[must_use]
    pub fn of(ns: u64) -> Self {
        Self(bin_of(ns))
    }
}

/// The index of the residence, after the stages.
const RESIDENCE: usize = Stage::COUNT;

/// The times of the delivered packets of one source.
#[derive(Clone, Debug, Default)]
pub struct VifLatency {
    /// The counts of each stage, then those of the residence.
    counts: [Counts; RESIDENCE + 1],
}

impl VifLatency {
    #[inline]
    pub fn record(&mut self, stage: Stage, ns: u64, packets: u64) {
        self.count(stage as usize, Bin::of(ns), packets);
    }

    #[inline]
    pub fn record_residence(&mut self, bin: Bin) {
        self.count(RESIDENCE, bin, 1);
    }

    #[inline]
    fn count(&mut self, row: usize, bin: Bin, packets: u64) {
        if let Some(counts) = self.counts.get_mut(row) {
            counts.add(bin.0, packets);
        }
    }

    fn histogram(&self, row: usize) -> Histogram<u64> {
        self.counts.get(row).map_or_else(histogram, Counts::to_histogram)
    }

    /// Allocates: cold, as do all of the following methods.
    #[must_use]
    pub fn stage(&self, stage: Stage) -> Histogram<u64> {
        self.histogram(stage as usize)
    }

    #[must_use]
    pub fn residence(&self) -> Histogram<u64> {
        self.histogram(RESIDENCE)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.get(RESIDENCE).is_none_or(Counts::is_empty)
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            mine.merge(theirs);
        }
    }

    pub fn clear(&mut self) {
        self.counts.iter_mut().for_each(Counts::clear);
    }
}

#[cfg(test)]
mod tests;
