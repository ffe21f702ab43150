//! Gates that outlive the process, and those that an earlier weir left.
//!
//! Invariant: a gate is adopted only when its maps hold everything it needs, and no frame that its
//! predecessor passed to the bridge can be overtaken.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Forwarder;
use super::roster::State;
use crate::host::pair::Identity;
use crate::host::pins::{DIR, Pins, PinsError};

/// The folder in which this weir's gates are kept; `None`, with a line in the log: they end with it.
pub(super) fn claim(identity: Identity) -> Result<Option<Arc<Pins>>, PinsError> {
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
    /// The folder of the gates, for use without the forwarder's lock.
    pub fn pins(&self) -> Option<Arc<Pins>> {
        self.steering.pins.clone()
    }

    /// Whether an earlier weir left gates to adopt.
    pub fn has_gates_to_adopt(&self) -> bool {
        let mut served = self.roster.active();
        served.any(|(_, active)| active.attached.as_ref().is_some_and(|gate| gate.is_left))
    }

    /// Ends the start: adopts the gates of the ports, and detaches those of other interfaces.
    ///
    /// Until here the old gates have decided, each with its own maps. They may have passed frames to
    /// the bridge that still stand in a backlog, and none of them is counted here. So all sources are
    /// held as if the ports had just been announced
    /// ([`GateMaps::hold_all`](crate::host::attach::GateMaps::hold_all)). If an old program still runs
    /// on a CPU, the first fence queues behind the frames that it releases.
    pub async fn adopt_gates(&mut self) {
        self.confirm_current();
        let changing = self.has_gates_to_adopt().then(|| self.steering.gate.hold_all());
        let (mut failed, mut served) = (Vec::new(), BTreeSet::new());
        for entry in self.roster.entries_mut() {
            let (name, Some(active)) = (&entry.plan.name, entry.active.as_mut()) else { continue };
            served.insert(active.ifindex);
            let Some(left) = active.attached.take_if(|gate| gate.is_left) else { continue };
            match self.steering.adopt(left, name) {
                Ok(attached) => active.attached = Some(attached),
                Err(error) => failed.push((name.clone(), error)),
            }
        }
        drop(changing);
        self.steering.may_adopt = true;
        for (name, error) in failed {
            tracing::warn!(port = name, "{error}");
            self.take_out(&name, State::Failed(error.to_string())).await;
        }
        let Some(pins) = &self.steering.pins else { return };
        for ifindex in pins.sweep(&served) {
            tracing::info!(
                ifindex,
                "took off the gate that an earlier weir left on no port of this"
            );
        }
    }

    /// Leaves the gates that can be kept to the next weir, with all their data: they go on. The ports
    /// are no longer in service.
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
}
