//! Tracks which pairs offer more than their queue holds, so that the gate can drop their frames on the
//! sender's own core. Invariant: a pair becomes shed when one of its packets is refused, and stops being shed
//! once its backlog is well below its bound. Only the engine that serves a link decides this, so two engines
//! never disagree about a pair.
//!
//! Changes are remembered as pairs, each once. A pair that became shed and stopped again since the last call
//! is not reported, so the list needs no more room than there are pairs.

use super::state::Pair;
use super::{Engine, pair_mut};
use crate::{Packet, PortId, PortSet, broken};

#[derive(Debug, Default)]
pub(super) struct ShedChanges {
    /// (ingress, egress) of pairs whose state may differ from what was last reported.
    noted: Vec<(PortId, PortId)>,
    /// Pairs that were reported as shed and no longer exist.
    vanished: Vec<(PortId, PortId)>,
}

impl ShedChanges {
    pub(super) fn reserve(&mut self, pairs: usize) {
        self.noted.reserve(pairs.saturating_sub(self.noted.len()));
        self.vanished.reserve(pairs.saturating_sub(self.vanished.len()));
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

    /// A pair is about to be removed.
    pub(super) fn forget<P>(&mut self, pair: &Pair<P>, way: (PortId, PortId)) {
        if pair.shed_noted {
            self.noted.retain(|noted| *noted != way);
        }
        if pair.shed_told {
            self.vanished.push(way);
        }
    }
}

/// The backlog at which a shed pair is let in again. It is far enough below the bound that the state does not
/// change with every container. It is no lower, since a flood refills the difference as fast as it can send,
/// and all sources' frames wait behind that in the worker.
fn low_water(bound: u64) -> u64 {
    bound - (bound / 32).max(2 * PAGE).min(bound / 8)
}

/// The usual length of a container.
const PAGE: u64 = 4096;

impl<P: Packet> Engine<P> {
    /// The pairs (ingress, egress) whose state changed since the last call, with the new state. What is not
    /// taken from the iterator stays for the next call.
    pub fn shed_changes(&mut self) -> impl Iterator<Item = (PortId, PortId, bool)> {
        std::iter::from_fn(|| {
            // These come first, since a pair of the same ports may have been created again.
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
        })
    }

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

    /// Fewer packets from `ingress` wait than before: ends shedding where its cause is gone. Bytes are
    /// checked for `egress` only, where they became fewer, and for pairs no longer short of frames.
    #[cold]
    pub(super) fn relieve(&mut self, ingress: PortId, egress: PortId) {
        let Some(source) = self.sources.get_mut(ingress.index()) else {
            return broken!("a source that is not there has fewer packets waiting");
        };
        let mut candidates = PortSet::EMPTY;
        candidates.insert(egress);
        for starved in source.starved {
            let pair = pair_mut(&mut self.links, ingress, starved);
            if source.is_well_below(pair.map_or(0, |pair| pair.load.frames)) {
                source.starved.remove(starved);
                candidates.insert(starved);
            }
        }
        for egress in &candidates {
            if let Some(pair) = pair_mut(&mut self.links, ingress, egress)
                && pair.load.bytes <= low_water(pair.bound)
                && !source.starved.contains(egress)
            {
                self.shed.set(pair, (ingress, egress), false);
            }
        }
    }

    /// Calls `relieve` for every shed pair, after a larger change. Cold.
    pub(super) fn relieve_all(&mut self) {
        let shed = |&(ingress, egress): &(PortId, PortId)| self.is_shed(ingress, egress);
        let mut shed: Vec<_> = self.pairs().filter(shed).collect();
        // Sorted, so that the order does not depend on the order in which the pairs were created.
        shed.sort_unstable();
        for (ingress, egress) in shed {
            self.relieve(ingress, egress);
        }
    }
}
