//! The words of a port or of a worker's queue in the maps that the gate and the workers share.

use std::sync::atomic::Ordering;

use weir_core::broken;
use weir_port::Cells;
use weir_port::cells::STRIDE;

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
