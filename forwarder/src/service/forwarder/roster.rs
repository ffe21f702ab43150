//! The ports by name, the slots they hold, and their counts over all their lives.
//!
//! Invariant: a slot belongs to one name from the first service of a port of that name until the name
//! is struck off, so that the program's counters of a slot are that name's.

use std::collections::BTreeMap;
use std::time::Instant;

use weir_abi::MAX_PORTS;
use weir_core::{Losses, Mode, PortId, PortSet, PortSettings};

use super::reattach::{Charging, TakenOff};
use crate::host::attach::Attached;
use crate::observe::ledger::{PortLedger, ProgramCounts, WorkerCounts};
use weir_schema::PortPlan;

/// Names of absent interfaces are remembered, so that their numbers can still be read; for ports that
/// come and go with a bridge, this many.
const REMEMBERED: usize = 16;

/// The state of a port, as in [`weir_api::State`]; a failed one's has the reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    Up,
    Down,
    #[default]
    Gone,
    Failed(String),
    Stopped,
}

impl State {
    pub fn report(&self) -> (weir_api::State, Option<String>) {
        match self {
            Self::Up => (weir_api::State::Up, None),
            Self::Down => (weir_api::State::Down, None),
            Self::Gone => (weir_api::State::Gone, None),
            Self::Failed(why) => (weir_api::State::Failed, Some(why.clone())),
            Self::Stopped => (weir_api::State::Stopped, None),
        }
    }
}

/// A port that is served.
#[derive(Debug)]
pub struct Active {
    pub ifindex: u32,
    pub mode: Mode,
    pub queues: u32,
    /// Superframes leave here whole.
    pub superframes: bool,
    /// The device's drops before it was served.
    pub dropped_before: u64,
    /// Dropped first when the port is taken out. `None`: it was detached, see `taken_off`.
    pub attached: Option<Attached>,
    /// Charges its link for frames that pass by the gate; empty without a rate.
    pub charging: Charging,
    pub worker: usize,
    /// The promise of its fill rings, in frames of the pool.
    pub fill_frames: u32,
    /// The settings that the workers got last.
    pub settings: PortSettings,
}

#[derive(Debug, Default)]
pub struct Entry {
    pub plan: PortPlan,
    pub slot: u16,
    pub state: State,
    pub active: Option<Active>,
    /// Out of service, but not given back by its worker, which did not answer: the slot is not free yet.
    pub leaving: Option<Active>,
    /// How often its program was detached lately.
    pub taken_off: TakenOff,
    /// The worker's numbers of the port's earlier lives.
    pub past: WorkerCounts,
    /// For the list of ports.
    pub driver: String,
    pub mtu: u32,
    gone_at: Option<Instant>,
}

impl Entry {
    pub fn id(&self) -> PortId {
        PortId(self.slot)
    }
}

#[derive(Debug, Default)]
pub struct Roster {
    /// Added to and taken from by [`Self::enlist`] and [`Self::strike_off`] alone.
    pub entries: BTreeMap<String, Entry>,
    /// The counts of names that were struck off.
    pub closed: PortLedger,
    /// Losses by slot that workers other than the port's own counted and that belong to earlier names
    /// of the slot: workers count them by slot and never reset them.
    settled: BTreeMap<u16, Losses>,
}

impl Roster {
    pub fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    pub fn active_at(&self, ifindex: u32) -> Option<PortId> {
        let (entry, _) = self.active().find(|(_, active)| active.ifindex == ifindex)?;
        Some(entry.id())
    }

    /// The ports that are served.
    pub fn active(&self) -> impl Iterator<Item = (&Entry, &Active)> {
        self.entries.values().filter_map(|entry| Some((entry, entry.active.as_ref()?)))
    }

    /// The ports that workers have: those that are served, and those that are not given back yet.
    pub fn held(&self) -> impl Iterator<Item = &Active> {
        self.entries.values().filter_map(|entry| entry.active.as_ref().or(entry.leaving.as_ref()))
    }

    /// The worker's counts of a name over all its earlier lives, with other workers' losses of its
    /// frames: `elsewhere` is all that they ever counted for the slot.
    pub fn worker_counts(&self, entry: &Entry, elsewhere: &Losses) -> WorkerCounts {
        let mut counts = entry.past.clone();
        let settled = self.settled.get(&entry.slot).copied().unwrap_or_default();
        for (reason, lost) in elsewhere.iter() {
            counts.lost.add(reason, lost.saturating_sub(settled.get(reason)));
        }
        counts
    }

    /// The entry for a name, with a slot of its own; `None` if all slots are in use.
    pub fn enlist(&mut self, plan: &PortPlan) -> Option<&mut Entry> {
        if !self.entries.contains_key(&plan.name) {
            let slot = self.free_slot()?;
            self.entries.insert(plan.name.clone(), Entry { slot, ..Entry::default() });
        }
        let entry = self.entries.get_mut(&plan.name)?;
        entry.plan.clone_from(plan);
        Some(entry)
    }

    fn free_slot(&self) -> Option<u16> {
        let taken: PortSet = self.entries.values().map(|entry| PortId(entry.slot)).collect();
        (0..MAX_PORTS as u16).find(|slot| !taken.contains(PortId(*slot)))
    }

    /// Notes when a port went out of service, so that the one gone longest is forgotten first.
    pub fn mark_gone(&mut self, name: &str, state: State) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.state = state;
            entry.gone_at = Some(Instant::now());
        }
    }

    /// The port of the bridge that has been gone the longest, if too many are remembered.
    pub fn to_strike_off(&self) -> Option<String> {
        let gone = || self.entries.iter().filter(|(_, e)| e.plan.of_bridge && e.active.is_none());
        let crowded = gone().count() > REMEMBERED || self.free_slot().is_none();
        if !crowded {
            return None;
        }
        gone().min_by_key(|(_, entry)| entry.gone_at).map(|(name, _)| name.clone())
    }

    /// Forgets a name; its counts are added to the closed ones. The slot's counters in the program must
    /// be cleared then. `elsewhere` as in [`Self::worker_counts`].
    pub fn strike_off(&mut self, name: &str, program: &ProgramCounts, elsewhere: &Losses) {
        let Some(entry) = self.entries.remove(name) else { return };
        let counts = self.worker_counts(&entry, elsewhere);
        self.closed.before.merge(program);
        self.closed.after.merge(program);
        self.closed.worker.merge(&counts);
        self.settled.insert(entry.slot, *elsewhere);
    }
}

#[cfg(test)]
mod tests;
