//! Latency histograms of a fixed shape, of which only the parts ever used take memory. Invariants: a time
//! above the longest is counted as the longest, so no packet goes uncounted; the counts by bin are those that
//! the library would have.
//!
//! Resolution: 64 ns or 1 in 128, whichever is coarser, up to 17 s. Counting into bare counts is one addition.
//! The library also keeps a sum, a minimum and a maximum, all of which can be derived from the counts just as
//! well.

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

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

/// Times below 256 units of [`SHORTEST_NS`] have a bin per unit. Each doubling of the time beyond has 128
/// bins.
const FINE: usize = 256;
const PER_OCTAVE: usize = FINE / 2;
const OCTAVES: usize = (2 * LONGEST_NS / SHORTEST_NS).ilog2() as usize - FINE.ilog2() as usize;
pub(crate) const BINS: usize = FINE + OCTAVES * PER_OCTAVE;

/// The bin of a time, computed once for all histograms that count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bin(pub(crate) usize);

impl Bin {
    /// As in the library, times up to twice the longest still have their own bins, and longer ones count as
    /// the longest.
    #[inline]
    pub fn of(ns: u64) -> Self {
        let ns = if ns < 2 * LONGEST_NS { ns } else { LONGEST_NS };
        let units = ns / SHORTEST_NS;
        let octave = (units | (FINE as u64 - 1)).ilog2() - PER_OCTAVE.ilog2();
        Self(octave as usize * PER_OCTAVE + (units >> octave) as usize)
    }
}

/// The shortest time that a bin counts. The first bin returns 1, because 0 would not count as a maximum.
fn time_of(bin: usize) -> u64 {
    let octave = (bin / PER_OCTAVE).saturating_sub(1);
    (((bin - octave * PER_OCTAVE) as u64 * SHORTEST_NS) << octave).max(1)
}

/// Converts counts, each with its bin, to the library's histogram. Allocates: cold.
pub(crate) fn to_histogram<C: Counter>(counts: impl Iterator<Item = (usize, C)>) -> Histogram<C> {
    let mut all = histogram();
    for (bin, count) in counts.filter(|(_, count)| *count != C::zero()) {
        all.saturating_record_n(time_of(bin), count);
    }
    all
}

/// Bins in a piece: those of one doubling of the time, or a part of the finest ones.
const PIECE: usize = 128;
const PIECES: usize = BINS / PIECE;
const _: () = assert!(BINS.is_multiple_of(PIECE), "pieces are whole");

/// Counts by bin, in pieces that are allocated when something is first counted in them: a source's times fall
/// into a few, and a source that sends nothing has none. A piece that is not allocated counts as all zeroes.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    pieces: [Option<Box<[u64; PIECE]>>; PIECES],
}

impl Default for Counts {
    fn default() -> Self {
        Self { pieces: [const { None }; PIECES] }
    }
}

impl Counts {
    /// Allocates only for the first count in a piece.
    #[inline]
    pub(crate) fn add(&mut self, Bin(bin): Bin, count: u64) {
        let Some(place) = self.pieces.get_mut(bin / PIECE) else { return };
        let piece = match place {
            Some(piece) => piece,
            none => begin(none),
        };
        if let Some(sum) = piece.get_mut(bin % PIECE) {
            *sum += count;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.iter().flatten().all(|piece| piece.iter().all(|count| *count == 0))
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.pieces.iter_mut().zip(&other.pieces) {
            let Some(theirs) = theirs else { continue };
            match mine {
                Some(mine) => {
                    for (mine, theirs) in mine.iter_mut().zip(theirs.iter()) {
                        *mine += theirs;
                    }
                }
                none => *none = Some(theirs.clone()),
            }
        }
    }

    /// Converts the counts to the library's histogram. Allocates: cold.
    pub(crate) fn to_histogram(&self) -> Histogram<u64> {
        let pieces = self.pieces.iter().enumerate();
        to_histogram(pieces.flat_map(|(nth, piece)| {
            (nth * PIECE..).zip(piece.iter().flat_map(|piece| piece.iter().copied()))
        }))
    }
}

#[cold]
fn begin(piece: &mut Option<Box<[u64; PIECE]>>) -> &mut Box<[u64; PIECE]> {
    piece.get_or_insert_with(|| Box::new([0; PIECE]))
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
            counts.add(bin, packets);
        }
    }

    fn histogram(&self, row: usize) -> Histogram<u64> {
        self.counts.get(row).map_or_else(histogram, Counts::to_histogram)
    }

    /// Allocates: cold, as do the following methods.
    pub fn stage(&self, stage: Stage) -> Histogram<u64> {
        self.histogram(stage as usize)
    }

    pub fn residence(&self) -> Histogram<u64> {
        self.histogram(RESIDENCE)
    }

    pub fn is_empty(&self) -> bool {
        self.counts.get(RESIDENCE).is_none_or(Counts::is_empty)
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            mine.merge(theirs);
        }
    }
}

#[cfg(test)]
mod tests;
