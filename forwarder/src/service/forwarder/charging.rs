//! Links with a rate, which are charged for what passes by the gate.
//!
//! Invariant: the program that does so is at the egress of a port's device while the port is served and has a
//! rate. One that somebody took off is attached again at the next look; without it the port is served all the
//! same, and what passes by the gate goes on top of the rate.

use aya::programs::TcAttachType;
use aya::programs::links::FdLink;

use super::Forwarder;
use super::reattach::has_any;

/// A port's program at its egress.
#[derive(Debug, Default)]
pub struct Charging {
    link: Option<FdLink>,
    /// It was said already that it could not be attached.
    told: bool,
}

impl Forwarder {
    /// Has the link of a port that is served charged, or no longer, as its plan says.
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

    /// The same for all ports, whether or not somebody took a program off.
    pub(super) fn keep_all_charged(&mut self) {
        let ours = self.steering.gate_program_ids();
        let mut rated = Vec::new();
        for entry in self.roster.entries_mut().filter(|entry| entry.plan.rate.is_some()) {
            let Some(active) = entry.active.as_mut() else { continue };
            let charging = &mut active.charging;
            let name = &entry.plan.name;
            if charging.link.is_some() && !has_any(name, TcAttachType::Egress, &ours) {
                tracing::warn!(port = name, "somebody took the program off that charges its link");
                charging.link = None;
            }
            rated.push(name.clone());
        }
        for name in rated {
            self.keep_charged(&name);
        }
    }

    /// What passes by the gate goes on top of the rates from here on.
    pub(super) fn end_charging(&mut self) {
        for entry in self.roster.entries_mut() {
            if let Some(active) = entry.active.as_mut() {
                active.charging = Charging::default();
            }
        }
    }
}
