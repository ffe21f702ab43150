//! What each port has in the table, what it may have, and what it was refused.
//!
//! A quota is also a port's weight: the fullest port is the one that uses the largest part of its quota. If
//! it were the one with the most entries, an uplink with thousands of stations behind it would pay for every
//! guest that makes up addresses.

use std::collections::{BTreeSet, HashMap};

use super::{Address, Location};

/// The default quota of a vif: enough for a guest with containers or guests of its own, and 1/32 of the
/// table.
pub const VIF_QUOTA: u32 = 4096;
/// The default quota of a port with a network behind it: half of the table.
pub const UPLINK_QUOTA: u32 = 65_536;

/// The addresses that a port has, and what became of those that it claimed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortAddresses {
    /// Entries in the table now, including pinned ones.
    pub entries: u32,
    /// The most entries it may have; pinned ones are never refused.
    pub quota: u32,
    /// Addresses refused because the quota was used up, or the bucket was full of entries that may not be
    /// evicted.
    pub refused: u64,
    /// Entries evicted in favour of an address of a port that had less.
    pub evicted: u64,
    /// Addresses that moved here from another place.
    pub moves: u64,
    /// Claims of this port that were not believed, because the address moved too often.
    pub damped: u64,
    /// Claims of this port against another port's lock.
    pub against_lock: u64,
}

/// One [`PortAddresses`] for each place an address can be at. Grows to the highest slot ever named.
#[derive(Debug, Default)]
pub(super) struct Ports(Vec<PortAddresses>);

impl Ports {
    fn index(location: Location) -> usize {
        match location {
            Location::Elsewhere => 0,
            Location::Host => 1,
            Location::Port(port) => 2 + port.index(),
        }
    }

    fn default_of(index: usize) -> PortAddresses {
        let quota = match index {
            0 => UPLINK_QUOTA,
            1 => u32::MAX,
            _ => VIF_QUOTA,
        };
        PortAddresses { quota, ..PortAddresses::default() }
    }

    pub(super) fn get(&self, location: Location) -> PortAddresses {
        let index = Self::index(location);
        self.0.get(index).copied().unwrap_or_else(|| Self::default_of(index))
    }

    /// Applies a change to a port's counters.
    pub(super) fn with(&mut self, location: Location, change: impl FnOnce(&mut PortAddresses)) {
        let index = Self::index(location);
        while self.0.len() <= index {
            self.0.push(Self::default_of(self.0.len()));
        }
        if let Some(port) = self.0.get_mut(index) {
            change(port);
        }
    }

    /// Resets a port's counters and quota.
    pub(super) fn reset(&mut self, location: Location) {
        let index = Self::index(location);
        if let Some(port) = self.0.get_mut(index) {
            *port = Self::default_of(index);
        }
    }

    pub(super) fn has_room(&self, location: Location) -> bool {
        let port = self.get(location);
        location == Location::Host || port.entries < port.quota
    }

    /// The entries of all places together.
    pub(super) fn entries(&self) -> u32 {
        self.0.iter().map(|port| port.entries).sum()
    }

    /// Whether an entry of `loser` may be evicted for a new one of `winner`: it uses a larger part of its quota
    /// than `winner` would with one more entry.
    pub(super) fn must_yield(&self, loser: Location, winner: Location) -> bool {
        let (loser, winner) = (self.get(loser), self.get(winner));
        let with_one_more = u64::from(winner.entries) + 1;
        u64::from(loser.entries) * u64::from(winner.quota) > with_one_more * u64::from(loser.quota)
    }

    /// Orders ports by the part of the quota that they use, the fullest last.
    pub(super) fn compare(&self, a: Location, b: Location) -> std::cmp::Ordering {
        let (a, b) = (self.get(a), self.get(b));
        let part = |one: PortAddresses, other: PortAddresses| {
            u64::from(one.entries) * u64::from(other.quota)
        };
        part(a, b).cmp(&part(b, a))
    }
}

/// The number of addresses remembered for each port.
pub const REFUSED_PER_PORT: usize = 64;
/// How long after a refusal the address is looked up again.
pub const RETRY_NS: u64 = 10_000_000_000;

/// Refused addresses, which are to be looked up again. Invariant: at most [`REFUSED_PER_PORT`] are remembered
/// for each port. The first ones are kept; the bridge forwards to the others until it names them again.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Where it would have been stored, and when it is due.
    pub(super) of: HashMap<Address, (Location, u64)>,
    due: BTreeSet<(u64, Address)>,
    per_port: HashMap<Location, usize>,
}

impl Refused {
    pub(super) fn remember(&mut self, now: u64, address: Address, location: Location) {
        self.remove(address);
        let held = self.per_port.entry(location).or_default();
        if *held < REFUSED_PER_PORT {
            *held += 1;
            self.of.insert(address, (location, now + RETRY_NS));
            self.due.insert((now + RETRY_NS, address));
        }
    }

    pub(super) fn remove(&mut self, address: Address) {
        let Some((location, due_ns)) = self.of.remove(&address) else { return };
        self.due.remove(&(due_ns, address));
        if let Some(held) = self.per_port.get_mut(&location) {
            *held -= 1;
            if *held == 0 {
                self.per_port.remove(&location);
            }
        }
    }

    /// Removes and returns the next address that is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(Address, Location)> {
        let &(due_ns, address) = self.due.first()?;
        if due_ns > now {
            return None;
        }
        let &(location, _) = self.of.get(&address)?;
        self.remove(address);
        Some((address, location))
    }

    pub(super) fn remove_port(&mut self, location: Location) {
        let of_port = self.of.iter().filter(|(_, (other, _))| *other == location);
        let gone: Vec<Address> = of_port.map(|(&address, _)| address).collect();
        gone.into_iter().for_each(|address| self.remove(address));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
