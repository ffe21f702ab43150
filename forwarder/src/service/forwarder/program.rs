//! The program's half of a port: its data when a port comes, changes and goes, and gates that outlive
//! the process or that an earlier weir left.
//!
//! Invariants: when the port is taken out, its data in the program is removed, except its counters,
//! which belong to the name until that is struck off. A gate is adopted only when its maps hold
//! everything it needs, and no frame that its predecessor passed to the bridge can be overtaken.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_core::Reason;

use super::Forwarder;
use super::reattach::Charging;
use super::roster::State;
use crate::host::attach::MapsError;
use crate::host::pair::Identity;
use crate::host::pins::{DIR, Pins, PinsError};
use crate::observe::ledger;
use crate::worker::NoAnswer;
use weir_schema::PortPlan;

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
    pub(super) fn lock(&mut self, slot: u16, plan: &PortPlan) -> Result<(), MapsError> {
        plan.mac_lock.iter().try_for_each(|mac| self.steering.allow_mac(slot, mac.octets()))?;
        plan.ip_lock.iter().try_for_each(|&address| self.steering.allow_ip(slot, address))
    }

    /// Call this when no frame of the port comes in any more.
    pub(super) fn unlock(&mut self, slot: u16, plan: &PortPlan) {
        let mut cleared = Ok(());
        for mac in &plan.mac_lock {
            cleared = cleared.and(self.steering.revoke_mac(slot, mac.octets()));
        }
        for &address in &plan.ip_lock {
            cleared = cleared.and(self.steering.revoke_ip(slot, address));
        }
        if let Err(error) = cleared {
            tracing::warn!(port = plan.name, "{error}");
        }
    }

    /// Detaches the program from a port, if it is served; from here on its frames go by the kernel. What is
    /// gone with its interface needs no undoing, so failures are only worth a debug line.
    pub(super) fn detach(&mut self, name: &str) {
        let Some(entry) = self.roster.entries.get_mut(name) else { return };
        let (slot, Some(active)) = (entry.slot, entry.active.as_mut()) else { return };
        let ifindex = active.ifindex;
        if let Some(attached) = active.attached.take()
            && let Err(error) = self.steering.detach(attached)
        {
            tracing::debug!(ifindex, "detaching: {error}");
        }
        active.charging = Charging::default();
        let forgotten = self.steering.gate.forget_port(slot, ifindex);
        self.gate.paths.remove(&ifindex);
        let cleared =
            (0..active.queues).try_for_each(|queue| self.steering.clear_socket(slot, queue));
        if let Err(error) = forgotten.and(cleared) {
            tracing::debug!(ifindex, "{error}");
        }
    }

    /// Forgets ports that are long gone, so that their slots can be used again.
    pub(super) async fn make_room(&mut self) -> Result<(), NoAnswer> {
        while let Some(name) = self.roster.to_strike_off() {
            self.strike_off(&name).await?;
        }
        Ok(())
    }

    /// Forgets a port that is not served: closes its counts and frees its slot.
    pub(super) async fn strike_off(&mut self, name: &str) -> Result<(), NoAnswer> {
        self.give_back(name, Reason::PortGone).await?;
        let snapshots = self.workers.snapshots().await?;
        let Some(entry) = self.roster.entries.get(name) else { return Ok(()) };
        let (slot, id) = (entry.slot, entry.id());
        let program = self.program_counts(slot);
        let elsewhere = ledger::lost_elsewhere(&snapshots, id);
        self.roster.strike_off(name, &program, &elsewhere);
        self.measured.strike_off(id).await?;
        if let Err(error) = self.steering.reset_slot(slot) {
            tracing::warn!(port = name, "{error}");
        }
        Ok(())
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
        for entry in self.roster.entries.values_mut() {
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
        for entry in self.roster.entries.values_mut() {
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
