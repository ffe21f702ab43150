//! Counts by bin, in pieces that are allocated when something is first counted in them. A source's times fall
//! into a few pieces, and a source that sends nothing has none.
//!
//! Invariant: a piece that is not allocated counts as all zeroes.

use hdrhistogram::Histogram;

use super::shape::{BINS, to_histogram};

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

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
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
