//! The gate's address table in mapped memory, for its writer. Invariant: a word is stored whole, and a time
//! is reset without touching the time beside it.

use std::sync::atomic::Ordering::{Relaxed, Release};

use weir_abi::table::{
    BUCKETS, ELSEWHERE, Entry, Place, SEEN_SHIFT, Seed, WORDS, entry_flags, key,
};
use weir_core::addresses::{Address, At, Location, WAYS, Word, Words};

use crate::Cells;

/// Words of the map `LAST_SEEN`, each of which holds two times.
pub const SEEN_WORDS: usize = WORDS / 2;

const _: () = assert!(WAYS == weir_abi::table::WAYS, "a bucket is the same on both sides");
const _: () = assert!(weir_core::MAX_PORTS < ELSEWHERE as usize, "every slot has a number");

/// The maps `ADDRESSES` and `LAST_SEEN`, and the seed that the program was loaded with.
#[derive(Debug)]
pub struct AddressWords {
    addresses: Cells,
    seen: Cells,
    seed: Seed,
}

impl AddressWords {
    /// `addresses` has [`WORDS`] words, `seen` [`SEEN_WORDS`].
    pub fn new(addresses: Cells, seen: Cells, seed: Seed) -> Self {
        Self { addresses, seen, seed }
    }

    fn place(&self, address: Address) -> Place {
        self.seed.place(key(address.mac.to_u64(), address.vlan))
    }
}

fn index(at: At) -> usize {
    at.bucket * WAYS + at.way
}

/// The position of a way's time in its word.
fn shift(at: At) -> u32 {
    let second = at.way % 2 == 1;
    if second == cfg!(target_endian = "little") { 32 } else { 0 }
}

impl Words for AddressWords {
    fn buckets(&self) -> usize {
        BUCKETS as usize
    }

    fn bucket(&self, address: Address) -> usize {
        self.place(address).bucket as usize
    }

    fn store(&mut self, at: At, word: Option<Word>) {
        let entry = word.map_or(Entry::EMPTY, |word| {
            let pinned = if word.pinned { entry_flags::PINNED } else { 0 };
            let (port, flags) = match word.location {
                Location::Port(port) => (port.0.min(ELSEWHERE), pinned),
                Location::Elsewhere => (ELSEWHERE, pinned),
                Location::Host => (ELSEWHERE, pinned | entry_flags::LOCAL),
            };
            Entry::new(self.place(word.address), port, flags)
        });
        if let Some(cell) = self.addresses.get(index(at)) {
            cell.store(entry.word(), Release);
        }
    }

    fn last_seen(&self, at: At) -> u64 {
        let word = self.seen.get(index(at) / 2).map_or(0, |cell| cell.load(Relaxed));
        u64::from((word >> shift(at)) as u32) << SEEN_SHIFT
    }

    fn reset_seen(&mut self, at: At) {
        if let Some(cell) = self.seen.get(index(at) / 2) {
            cell.fetch_and(!(u64::from(u32::MAX) << shift(at)), Release);
        }
    }
}

#[cfg(test)]
mod tests;
