//! Refused addresses, which are to be looked up again. Invariant: at most [`PER_PORT`] are remembered for
//! each port. The first ones are kept; the bridge forwards to the others until it names them again.

use std::collections::{BTreeSet, HashMap};

use super::{Address, Location};

/// The number of addresses remembered for each port.
pub const PER_PORT: usize = 64;
/// How long after a refusal the address is looked up again.
pub const RETRY_NS: u64 = 10_000_000_000;

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
        if *held < PER_PORT {
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
