//! Bare counts of the shape that [`histogram`] has: from a time to its bin, and back.
//!
//! Counting into bare counts is one addition. The library also keeps a sum, a minimum and a maximum, all of
//! which can be derived from the counts just as well.
//!
//! Invariant: the counts here are those that the library would have.

use hdrhistogram::{Counter, Histogram};

use super::{LONGEST_NS, SHORTEST_NS, histogram};

/// Times below 256 units of [`SHORTEST_NS`] have a bin per unit. Each doubling of the time beyond has 128
/// bins.
const FINE: usize = 256;
const PER_OCTAVE: usize = FINE / 2;
const OCTAVES: usize = (2 * LONGEST_NS / SHORTEST_NS).ilog2() as usize - FINE.ilog2() as usize;
pub(crate) const BINS: usize = FINE + OCTAVES * PER_OCTAVE;

/// The bin of a time. As in the library, times up to twice the longest still have their own bins, and longer
/// ones count as the longest.
#[inline]
pub(crate) fn bin_of(ns: u64) -> usize {
    let ns = if ns < 2 * LONGEST_NS { ns } else { LONGEST_NS };
    let units = ns / SHORTEST_NS;
    let octave = (units | (FINE as u64 - 1)).ilog2() - PER_OCTAVE.ilog2();
    octave as usize * PER_OCTAVE + (units >> octave) as usize
}

/// The shortest time that a bin counts. The first bin returns 1, because 0 would not count as a maximum.
pub(super) fn time_of(bin: usize) -> u64 {
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

#[cfg(test)]
mod tests;
