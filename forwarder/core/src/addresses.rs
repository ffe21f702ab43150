//! The writer of the gate's address table: what the bridge says of its stations, held to what a
//! port may have and may claim. The gate reads the words of the table meanwhile ([`Words`]).
//!
//! Invariants: an address stands in at most one way, of its own bucket; an address that a lock
//! names is never evicted, and never stands at a port that the lock does not name; a port gets no
//! entry beyond its quota, pinned ones apart; what is not in the table is the bridge's to
//! forward, so a missing entry costs speed and nothing else.
//!
//! **Why one word for each entry is enough.** A reader looks through the bucket of an address and
//! takes the first word that carries the address's own tag; the port stands in the same word, and
//! every word is stored whole. So whatever the order in which a reader sees the stores, the port
//! that it takes was written for this address and no other. An entry that moves to another port is
//! one store into its word; one that makes room for another is replaced by one store as well, and
//! an address is always gone from one way before it stands in another. In between a reader finds
//! nothing, and leaves the frame to the bridge. What it can get is the port of a moment ago, as from
//! every bridge. The time at which an address was seen stands beside the word, not in it: it is set
//! back after the word is stored, so what may be wrong for one instant is a time, never a port.
//!
//! **Who pays when there is no room.** A port over its quota has new addresses refused. In a full
//! bucket the fullest port's least recently seen entry makes room, if its port has a larger part of
//! its quota than the claimant would have then; if not, the claimant is refused: so a flood never
//! pushes out anybody who has less than the flood, and two ports do not push each other out in turn.
//! Pinned entries and the host's own never make room.
//!
//! **Bounds.** Eight words for each bucket. In memory: a pointer for each bucket, 256 bytes for each
//! bucket with an address in it; for each address that moved within [`SETTLED_NS`] some 200 bytes;
//! [`MAX_PINS`] locked addresses; 64 refused addresses for each port; 56 bytes for each port slot. A
//! call costs one bucket, but for [`AddressTable::clear_port`], `remove_port`, `clear` and `iter`,
//! which read all, and [`AddressTable::retry`], which looks at [`RETRY_BATCH`] addresses at most.

mod moves;
mod ports;
mod refused;
mod room;
mod rows;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

pub use self::moves::{MOVES, SETTLED_NS, WINDOW_NS};
pub use self::ports::{PortAddresses, UPLINK_QUOTA, VIF_QUOTA};
pub use self::refused::{PER_PORT as REFUSED_PER_PORT, RETRY_NS};
pub use self::words::{Address, At, Location, WAYS, Word, Words};

use self::moves::{History, Review};
use self::ports::Ports;
use self::refused::Refused;
use self::rows::{Row, Rows};
use crate::PortId;

/// Addresses that locks may name, all ports together.
pub const MAX_PINS: usize = 16_384;
/// Addresses that one call of [`AddressTable::retry`] looks at.
pub const RETRY_BATCH: usize = 1024;

/// What became of something the bridge said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learned {
    /// No change.
    Known,
    New,
    Moved {
        from: Location,
    },
    /// The address moves too often; this is where it stands for now.
    Damped {
        at: Location,
    },
    /// A lock says that it is elsewhere.
    AgainstLock,
    /// The port has its quota.
    OverQuota,
    /// The bucket is full of what may not be evicted for it.
    NoRoom,
    /// Not a station's address.
    Ignored,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PinError {
    #[error("more than {MAX_PINS} addresses in locks")]
    TooMany,
    #[error("another port's lock names this address already")]
    OtherPort(PortId),
    #[error("not the address of a station")]
    NotAStation,
    /// The lock holds; the bridge forwards to the address.
    #[error("no room in the table for an address of a lock")]
    NoRoom,
}

/// One entry, for reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AddressEntry {
    pub address: Address,
    pub location: Location,
    pub pinned: bool,
    pub damped: bool,
    /// When the gate saw it behind its port last; 0: never.
    pub seen_ns: u64,
}

