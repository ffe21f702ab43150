//! The order in which cells are measured.
//!
//! Cells that are compared are adjacent: the peers of one repetition, variant and x are measured one
//! after the other, so that a machine that is slow for a while is slow for all of them. The first peer
//! rotates from group to group and from repetition to repetition; the others follow in shuffled order.
//!
//! Invariant: a permutation of the cells, the same for the same seed.

use crate::cell::Cell;

/// Takes cells in the file's order (by repetition, then variant, then x, then peer); returns them in
/// the order of measurement.
pub(super) fn fair(mut cells: Vec<Cell>, seed: u64) -> Vec<Cell> {
    let mut random = Random(seed);
    for repetition in cells.chunk_by_mut(|a, b| a.place.repetition == b.place.repetition) {
        let beside =
            |a: &Cell, b: &Cell| a.place.variant == b.place.variant && a.place.x == b.place.x;
        for (number, group) in repetition.chunk_by_mut(beside).enumerate() {
            let turn = seed as usize % group.len() + number + group[0].place.repetition as usize;
            group.swap(0, turn % group.len());
            // Fisher and Yates, for all but the first.
            for i in (2..group.len()).rev() {
                group.swap(i, 1 + random.below(i));
            }
        }
    }
    cells
}

/// SplitMix64: small, and the same everywhere for good.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is above 0; the bias does not matter for such small numbers.
    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

#[cfg(test)]
mod tests;
