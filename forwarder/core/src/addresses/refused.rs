//! Refused addresses, which are to be looked up again. Invariant: at most [`PER_PORT`] are remembered for
//! each port. The first ones are kept; the bridge forwards to the others until it names them again.

use std::collections::{BTreeSet, HashMap};

use super::Location;

/// The number of addresses remembered for each port.
pub const PER_PORT: usize = 64;
/// How long after a refusal the address is looked up again.
pub const RETRY_NS: u64 = 10_000_000_000;

#[derive(Debug, Default)]
pub(super) struct Refused {
    /// By key: where it would have been stored, and when it is due.
    pub(super) of: HashMap<u64, (Location, u64)>,
    due: BTreeSet<(u64, u64)>,
    per_port: HashMap<Location, usize>,
}

impl Refused {
    pub(super) fn remember(&mut self, now: u64, key: u64, location: Location) {
        self.remove(key);
        let held = self.per_port.entry(location).or_default();
        if *held < PER_PORT {
            *held += 1;
            self.of.insert(key, (location, now + RETRY_NS));
            self.due.insert((now + RETRY_NS, key));
        }
    }

    pub(super) fn remove(&mut self, key: u64) {
        let Some((location, due_ns)) = self.of.remove(&key) else { return };
        self.due.remove(&(due_ns, key));
        if let Some(held) = self.per_port.get_mut(&location) {
            *held -= 1;
            if *held == 0 {
                self.per_port.remove(&location);
            }
        }
    }

    /// Removes and returns the next address that is due.
    pub(super) fn take_due(&mut self, now: u64) -> Option<(u64, Location)> {
        let &(due_ns, key) = self.due.first()?;
        if due_ns > now {
            return None;
        }
        let &(location, _) = self.of.get(&key)?;
        self.remove(key);
        Some((key, location))
    }

    pub(super) fn remove_port(&mut self, location: Location) {
        let of_port = self.of.iter().filter(|(_, (other, _))| *other == location);
        let keys: Vec<u64> = of_port.map(|(&key, _)| key).collect();
        keys.into_iter().for_each(|key| self.remove(key));
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}
