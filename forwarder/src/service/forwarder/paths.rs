//! The express paths to the ports: what the gate knows of them, and what a report shows.
//!
//! Invariant: the gate has a path only to a port that was examined since it is served.

use std::collections::{BTreeSet, HashMap};

use super::Forwarder;
use super::roster::Entry;
use crate::host::links::{Changed, ExpressPath, Method};
use weir_api::Express;

impl Forwarder {
    /// The ports whose path is to be read, by interface index: those whose path may have changed, and
    /// those without a known path.
    pub fn paths_to_read(&self, changed: &Changed) -> BTreeSet<u32> {
        let served = self.roster.active().map(|(_, active)| active.ifindex);
        let known = |ifindex: &u32| self.gate.paths.contains_key(ifindex);
        served.filter(|ifindex| changed.concerns(*ifindex) || !known(ifindex)).collect()
    }

    /// Stores the result of examining these ports.
    pub fn set_paths(&mut self, looked_at: &BTreeSet<u32>, mut found: HashMap<u32, ExpressPath>) {
        for &ifindex in looked_at {
            let new = found.remove(&ifindex);
            if self.gate.paths.get(&ifindex) == new.as_ref()
                || self.roster.active_at(ifindex).is_none()
            {
                continue;
            }
            tracing::debug!(ifindex, path = ?new, "the express path to the port has changed");
            match new {
                Some(path) => self.gate.paths.insert(ifindex, path),
                None => self.gate.paths.remove(&ifindex),
            };
            self.update_gate_port(ifindex);
        }
    }

    /// How the gate can hand frames to a port, and why not in a better way.
    pub(super) fn express(&self, entry: &Entry) -> (Option<Express>, Option<String>) {
        let Some(active) = entry.active.as_ref() else { return (None, None) };
        match self.gate.paths.get(&active.ifindex).map(|path| &path.method) {
            Some(Method::Peer { .. }) => (Some(Express::Peer), None),
            Some(Method::Redirect(why)) => (Some(Express::Redirect), why.clone()),
            None => (None, Some("its interface has not answered yet".to_owned())),
        }
    }
}
