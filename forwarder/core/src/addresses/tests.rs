//! Tests of the table over plain memory, read as the gate reads it.

mod model;
mod moves;
mod room;

use weir_abi::table::{ELSEWHERE, Entry, Place, Seed, entry_flags, key};

use super::*;

const SECOND: u64 = 1_000_000_000;
const SEED: Seed = Seed { xor: 0x1234_5678_9abc, multiply: 0xdead_beef_cafe_f00d };
/// The number of buckets in the gate's table.
const BUCKETS: usize = weir_abi::table::BUCKETS as usize;

/// Plain words in the gate's format, and the times that the gate would write beside them.
struct Memory {
    words: Vec<u64>,
    seen_ns: Vec<u64>,
}

impl Memory {
    fn place(address: Address) -> Place {
        SEED.place(key(address.mac.to_u64(), address.vlan))
    }

    /// Searches as `Maps::search` does.
    fn search(&self, address: Address) -> Option<(At, Entry)> {
        let (bucket, place) = (self.bucket(address), Self::place(address));
        (0..WAYS).find_map(|way| {
            let entry = Entry::of_word(self.words[bucket * WAYS + way]);
            entry.is_of(place).then_some((At { bucket, way }, entry))
        })
    }
}

impl Words for Memory {
    fn buckets(&self) -> usize {
        self.words.len() / WAYS
    }

    fn bucket(&self, address: Address) -> usize {
        Self::place(address).bucket as usize % self.buckets()
    }

    fn store(&mut self, at: At, word: Option<Word>) {
        let entry = word.map_or(Entry::EMPTY, |word| {
            assert_eq!(at.bucket, self.bucket(word.address), "in its own bucket");
            // Holds after every single store: a reader finds the address in one way only.
            let found = self.search(word.address).map(|(at, _)| at);
            assert!(found.is_none_or(|found| found == at), "{word:?} in {at:?} and in {found:?}");
            let (port, flags) = match word.location {
                Location::Port(port) => (port.0, 0),
                Location::Elsewhere => (ELSEWHERE, 0),
                Location::Host => (ELSEWHERE, entry_flags::LOCAL),
            };
            let pinned = if word.pinned { entry_flags::PINNED } else { 0 };
            Entry::new(Self::place(word.address), port, flags | pinned)
        });
        self.words[at.bucket * WAYS + at.way] = entry.word();
    }

    fn last_seen(&self, at: At) -> u64 {
        self.seen_ns[at.bucket * WAYS + at.way]
    }

    fn reset_seen(&mut self, at: At) {
        self.seen_ns[at.bucket * WAYS + at.way] = 0;
    }
}

type Table = AddressTable<Memory>;

/// One entry of the table.
#[derive(Clone, Copy, Debug)]
struct AddressEntry {
    address: Address,
    location: Location,
    pinned: bool,
    damped: bool,
    seen_ns: u64,
}

fn table(buckets: usize) -> Table {
    let (words, seen_ns) = (vec![u64::MAX; buckets * WAYS], vec![9; buckets * WAYS]);
    AddressTable::new(Memory { words, seen_ns })
}

impl Table {
    /// The location that the gate finds.
    fn view(&self, address: Address) -> Option<Location> {
        let (_, entry) = self.words.search(address)?;
        Some(match entry.port() {
            _ if entry.has(entry_flags::LOCAL) => Location::Host,
            ELSEWHERE => Location::Elsewhere,
            port => Location::Port(PortId(port)),
        })
    }

    /// Learns an address; returns whether the gate then finds it there.
    fn takes(&mut self, now: u64, address: Address, at: Location) -> bool {
        self.learn(now, address, at);
        self.view(address) == Some(at)
    }

    /// All entries, in no order.
    fn iter(&self) -> impl Iterator<Item = AddressEntry> + '_ {
        self.rows.iter().filter(|(_, row)| row.present).map(|(at, row)| AddressEntry {
            address: row.address,
            location: row.location,
            pinned: row.pinned,
            damped: row.history.as_ref().is_some_and(|history| history.is_damped()),
            seen_ns: self.words.last_seen(at),
        })
    }

    /// The sum of a count over all places.
    fn total(&self, count: impl Fn(PortAddresses) -> u64) -> u64 {
        places().map(|place| count(self.port(place))).sum()
    }

    /// The number of refused addresses that are remembered.
    fn waiting(&self) -> usize {
        self.refused.of.len()
    }

    fn gate_sees(&mut self, now: u64, address: Address) {
        let (at, _) = self.words.search(address).unwrap();
        self.words.seen_ns[at.bucket * WAYS + at.way] = now;
    }

    fn retried(&mut self, now: u64) -> Vec<Address> {
        let mut out = Vec::new();
        self.retry(now, &mut out);
        out
    }

    /// Checks the invariants that hold at any time.
    fn check(&self) {
        let mut counts = HashMap::<Location, u32>::new();
        for entry in self.iter() {
            assert_eq!(self.view(entry.address), Some(entry.location), "{entry:?}");
            let (_, word) = self.words.search(entry.address).unwrap();
            assert_eq!(word.has(entry_flags::PINNED), entry.pinned);
            *counts.entry(entry.location).or_default() += 1;
        }
        let written = self.words.words.iter().filter(|word| **word != 0).count();
        assert_eq!(written, self.iter().count(), "no word without an entry");
        for place in places() {
            let entries = self.port(place).entries;
            assert_eq!(entries, counts.remove(&place).unwrap_or(0), "{place:?}");
        }
        assert!(counts.is_empty(), "{counts:?}");
        assert_eq!(self.entries() as usize, written);
        let histories = self.rows.iter().filter_map(|(_, row)| {
            row.history.as_ref().map(|history| (history.due_ns, row.address))
        });
        assert_eq!(histories.collect::<BTreeSet<_>>(), self.calendar);
    }
}

fn places() -> impl Iterator<Item = Location> {
    (0..8).map(port).chain([Location::Elsewhere, Location::Host])
}

fn port(n: u16) -> Location {
    Location::Port(PortId(n))
}

fn address(n: u32) -> Address {
    let [a, b, c, d] = n.to_be_bytes();
    Address { mac: Mac::new([2, 0, a, b, c, d]), vlan: 0 }
}
