//! The program's half of a port: its data when a port comes, changes and goes.
//!
//! Invariant: when the port is taken out, its data in the program is removed, except its counters,
//! which belong to the name until that is struck off.

use weir_core::Reason;

use super::Forwarder;
use super::charging::Charging;
use crate::host::attach::MapsError;
use crate::observe::ledger;
use crate::worker::NoAnswer;
use weir_schema::PortPlan;

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
        let Some(entry) = self.roster.get_mut(name) else { return };
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
        let Some(entry) = self.roster.get(name) else { return Ok(()) };
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
}
