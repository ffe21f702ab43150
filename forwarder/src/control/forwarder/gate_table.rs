//! Writes the gate's address table.
//!
//! Invariant: an address stands in one way of its bucket at most, and its word is stored whole.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use weir_abi::table::{ELSEWHERE, Entry, Seed, WAYS, entry_flags, key};
use weir_core::Mac;
use weir_port::Cells;

/// Where an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Behind this port.
    Slot(u16),
    /// Behind a port of the bridge that is not served at the gate.
    Elsewhere,
    Host,
}

#[derive(Debug)]
pub(super) struct GateTable {
    seed: Seed,
    /// The word of each address.
    entries: HashMap<u64, (usize, Where)>,
}

impl GateTable {
    pub(super) fn new(seed: Seed) -> Self {
        Self { seed, entries: HashMap::new() }
    }

    pub(super) fn learn(&mut self, cells: &Cells, _now: Duration, mac: Mac, vid: u16, at: Where) {
        let key = key(mac.to_u64(), vid);
        let place = self.seed.place(key);
        let (port, flags) = match at {
            Where::Slot(slot) => (slot, 0),
            Where::Elsewhere => (ELSEWHERE, 0),
            Where::Host => (ELSEWHERE, entry_flags::LOCAL),
        };
        let word = Entry::new(place, port, flags).word();
        let first = place.bucket as usize * WAYS;
        let known = self.entries.get(&key).map(|(index, _)| *index);
        let free = || (first..first + WAYS).find(|&index| load(cells, index) == 0);
        if let Some(index) = known.or_else(free) {
            store(cells, index, word);
            self.entries.insert(key, (index, at));
        }
    }

    pub(super) fn forget(&mut self, cells: &Cells, mac: Mac, vid: u16) {
        if let Some((index, _)) = self.entries.remove(&key(mac.to_u64(), vid)) {
            store(cells, index, 0);
        }
    }

    pub(super) fn clear_port(&mut self, cells: &Cells, slot: u16) {
        self.entries.retain(|_, (index, at)| {
            let gone = *at == Where::Slot(slot);
            if gone {
                store(cells, *index, 0);
            }
            !gone
        });
    }
}

fn load(cells: &Cells, index: usize) -> u64 {
    cells.get(index).map_or(0, |word| word.load(Ordering::Relaxed))
}

fn store(cells: &Cells, index: usize, word: u64) {
    if let Some(cell) = cells.get(index) {
        cell.store(word, Ordering::Release);
    }
}
