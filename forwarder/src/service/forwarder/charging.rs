//! Links with a rate, which are charged for frames that pass by the gate.
//!
//! Invariant: while a port is served and has a rate, the charging program is at the egress of its
//! device. If another process detached it, the next check attaches it again. Without it the port is
//! still served, and frames that pass by the gate exceed the rate.

use aya::programs::TcAttachType;
use aya::programs::links::FdLink;

use super::Forwarder;
use super::reattach::has_any;

/// A port's program at its egress.
#[derive(Debug, Default)]
pub struct Charging {
    link: Option<FdLink>,
    /// Whether a failed attachment was already logged.
    told: bool,
}

impl Forwarder {
    /// Starts or stops charging the link of a served port, as its plan says.
    pub(super) fn keep_charged(&mut self, name: &str) {
        let Some(entry) = self.roster.get_mut(name) else { return };
        let is_rated = entry.plan.rate.is_some();
        let Some(active) = entry.active.as_mut() else { return };
        if !is_rated {
            active.charging = Charging::default();
            return;
        }
        let charging = &mut active.charging;
        if charging.link.is_some() {
            return;
        }
        match self.steering.attach_charge(name) {
            Ok(link) => *charging = Charging { link: Some(link), told: false },
            Err(error) if !charging.told => {
                charging.told = true;
                tracing::warn!(
                    port = name,
                    "what the host and the bridge send to it is not charged to its rate: {error}"
                );
            }
            Err(_) => {}
        }
    }

    /// Does the same for all ports, and restores programs that were detached.
    pub(super) fn keep_all_charged(&mut self) {
        let ours = self.steering.gate_program_ids();
        for name in self.roster.names() {
            let Some(entry) = self.roster.get_mut(&name) else { continue };
            if let Some(active) = entry.active.as_mut()
                && active.charging.link.is_some()
                && !has_any(&name, TcAttachType::Egress, &ours)
            {
                tracing::warn!(
                    port = name,
                    "the program that charges its link was detached from outside"
                );
                active.charging.link = None;
            }
            self.keep_charged(&name);
        }
    }

    /// From here on frames that pass by the gate exceed the rates.
    pub(super) fn end_charging(&mut self) {
        for entry in self.roster.entries_mut() {
            if let Some(active) = entry.active.as_mut() {
                active.charging = Charging::default();
            }
        }
    }
}
