//! The gate's address table in mapped memory, for its writer.
//! Invariant: a word is stored whole, and a time is set back without touching the time beside it.

use std::sync::atomic::Ordering::{Relaxed, Release};

use weir_abi::table::{
    BUCKETS, ELSEWHERE, Entry, Place, SEEN_SHIFT, Seed, WORDS, entry_flags, key,
};
use weir_core::addresses::{Address, At, Location, WAYS, Word, Words};

use crate::Cells;

/// Words of the map `LAST_SEEN`: two times in each.
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

/// Where the time of a way stands in its word.
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
mod tests {
    use super::*;
    use weir_abi::table::Seen;
    use weir_core::addresses::AddressTable;
    use weir_core::{Mac, PortId};

    const SEED: Seed = Seed { xor: 0x1234_5678_9abc, multiply: 0xdead_beef_cafe_f00d };

    fn table() -> (AddressTable<AddressWords>, Cells, Cells) {
        let (addresses, seen) = (Cells::heap(WORDS), Cells::heap(SEEN_WORDS));
        addresses.get(77).unwrap().store(u64::MAX, Relaxed);
        let words = AddressWords::new(addresses.clone(), seen.clone(), SEED);
        (AddressTable::new(words), addresses, seen)
    }

    fn address(n: u8) -> Address {
        Address { mac: Mac::new([2, 0, 0, 0, 0, n]), vlan: 7 }
    }

    /// As the gate looks it up.
    fn search(addresses: &Cells, address: Address) -> Option<(usize, Entry)> {
        let place = SEED.place(key(address.mac.to_u64(), address.vlan));
        let first = place.bucket as usize * WAYS;
        (first..first + WAYS)
            .map(|at| (at, Entry::of_word(addresses.get(at).unwrap().load(Relaxed))))
            .find(|(_, entry)| entry.is_of(place))
    }

    #[test]
    fn the_gate_finds_what_was_learned() {
        let (mut table, addresses, _) = table();
        assert!(addresses.as_slice().iter().all(|cell| cell.load(Relaxed) == 0), "emptied");
        table.learn(1, address(1), Location::Port(PortId(3)));
        table.learn(1, address(2), Location::Elsewhere);
        table.learn(1, address(3), Location::Host);
        table.pin(1, address(4), PortId(4)).unwrap();
        let found = |n| search(&addresses, address(n)).map(|(_, e)| (e.port(), e.flags()));
        use entry_flags::{LOCAL, PINNED, VALID};
        assert_eq!(found(1), Some((3, VALID)));
        assert_eq!(found(2), Some((ELSEWHERE, VALID)));
        assert_eq!(found(3), Some((ELSEWHERE, VALID | LOCAL)));
        assert_eq!(found(4), Some((4, VALID | PINNED)));
        assert_eq!(found(5), None);
        table.forget(address(1));
        assert_eq!(found(1), None);
    }

    #[test]
    fn times_stand_where_the_gate_writes_them() {
        let (mut table, addresses, seen) = table();
        table.learn(1, address(1), Location::Port(PortId(3)));
        let (at, _) = search(&addresses, address(1)).unwrap();
        // The gate's view of the bucket's times, and back.
        let first = at / WAYS * WAYS / 2;
        let mut times: Seen = [11, 12, 13, 14, 15, 16, 17, 18];
        for (n, two) in times.chunks(2).enumerate() {
            let bytes: Vec<u8> = two.iter().flat_map(|time| time.to_ne_bytes()).collect();
            let word = u64::from_ne_bytes(bytes.try_into().unwrap());
            seen.get(first + n).unwrap().store(word, Relaxed);
        }
        assert_eq!(table.last_seen(address(1)), Some(u64::from(times[at % WAYS]) << SEEN_SHIFT));
        table.learn(2, address(1), Location::Port(PortId(4)));
        assert_eq!(table.last_seen(address(1)), Some(0), "it was not seen there");
        times[at % WAYS] = 0;
        let now: Vec<u32> = (first..first + WAYS / 2)
            .flat_map(|n| seen.get(n).unwrap().load(Relaxed).to_ne_bytes())
            .collect::<Vec<u8>>()
            .chunks(4)
            .map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
            .collect();
        assert_eq!(now, times, "the others' times are as they were");
    }
}
