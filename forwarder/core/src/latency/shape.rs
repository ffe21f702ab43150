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
mod tests {
    use super::*;

    fn times() -> impl Iterator<Item = u64> {
        let powers = (0..64).map(|bits| 1u64 << bits);
        let near = powers.flat_map(|at| [at - 1, at, at + 1, at + at / 3, at + at / 2]);
        let edges = (0..BINS).flat_map(|bin| [time_of(bin) - 1, time_of(bin)]);
        near.chain(edges).chain([LONGEST_NS, u64::MAX]).filter(|ns| *ns > 0)
    }

    #[test]
    fn it_counts_as_the_library_does() {
        let (mut theirs, mut mine) = (histogram::<u64>(), vec![0u64; BINS]);
        assert_eq!(theirs.distinct_values(), BINS);
        for ns in times() {
            theirs.saturating_record(ns);
            mine[bin_of(ns)] += 1;
            let mut alone = histogram::<u32>();
            alone.saturating_record(ns);
            let mut bins = vec![0u32; BINS];
            bins[bin_of(ns)] = 1;
            assert!(to_histogram(&bins) == alone, "{ns}");
        }
        assert!(to_histogram(&mine) == theirs);
    }
}
