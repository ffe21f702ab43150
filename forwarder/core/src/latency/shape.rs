//! Bare counts of the shape that [`histogram`] has: where a time is counted, and back.
//!
//! Counting into bare counts is one addition; the library keeps a sum, a minimum and a maximum
//! beside it, which can be told from the counts just as well.
//!
//! Invariant: what is counted here is what the library would have counted.

use hdrhistogram::{Counter, Histogram};

use super::{LONGEST_NS, SHORTEST_NS, histogram};

/// Times below 256 of the shortest are told apart by that; each doubling of the time beyond it has
/// 128 bins.
const FINE: usize = 256;
const PER_OCTAVE: usize = FINE / 2;
const OCTAVES: usize = (2 * LONGEST_NS / SHORTEST_NS).ilog2() as usize - FINE.ilog2() as usize;
pub(crate) const BINS: usize = FINE + OCTAVES * PER_OCTAVE;

/// Where a time is counted. As in the library, times up to twice the longest still have their own
/// bins, and what is longer than that counts as the longest.
#[inline]
pub(crate) fn bin_of(ns: u64) -> usize {
    let ns = if ns < 2 * LONGEST_NS { ns } else { LONGEST_NS };
    let units = ns / SHORTEST_NS;
    let octave = (units | (FINE as u64 - 1)).ilog2() - PER_OCTAVE.ilog2();
    octave as usize * PER_OCTAVE + (units >> octave) as usize
}

/// The shortest time that a bin counts, but for the first, of which 0 would not count as a maximum.
pub(super) fn time_of(bin: usize) -> u64 {
    let octave = (bin / PER_OCTAVE).saturating_sub(1);
    (((bin - octave * PER_OCTAVE) as u64 * SHORTEST_NS) << octave).max(1)
}

/// As everybody else reads it. Allocates: cold.
pub(crate) fn to_histogram<C: Counter>(counts: &[C]) -> Histogram<C> {
    let mut all = histogram();
    for (bin, &count) in counts.iter().enumerate() {
        if count != C::zero() {
            all.saturating_record_n(time_of(bin), count);
        }
    }
    all
}

#[cfg(test)]
mod tests;
