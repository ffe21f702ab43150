//! The ways to the ports: what the gate is told of them, and what a report says.
//!
//! Invariant: the gate knows a way only to a port that was looked at since it is served.

use std::collections::{BTreeSet, HashMap};

use super::Forwarder;
use super::roster::Entry;
use crate::host::links::{Heard, Method, Way};
use weir_api::Express;

impl Forwarder {
    /// The ports that are to be looked at, by interface index: those that something was heard of, and
    /// those of which nothing is known yet.
    pub fn ways_to_look_at(&self, heard: &Heard) -> BTreeSet<u32> {
        let served = self.roster.active().map(|(_, active)| active.ifindex);
        let known = |ifindex: &u32| self.gate.ways.contains_key(ifindex);
        served.filter(|ifindex| heard.concerns(*ifindex) || !known(ifindex)).collect()
    }

    /// What a look at these ports has shown.
    pub fn heed_ways(&mut self, looked_at: &BTreeSet<u32>, mut found: HashMap<u32, Way>) {
        for &ifindex in looked_at {
            let new = found.remove(&ifindex);
            if self.gate.ways.get(&ifindex) == new.as_ref() || self.port_at(ifindex).is_none() {
                continue;
            }
            tracing::debug!(ifindex, way = ?new, "frames reach the port in another way");
            match new {
                Some(way) => self.gate.ways.insert(ifindex, way),
                None => self.gate.ways.remove(&ifindex),
            };
            self.tell_gate(ifindex);
        }
    }

    /// How the gate can hand frames to a port, and why not better.
    pub(super) fn express(&self, entry: &Entry) -> (Option<Express>, Option<String>) {
        let Some(active) = entry.active.as_ref() else { return (None, None) };
        match self.gate.ways.get(&active.ifindex).map(|way| &way.method) {
            Some(Method::Peer { .. }) => (Some(Express::Peer), None),
            Some(Method::Redirect(why)) => {
                (Some(Express::Redirect), why.as_ref().map(ToString::to_string))
            }
            None => (None, Some("its interface has not answered yet".to_owned())),
        }
    }
}
