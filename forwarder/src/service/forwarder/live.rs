//! Changes the plan while traffic flows.
//!
//! Invariant: a change is made as a whole or not at all. First come all checks that can refuse it,
//! including whether all workers answer, before anything is touched. Then ports are taken in, which can
//! fail and is undone if it does. Then ports leave. Last come the promises, which every worker takes
//! over between two of its turns.

use std::collections::BTreeSet;

use serde_json::Value;
use weir_api::{Refused, StatusCode};

use super::Forwarder;
use super::roster::State;
use crate::host::links::{GuardError, Snapshot, check_port};
use weir_schema::{Difference, DifferenceKind, PatchError, Plan, PortPlan};

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Interfaces that cannot be ports.
    #[error("{}", lines(.0))]
    Ports(Vec<(PortPlan, GuardError)>),
    #[error(transparent)]
    Refused(#[from] Refused),
}

fn lines(wrong: &[(PortPlan, GuardError)]) -> String {
    wrong.iter().map(|(_, error)| error.to_string()).collect::<Vec<_>>().join("\n")
}

impl From<ApplyError> for Refused {
    fn from(error: ApplyError) -> Self {
        let missing = |(_, error): &(_, GuardError)| matches!(error, GuardError::Missing { .. });
        match &error {
            ApplyError::Refused(refused) => refused.clone(),
            ApplyError::Ports(wrong) if wrong.iter().all(missing) => {
                Self::new(StatusCode::NOT_FOUND, &error)
            }
            ApplyError::Ports(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, &error),
        }
    }
}

/// Those of the ports whose interfaces cannot be ports, each with the reason.
pub fn wrong_ports(
    ports: impl Iterator<Item = PortPlan>,
    links: &Snapshot,
    force: bool,
) -> Vec<(PortPlan, GuardError)> {
    let wrong = ports.filter_map(|port| {
        let error = check_port(links, &port.name, force).err()?;
        Some((port, error))
    });
    wrong.collect()
}

/// The ports whose promises change; `None`: any may be, through a setting for all ports.
fn changed_ports(differences: &[Difference]) -> Option<BTreeSet<&str>> {
    differences.iter().map(|difference| difference.port.as_deref()).collect()
}

