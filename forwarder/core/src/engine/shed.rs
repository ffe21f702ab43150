//! Who offers more than its queue holds, so that it can be stopped earlier, at its own core.
//! Invariant: a pair becomes shed when a packet of it is refused, and stops being so once what it
//! has waiting is well below its bound; only the engine that serves a link says so, so that two
//! of them never disagree about a pair.
//!
//! What changed is remembered as pairs, each once: a pair that went there and back since the last
//! look is not told at all, so the list needs no more room than there are pairs.

use super::state::Pair;
use super::{Engine, pair_mut};
use crate::{Packet, PortId, PortSet, broken};

#[derive(Debug, Default)]
pub(super) struct ShedChanges {
    /// (ingress, egress) of pairs whose state may differ from what was told.
    noted: Vec<(PortId, PortId)>,
    /// Pairs that were told to be shed and are no more.
    vanished: Vec<(PortId, PortId)>,
}

impl ShedChanges {
    pub(super) fn reserve(&mut self, pairs: usize) {
        self.noted.reserve(pairs.saturating_sub(self.noted.len()));
        self.vanished.reserve(pairs.saturating_sub(self.vanished.len()));
    }

    pub(super) fn memory(&self) -> usize {
        (self.noted.capacity() + self.vanished.capacity()) * size_of::<(PortId, PortId)>()
    }

    pub(super) fn set<P>(&mut self, pair: &mut Pair<P>, way: (PortId, PortId), shed: bool) {
        if pair.shed != shed {
            pair.shed = shed;
            if !pair.shed_noted {
                pair.shed_noted = true;
                self.noted.push(way);
            }
        }
    }

    /// The pair is about to be forgotten.
    pub(super) fn forget<P>(&mut self, pair: &Pair<P>, way: (PortId, PortId)) {
        if pair.shed_noted {
            self.noted.retain(|noted| *noted != way);
        }
        if pair.shed_told {
            self.vanished.push(way);
        }
    }
}

/// What must be reached before a pair that was shed is let in again: far enough below the bound that
/// it does not come and go with every container, and no further, since what comes in between comes
/// as fast as a flood can and everybody's frames wait behind it in the worker.
fn low_water(bound: u64) -> u64 {
    bound - (bound / 32).max(2 * PAGE).min(bound / 8)
}

/// As long as a container usually is.
const PAGE: u64 = 4096;

impl<P: Packet> Engine<P> {
    /// The pairs (ingress, egress) whose state is another than at the last call, and that state.
    /// What is not taken from the iterator stays for the next call.
    pub fn shed_changes(&mut self) -> impl Iterator<Item = (PortId, PortId, bool)> {
        std::iter::from_fn(|| self.next_shed_change())
    }

    fn next_shed_change(&mut self) -> Option<(PortId, PortId, bool)> {
        // First, since a pair of the same ports may have come to be again.
        if let Some((ingress, egress)) = self.shed.vanished.pop() {
            return Some((ingress, egress, false));
        }
        while let Some((ingress, egress)) = self.shed.noted.pop() {
            let Some(pair) = pair_mut(&mut self.links, ingress, egress) else {
                broken!("a pair that is gone is in the list of shed changes");
                continue;
            };
            pair.shed_noted = false;
            if pair.shed != pair.shed_told {
                pair.shed_told = pair.shed;
                return Some((ingress, egress, pair.shed));
            }
        }
        None
    }

    #[must_use]
    pub fn is_shed(&self, ingress: PortId, egress: PortId) -> bool {
        self.pair(egress, ingress).is_some_and(|pair| pair.shed)
    }

    /// A packet was refused.
    #[cold]
    pub(super) fn refused(&mut self, ingress: PortId, egress: PortId, for_frames: bool) {
        let Some(Some(link)) = self.links.get_mut(egress.index()) else {
            return broken!("a packet was refused for a link that is not there");
        };
        if link.remote {
            return;
        }
        let Some(pair) = link.pairs.get_mut(ingress) else {
            return broken!("a packet was refused of a pair that is not there");
        };
        self.shed.set(pair, (ingress, egress), true);
        if for_frames && let Some(source) = self.sources.get_mut(ingress.index()) {
            source.starved.insert(egress);
        }
    }

    /// Fewer packets from `ingress` wait than did: ends what no longer has a reason. Bytes are looked
    /// at for `egress` only, where they became fewer.
    #[cold]
    pub(super) fn relieve(&mut self, ingress: PortId, egress: PortId) {
        let Some(source) = self.sources.get_mut(ingress.index()) else {
            return broken!("a source that is not there has fewer packets waiting");
        };
        let mut candidates = PortSet::EMPTY;
        candidates.insert(egress);
        if !source.starved.is_empty() {
            for starved in source.starved {
                let pair = pair_mut(&mut self.links, ingress, starved);
                if source.is_well_below(pair.map_or(0, |pair| pair.frames)) {
                    source.starved.remove(starved);
                    candidates.insert(starved);
                }
            }
        }
        for egress in &candidates {
            if let Some(pair) = pair_mut(&mut self.links, ingress, egress)
                && pair.bytes <= low_water(pair.bound)
                && !source.starved.contains(egress)
            {
                self.shed.set(pair, (ingress, egress), false);
            }
        }
    }

    /// Likewise for every pair: after something larger happened. Cold.
    pub(super) fn relieve_all(&mut self) {
        let shed = |&(ingress, egress): &(PortId, PortId)| self.is_shed(ingress, egress);
        let mut shed: Vec<_> = self.pairs().filter(shed).collect();
        // Whatever order they came to be in, they are looked at in the same one.
        shed.sort_unstable();
        for (ingress, egress) in shed {
            self.relieve(ingress, egress);
        }
    }
}
