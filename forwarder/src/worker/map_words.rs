//! Where the words of a port or of a worker's queue stand in the maps that the gate and the workers share.
//! Invariant: each has a cache line of its own, so that two cores that write do not slow each other down.

use std::sync::atomic::Ordering;

use weir_abi::{MAX_PORTS, MAX_WORKERS};
use weir_core::broken;
use weir_port::Cells;

/// Words of a line.
pub const STRIDE: usize = 8;
/// Words of the maps `TAKEN` and `GIVEN_BACK`: a line for each port, and one for each queue.
pub const ROOM_WORDS: usize = (MAX_PORTS + MAX_WORKERS) as usize * STRIDE;

/// The `n`th word of a line.
pub(super) fn word(cells: &Cells, line: usize, n: usize) -> u64 {
    cells.get(line * STRIDE + n).map_or(0, |word| word.load(Ordering::Relaxed))
}

pub(super) fn set(cells: &Cells, line: usize, n: usize, value: u64) {
    match cells.get(line * STRIDE + n) {
        Some(word) => word.store(value, Ordering::Relaxed),
        None => broken!("a source or a queue has no counts"),
    }
}