pub(crate) fn refused(error: PatchError) -> Refused {
    let why = match error {
        PatchError::NoSuchPort(_) => StatusCode::NOT_FOUND,
        PatchError::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Refused::new(why, error)
}

impl Forwarder {
    /// The changeable settings, with their present values.
    pub fn document(&self) -> Value {
        self.plan.document(&self.followed())
    }

    /// The ports that are there because they are the bridge's.
    fn followed(&self) -> Vec<String> {
        let there =
            self.roster.entries.iter().filter(|(_, e)| e.plan.of_bridge && e.state != State::Gone);
        there.map(|(name, _)| name.clone()).collect()
    }

    /// Applies a merge patch to the document. Returns the resulting document.
    pub async fn patch(&mut self, patch: &Value, links: &Snapshot) -> Result<Value, Refused> {
        let new = self.plan.patch(patch, &self.followed()).map_err(refused)?;
        for difference in self.apply(new, links).await? {
            tracing::info!("{difference}");
        }
        Ok(self.document())
    }

    /// Makes `new` the plan, except for settings that need a restart. Returns the differences, for the
    /// log; those that need a restart are among them and marked.
    pub async fn apply(
        &mut self,
        new: Plan,
        links: &Snapshot,
    ) -> Result<Vec<Difference>, ApplyError> {
        if self.stopping {
            return Err(Refused::unavailable("weir is stopping").into());
        }
        let differences = self.plan.differences(&new);
        let new = new.without_restart(&self.plan);
        let changes = Changes::of(&differences);
        self.refuse(&changes, &new, links)?;
        self.workers.ping().await.map_err(Refused::unavailable)?;

        let before = self.plan.scheduler_settings();
        let scheduler = Some(new.scheduler_settings()).filter(|new| *new != before);
        let old = std::mem::replace(&mut self.plan, new);
        if let Err(error) = self.take_in_changed(&changes, &old, links).await {
            self.plan = old;
            self.reshape(None).await.map_err(Refused::unavailable)?;
            return Err(error);
        }
        for name in &changes.removed {
            self.remove(name).await;
        }
        self.hand_out_plan();
        if let Err(error) = self.reshape(scheduler).await {
            // It answered a moment ago. The ports follow the plan at the next comparison.
            self.plan = old;
            self.hand_out_plan();
            let _ = self.reshape(scheduler.map(|_| before)).await;
            return Err(Refused::unavailable(error).into());
        }
        self.update_gate_for(&differences);
        Ok(differences)
    }

    /// Gives each port its part of the plan.
    fn hand_out_plan(&mut self) {
        for entry in self.roster.entries.values_mut() {
            entry.plan = self.plan.port_named(&entry.plan.name);
        }
    }

    /// Updates the promises that the gate itself enforces.
    fn update_gate_for(&mut self, differences: &[Difference]) {
        let Some(changed) = changed_ports(differences) else {
            self.update_gate_ports();
            return self.keep_all_charged();
        };
        for name in changed {
            if let Some(ifindex) = self.served_ifindex(name) {
                self.update_gate_port(ifindex);
                self.keep_charged(name);
            }
        }
    }

    /// Refuses changes that the host does not allow.
    fn refuse(
        &self,
        changes: &Changes<'_>,
        new: &Plan,
        links: &Snapshot,
    ) -> Result<(), ApplyError> {
        let named = |names: &BTreeSet<&str>| -> Vec<PortPlan> {
            names.iter().map(|name| new.port_named(name)).collect()
        };
        // A port to be renewed is only checked while its interface exists: the promises of an absent
        // one may still change.
        let renewed = named(&changes.renewed).into_iter();
        let there = renewed.filter(|plan| links.by_name(&plan.name).is_some());
        let wrong = wrong_ports(named(&changes.added).into_iter().chain(there), links, self.force);
        if !wrong.is_empty() {
            return Err(ApplyError::Ports(wrong));
        }
        let bridge = new.bridge.as_deref().and_then(|name| links.by_name(name));
        let Some(bridge) = bridge else { return Ok(()) };
        let is_member = |name: &&&str| {
            links.by_name(name).and_then(|link| link.bridge()) == Some(bridge.ifindex)
        };
        let Some(name) = changes.removed.iter().find(is_member) else { return Ok(()) };
        let error = format!(
            "`{name}` is a port of `{}`, and all of those are served; to take it out: ip link set \
             dev {name} nomaster",
            bridge.name
        );
        Err(Refused::new(StatusCode::UNPROCESSABLE_ENTITY, error).into())
    }

    /// Takes in new ports, and takes out and in those that need it. With an error, all is as it was.
    async fn take_in_changed(
        &mut self,
        changes: &Changes<'_>,
        old: &Plan,
        links: &Snapshot,
    ) -> Result<(), ApplyError> {
        let mut done = Vec::new();
        for name in changes.added.iter().chain(&changes.renewed) {
            let is_new = changes.added.contains(name);
            // Otherwise it is taken in with its new plan when it comes. A port of the bridge that is now
            // listed is served already.
            if !is_new && self.served_ifindex(name).is_none() {
                continue;
            }
            let plan = self.plan.port_named(name);
            done.push(*name);
            self.take_out(name, State::Gone).await;
            if let Err(error) = self.take_in_once_up(&plan, links).await {
                self.undo(&done, changes, old, links).await;
                return Err(Refused::unavailable(format!("port `{name}`: {error}")).into());
            }
        }
        Ok(())
    }

    /// Removes what was added, and serves what was renewed by its earlier plan.
    async fn undo(&mut self, done: &[&str], changes: &Changes<'_>, old: &Plan, links: &Snapshot) {
        for name in done.iter().rev() {
            if changes.added.contains(name) {
                self.remove(name).await;
                continue;
            }
            let plan = old.port_named(name);
            self.take_out(name, State::Gone).await;
            if let Err(error) = self.take_in_once_up(&plan, links).await {
                self.mark_failed(&plan, &error);
            }
        }
    }

    /// Takes a port out for good: frees its name and its slot, and closes its counts.
    async fn remove(&mut self, name: &str) {
        self.take_out(name, State::Gone).await;
        // This can fail only without workers, and then so does everything else.
        let _ = self.strike_off(name).await;
    }
}

/// The ports that a change concerns, except those whose promises alone change.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes<'a> {
    added: BTreeSet<&'a str>,
    removed: BTreeSet<&'a str>,
    renewed: BTreeSet<&'a str>,
}

impl<'a> Changes<'a> {
    fn of(differences: &'a [Difference]) -> Self {
        let mut changes = Self::default();
        for difference in differences {
            let Some(name) = difference.port.as_deref() else { continue };
            match difference.kind {
                DifferenceKind::PortAdded => changes.added.insert(name),
                DifferenceKind::PortRemoved => changes.removed.insert(name),
                DifferenceKind::Setting(effect) => {
                    effect.reattaches() && changes.renewed.insert(name)
                }
            };
        }
        changes
    }
}

#[cfg(test)]
mod tests;