pub struct AddressTable<W> {
    words: W,
    rows: Rows,
    ports: Ports,
    /// What locks name, whether it has a place in the table or not.
    pins: HashMap<u64, PortId>,
    /// When histories are to be looked at: `(due_ns, key)`, each history once.
    calendar: BTreeSet<(u64, u64)>,
    refused: Refused,
}

impl<W: Words> AddressTable<W> {
    /// Empties the words.
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
            ports: Ports::new(),
            pins: HashMap::new(),
            calendar: BTreeSet::new(),
            refused: Refused::default(),
        }
    }

    /// The bridge has an entry, dynamic or static, for this address there.
    pub fn learn(&mut self, now: u64, address: Address, location: Location) -> Learned {
        if !address.is_station() {
            return Learned::Ignored;
        }
        let key = address.key();
        self.refused.remove(key);
        let pin = self.pins.get(&key).copied().map(Location::Port);
        if let Some(pin) = pin.filter(|_| location != Location::Host) {
            // The bridge has one entry for an address: the host's, if there was one, is gone.
            let learned = self.settle_pin(now, key, pin, true);
            if location == pin {
                return learned;
            }
            self.ports.with(location, |port| port.against_lock += 1);
            return Learned::AgainstLock;
        }
        let Some(at) = self.find(key) else { return self.insert(now, key, location) };
        let Some(row) = self.rows.get_mut(at) else { return Learned::Ignored };
        let (from, present) = (row.location, row.present);
        // What the host says of its own addresses is configured, not learned.
        let configured = location == Location::Host || present && from == Location::Host;
        if configured {
            self.drop_history(at);
        } else if from == location {
            if let Some(history) = &mut row.history {
                history.confirm(now, location);
            }
        } else {
            return self.contest(now, at, location);
        }
        if from == location && present {
            return Learned::Known;
        }
        let was = present.then_some(from);
        self.stand(now, at, location).map_or_else(
            |refused| refused,
            |()| was.map_or(Learned::New, |from| Learned::Moved { from }),
        )
    }

    /// The bridge has no entry for the address any more. False: it was not in the table, or stays
    /// because a lock names it.
    pub fn forget(&mut self, address: Address) -> bool {
        let key = address.key();
        self.refused.remove(key);
        let Some(at) = self.find(key) else { return false };
        let Some(row) = self.rows.get(at).filter(|row| row.present && !row.pinned) else {
            return false;
        };
        match self.pins.get(&key).copied() {
            // It was the host's for a while.
            Some(port) if row.location == Location::Host => self.pin_at(at, port),
            _ => self.unlearn(at),
        }
        true
    }

    /// Forgets what was learned behind a port, which stays. What locks name stays.
    pub fn clear_port(&mut self, port: PortId) -> usize {
        let location = Location::Port(port);
        self.refused.remove_port(location);
        let gone = self.rows.places(|row| row.present && !row.pinned && row.location == location);
        gone.iter().for_each(|&at| self.unlearn(at));
        gone.len()
    }

    /// Forgets a port: its addresses, its locks, its quota and its numbers.
    pub fn remove_port(&mut self, port: PortId) -> usize {
        let location = Location::Port(port);
        self.refused.remove_port(location);
        self.pins.retain(|_, of| *of != port);
        let gone = self.rows.places(|row| row.location == location);
        let present = gone.iter().filter(|&&at| self.rows.get(at).is_some_and(|row| row.present));
        let count = present.count();
        gone.iter().for_each(|&at| self.remove(at));
        self.rows.histories().for_each(|history| history.forget(location));
        self.ports.reset(location);
        count
    }

    /// Forgets all that was learned, of the past too; what locks name stays.
    pub fn clear(&mut self) {
        self.refused.clear();
        for at in self.rows.places(|_| true) {
            let Some(row) = self.rows.get(at) else { continue };
            match self.pins.get(&row.key).copied() {
                Some(port) => self.pin_at(at, port),
                None => self.remove(at),
            }
        }
    }

    /// A lock of the port names the address: it stands there until [`unpin`](Self::unpin).
    pub fn pin(&mut self, now: u64, address: Address, port: PortId) -> Result<(), PinError> {
        let key = address.key();
        match self.pins.get(&key).copied() {
            _ if !address.is_station() => return Err(PinError::NotAStation),
            Some(other) if other != port => return Err(PinError::OtherPort(other)),
            None if self.pins.len() >= MAX_PINS => return Err(PinError::TooMany),
            _ => {}
        }
        self.pins.insert(key, port);
        self.refused.remove(key);
        match self.settle_pin(now, key, Location::Port(port), false) {
            Learned::NoRoom => Err(PinError::NoRoom),
            _ => Ok(()),
        }
    }

    /// No lock names the address any more. False: none did. The entry is an ordinary one from now
    /// on: whoever calls says next what the bridge knows of it, by `learn` or `forget`.
    pub fn unpin(&mut self, address: Address) -> bool {
        if self.pins.remove(&address.key()).is_none() {
            return false;
        }
        if let Some(at) = self.find(address.key())
            && let Some(row) = self.rows.get_mut(at).filter(|row| row.pinned)
        {
            row.pinned = false;
            self.words.store(at, row.word());
        }
        true
    }

    /// Appends the addresses that the bridge is to be asked about now: what it says of each is to be
    /// told by `learn` or `forget`. They were refused, or damped and have become quiet.
    pub fn retry(&mut self, now: u64, out: &mut Vec<Address>) {
        for _ in 0..RETRY_BATCH {
            let Some(&(due_ns, key)) = self.calendar.first().filter(|(due_ns, _)| *due_ns <= now)
            else {
                break;
            };
            self.calendar.remove(&(due_ns, key));
            self.review(now, key, out);
        }
        for _ in 0..RETRY_BATCH {
            let Some((key, location)) = self.refused.take_due(now) else { break };
            if self.ports.has_room(location) {
                out.push(Address::of_key(key));
            } else {
                self.refused.remember(now, key, location);
            }
        }
    }

    /// When [`retry`](Self::retry) has something to do next.
    pub fn next_retry_ns(&self) -> Option<u64> {
        let history = self.calendar.first().map(|&(due_ns, _)| due_ns);
        history.into_iter().chain(self.refused.next_due()).min()
    }

    /// When the gate saw the address behind its port last, on its own clock; 0: not since it came
    /// there. `None`: not in the table.
    pub fn last_seen(&self, address: Address) -> Option<u64> {
        let at = self.find(address.key())?;
        self.rows.get(at).filter(|row| row.present)?;
        Some(self.words.last_seen(at))
    }

    /// Where the address stands.
    pub fn location(&self, address: Address) -> Option<Location> {
        let row = self.rows.get(self.find(address.key())?)?;
        row.present.then_some(row.location)
    }

    /// How many addresses may stand there. What is there already stays.
    pub fn set_quota(&mut self, location: Location, quota: u32) {
        if location != Location::Host {
            self.ports.with(location, |port| port.quota = quota);
        }
    }

    pub fn port(&self, location: Location) -> PortAddresses {
        self.ports.get(location)
    }

    /// Of all ports that were ever named, the host and elsewhere included.
    pub fn total(&self) -> PortAddresses {
        self.ports.total()
    }

    /// Entries that there is room for.
    pub fn capacity(&self) -> usize {
        self.words.buckets() * WAYS
    }

    /// Refused addresses that are remembered.
    pub fn waiting(&self) -> usize {
        self.refused.len()
    }

    /// All entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = AddressEntry> + '_ {
        self.rows.iter().filter(|(_, row)| row.present).map(|(at, row)| AddressEntry {
            address: Address::of_key(row.key),
            location: row.location,
            pinned: row.pinned,
            damped: row.history.as_ref().is_some_and(|history| history.is_damped()),
            seen_ns: self.words.last_seen(at),
        })
    }

    fn find(&self, key: u64) -> Option<At> {
        self.rows.find(self.words.bucket(Address::of_key(key)), key)
    }
}

impl<W> fmt::Debug for AddressTable<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.ports.total();
        f.debug_struct("AddressTable").field("total", &total).finish_non_exhaustive()
    }
}
