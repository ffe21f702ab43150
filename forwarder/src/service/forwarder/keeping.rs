//! Gates that outlive the process, and those that an earlier weir left.
//!
//! Invariant: a gate is adopted when all that it has to know is told, and nothing that its predecessor
//! passed to the bridge may be overtaken.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Forwarder;
use super::roster::State;
use crate::host::pair::Identity;
use crate::host::pins::{DIR, Pins, PinsError};

/// The place where this weir's gates are kept; `None`, and a line in the log: they end with it.
pub(super) fn claim(identity: &Identity) -> Result<Option<Arc<Pins>>, PinsError> {
    match Pins::claim(identity) {
        Ok(pins) => Ok(Some(Arc::new(pins))),
        Err(PinsError::NotKept(why)) => {
            tracing::warn!(
                "the gates end with weir, and the ports are the bridge's then: they cannot be kept in \
                 {DIR} ({why})"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

impl Forwarder {
    /// Where the gates are kept, to be used without the forwarder's lock.
    pub fn pins(&self) -> Option<Arc<Pins>> {
        self.steering.pins()
    }

    /// Whether an earlier weir left gates that are to be adopted.
    pub fn has_gates_to_adopt(&self) -> bool {
        let mut served = self.roster.active();
        served.any(|(_, active)| active.attached.as_ref().is_some_and(|gate| gate.is_left()))
    }

    /// Ends the start: adopts the gates of the ports, and takes off those of others.
    ///
    /// Until here the old ones have decided, each with its own maps. They may have passed frames to the
    /// bridge that stand in a backlog, and none is counted here; so all sources are held as if the ports had
    /// just been told ([`GateMaps::hold_all`](crate::host::attach::GateMaps::hold_all)). On whatever CPU
    /// an old program still runs, the first fence comes behind what it lets go.
    pub async fn adopt_gates(&mut self) {
        self.confirm_current();
        let changing = self.has_gates_to_adopt().then(|| self.steering.gate.hold_all());
        let (mut failed, mut served) = (Vec::new(), BTreeSet::new());
        for entry in self.roster.entries_mut() {
            let (name, Some(active)) = (&entry.plan.name, entry.active.as_mut()) else { continue };
            served.insert(active.ifindex);
            let Some(left) = active.attached.take_if(|gate| gate.is_left()) else { continue };
            match self.steering.adopt(left, name) {
                Ok(attached) => active.attached = Some(attached),
                Err(error) => failed.push((name.clone(), error)),
            }
        }
        drop(changing);
        self.steering.ready_to_adopt();
        for (name, error) in failed {
            tracing::warn!(port = name, "{error}");
            self.take_out(&name, State::Failed(error.to_string())).await;
        }
        let Some(pins) = self.steering.pins() else { return };
        for ifindex in pins.sweep(&served) {
            tracing::info!(
                ifindex,
                "took off the gate that an earlier weir left on no port of this"
            );
        }
    }

    /// Leaves the gates that can be kept to the next weir, with all that they were told: they go on. The
    /// ports are not in service any more.
    pub(super) fn leave_gates(&mut self) {
        for entry in self.roster.entries_mut() {
            let Some(active) = entry.active.as_mut() else { continue };
            let Some(gate) = active.attached.take_if(|gate| gate.is_kept() == Some(true)) else {
                continue;
            };
            gate.leave();
            tracing::info!(port = entry.plan.name, "its gate is left to the next weir");
            entry.leaving = entry.active.take();
        }
    }

    /// Takes off what is kept, at the end.
    pub(super) fn give_up_links(&self) {
        if let Some(pins) = self.steering.pins() {
            pins.close();
        }
    }
}
