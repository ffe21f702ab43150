//! Bare counts of the shape that [`histogram`] has: from a time to its bin, and back. They are kept in pieces
//! that are allocated when something is first counted in them: a source's times fall into a few, and a source
//! that sends nothing has none.
//!
//! Counting into bare counts is one addition. The library also keeps a sum, a minimum and a maximum, all of
//! which can be derived from the counts just as well.
//!
//! Invariants: the counts here are those that the library would have, and a piece that is not allocated
//! counts as all zeroes.

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
    pub(crate) fn add(&mut self, bin: usize, count: u64) {
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

#[cfg(test)]
mod tests;
