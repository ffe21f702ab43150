//! The writer of the gate's address table. It records where the bridge says each station is, within each
//! port's quota and locks. The gate reads the words of the table concurrently ([`Words`]).
//!
//! Invariants: an address is stored in at most one way, in its own bucket. An address that a lock names is
//! never evicted, and never stored at a port that the lock does not name. A port gets no entries beyond its
//! quota, except pinned ones. The bridge forwards what is not in the table, so a missing entry costs speed
//! and nothing else.
//!
//! **Why one word for each entry is enough.** A reader searches the bucket of an address and takes the first
//! word that carries the address's tag. The port is in the same word, and every word is stored whole. So in
//! whatever order a reader sees the stores, the port that it takes was written for this address and no other.
//! Moving an entry to another port is one store into its word. Replacing an evicted entry is one store as
//! well. An address is always removed from one way before it is written to another. In between a reader finds
//! nothing, and leaves the frame to the bridge. The port it reads can be out of date for a moment, as with
//! every bridge. The time at which an address was last seen is stored beside the word, not in it. It is reset
//! after the word is stored, so for an instant a time may be wrong, but never a port.
//!
//! **Which entry gives way when there is no room.** A port at its quota has new addresses refused. In a full
//! bucket the least recently seen entry of the fullest port is evicted, if that port uses a larger part of
//! its quota than the claimant would with one more entry. Otherwise the claimant is refused. So a flood never
//! evicts an entry of a port that uses less of its quota than the flood, and two ports do not evict each
//! other in turn. Pinned entries and the host's own are never evicted.
//!
//! **Bounds.** Each bucket has eight words. Memory: a pointer for each bucket, 320 bytes for each bucket with
//! an address in it, some 200 bytes for each address that moved within [`SETTLED_NS`], [`MAX_PINS`] locked
//! addresses, 64 refused addresses for each port, and 56 bytes for each port slot. A call touches one bucket,
//! with two exceptions: [`AddressTable::remove_port`] and `clear` read all buckets, and
//! [`AddressTable::retry`] examines at most [`RETRY_BATCH`] addresses.

mod moves;
mod ports;
mod room;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

pub use self::moves::{MOVES, SETTLED_NS, WINDOW_NS};
pub use self::ports::{PortAddresses, REFUSED_PER_PORT, RETRY_NS, UPLINK_QUOTA, VIF_QUOTA};

use self::moves::{History, Review};
use self::ports::{Ports, Refused};
use self::room::Rows;
use crate::{Mac, PortId};

/// The most addresses that locks may name, over all ports.
pub const MAX_PINS: usize = 16_384;
/// The most addresses that one call of [`AddressTable::retry`] examines.
pub const RETRY_BATCH: usize = 1024;

/// Addresses in a bucket: the gate reads one cache line.
pub const WAYS: usize = 8;

/// A station's address. A bridge that does not filter VLANs keeps all its addresses under VLAN 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    pub mac: Mac,
    pub vlan: u16,
}

impl Address {
    /// Whether it is a unicast address other than zero, with a valid VLAN.
    fn is_station(self) -> bool {
        !self.mac.is_multicast() && self.mac != Mac::ZERO && self.vlan <= 0xfff
    }
}

/// Where a station is, according to the bridge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Location {
    Port(PortId),
    /// Behind a port of the bridge that weir does not serve.
    Elsewhere,
    /// An address of the host itself: the bridge's, or a port's own.
    Host,
}

/// A place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct At {
    pub bucket: usize,
    /// Below [`WAYS`].
    pub way: usize,
}

/// The contents of a word of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    pub address: Address,
    pub location: Location,
    /// A lock names the address.
    pub pinned: bool,
}

/// The memory that readers see concurrently, and the format of its words.
pub trait Words {
    fn buckets(&self) -> usize;

    /// The bucket of an address, below [`buckets`](Self::buckets). Outsiders must not be able to choose
    /// addresses that share a bucket.
    fn bucket(&self, address: Address) -> usize;

    /// Replaces a whole word in one store, so that no reader sees half of it. `None` empties it.
    fn store(&mut self, at: At, word: Option<Word>);

    /// When a frame from the address stored at this place last arrived at the port stored with it; 0: never.
    /// The clock is that of the table's `now`; the time may be up to a second too early.
    fn last_seen(&self, at: At) -> u64;

    /// Makes [`last_seen`](Self::last_seen) 0.
    fn reset_seen(&mut self, at: At);
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    #[error("more than {MAX_PINS} addresses in locks")]
    TooMany,
    #[error("another port's lock names this address already")]
    OtherPort(PortId),
    #[error("not the address of a station")]
    NotAStation,
    /// The lock is recorded, but the bucket has no room, so the bridge forwards to the address.
    #[error("no room in the table for an address of a lock")]
    NoRoom,
}

pub struct AddressTable<W> {
    words: W,
    rows: Rows,
    ports: Ports,
    /// The addresses that locks name, whether they have an entry in the table or not.
    pins: HashMap<Address, PortId>,
    /// When the history of an address is due for review, each history once.
    calendar: BTreeSet<(u64, Address)>,
    refused: Refused,
}

impl<W: Words> AddressTable<W> {
    /// Empties all words.
    pub fn new(mut words: W) -> Self {
        let buckets = words.buckets();
        for bucket in 0..buckets {
            for way in 0..WAYS {
                words.store(At { bucket, way }, None);
                words.reset_seen(At { bucket, way });
            }
        }
        Self {
            words,
            rows: Rows::new(buckets),
            ports: Ports::default(),
            pins: HashMap::new(),
            calendar: BTreeSet::new(),
            refused: Refused::default(),
        }
    }

    /// The bridge has an entry, dynamic or static, for this address at this location. What does not come into
    /// the table is counted at the location's port.
    pub fn learn(&mut self, now: u64, address: Address, location: Location) {
        if !address.is_station() {
            return;
        }
        self.refused.remove(address);
        let pin = self.pins.get(&address).copied().map(Location::Port);
        if let Some(pin) = pin.filter(|_| location != Location::Host) {
            // The bridge has one entry for an address: if that was the host's, it is gone now.
            self.settle_pin(now, address, pin, true);
            if location != pin {
                self.ports.with(location, |port| port.against_lock += 1);
            }
            return;
        }
        let Some(at) = self.find(address) else { return self.insert(now, address, location) };
        let Some(row) = self.rows.get_mut(at) else { return };
        let from = row.location;
        // Addresses of the host itself are configured, not learned.
        let configured = location == Location::Host || row.present && from == Location::Host;
        if configured {
            self.drop_history(at);
        } else if from == location {
            if let Some(history) = &mut row.history {
                history.heard(now, location, now);
            }
        } else {
            return self.contest(now, at, location);
        }
        self.stand(now, at, location);
    }

    /// The bridge no longer has an entry for the address. It stays if a lock names it.
    pub fn forget(&mut self, address: Address) {
        self.refused.remove(address);
        let Some(at) = self.find(address) else { return };
        let Some(row) = self.rows.get(at).filter(|row| row.present && !row.pinned) else { return };
        match self.pins.get(&address).copied() {
            // The host had the address for a while; it returns to the port that its lock names.
            Some(port) if row.location == Location::Host => self.pin_at(at, port),
            _ => self.unlearn(at),
        }
    }

    /// Forgets a port: its addresses, its locks, its quota and its counters.
    pub fn remove_port(&mut self, port: PortId) {
        let location = Location::Port(port);
        self.refused.remove_port(location);
        self.pins.retain(|_, of| *of != port);
        let gone = self.rows.places(|row| row.location == location);
        gone.into_iter().for_each(|at| self.remove(at));
        self.rows.histories().for_each(|history| history.forget(location));
        self.ports.reset(location);
    }

    /// Forgets everything learned, including the histories of moves; locked addresses stay.
    pub fn clear(&mut self) {
        self.refused.clear();
        for at in self.rows.places(|_| true) {
            let Some(row) = self.rows.get(at) else { continue };
            match self.pins.get(&row.address).copied() {
                Some(port) => self.pin_at(at, port),
                None => self.remove(at),
            }
        }
    }

    /// A lock of the port names the address: it stays there as long as the port is there.
    pub fn pin(&mut self, now: u64, address: Address, port: PortId) -> Result<(), PinError> {
        match self.pins.get(&address).copied() {
            _ if !address.is_station() => return Err(PinError::NotAStation),
            Some(other) if other != port => return Err(PinError::OtherPort(other)),
            None if self.pins.len() >= MAX_PINS => return Err(PinError::TooMany),
            _ => {}
        }
        self.pins.insert(address, port);
        self.refused.remove(address);
        let has_place = self.settle_pin(now, address, Location::Port(port), false);
        if has_place { Ok(()) } else { Err(PinError::NoRoom) }
    }

    /// Appends the addresses to look up in the bridge again: those that were refused, and those that were
    /// damped and have become quiet. The caller must report the result for each by `learn` or `forget`.
    pub fn retry(&mut self, now: u64, out: &mut Vec<Address>) {
        for _ in 0..RETRY_BATCH {
            let Some(&(due_ns, address)) =
                self.calendar.first().filter(|(due_ns, _)| *due_ns <= now)
            else {
                break;
            };
            self.calendar.remove(&(due_ns, address));
            self.review(now, address, out);
        }
        for _ in 0..RETRY_BATCH {
            let Some((address, location)) = self.refused.take_due(now) else { break };
            if self.ports.has_room(location) {
                out.push(address);
            } else {
                self.refused.remember(now, address, location);
            }
        }
    }

    /// When the gate last saw the address behind its port, on the gate's clock; 0: not since it came there.
    /// `None`: not in the table.
    pub fn last_seen(&self, address: Address) -> Option<u64> {
        let at = self.find(address)?;
        self.rows.get(at).filter(|row| row.present)?;
        Some(self.words.last_seen(at))
    }

    /// Where the address is stored.
    pub fn location(&self, address: Address) -> Option<Location> {
        let row = self.rows.get(self.find(address)?)?;
        row.present.then_some(row.location)
    }

    /// Sets the number of addresses that a place may have. Entries already there stay.
    pub fn set_quota(&mut self, location: Location, quota: u32) {
        if location != Location::Host {
            self.ports.with(location, |port| port.quota = quota);
        }
    }

    pub fn port(&self, location: Location) -> PortAddresses {
        self.ports.get(location)
    }

    /// The number of entries.
    pub fn entries(&self) -> u32 {
        self.ports.entries()
    }

    /// The number of entries that the table has room for.
    pub fn capacity(&self) -> usize {
        self.words.buckets() * WAYS
    }

    fn find(&self, address: Address) -> Option<At> {
        self.rows.find(self.words.bucket(address), address)
    }
}

impl<W> fmt::Debug for AddressTable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.ports.entries();
        f.debug_struct("AddressTable").field("entries", &entries).finish_non_exhaustive()
    }
}
