//! Makes the ports match the present interfaces.
//!
//! Invariant: `reconcile` depends on nothing but the present state of links and roster, so a missed,
//! doubled or late event changes nothing in the end.

use weir_core::{PortId, Reason, Role};
use weir_port::ethtool;

use super::Forwarder;
use super::roster::State;
use crate::host::links::{Changed, Snapshot};
use crate::worker::NoAnswer;
use weir_schema::PortPlan;

impl Forwarder {
    /// Every port that should be served.
    fn wanted(&self, links: &Snapshot) -> Vec<PortPlan> {
        let listed = self.plan.ports.iter().filter(|port| !port.of_bridge);
        let mut wanted: Vec<PortPlan> = listed.cloned().collect();
        let bridge = self.plan.bridge.as_deref().and_then(|name| links.by_name(name));
        if let Some(bridge) = bridge {
            for member in links.ports_of(bridge.ifindex) {
                if wanted.iter().all(|port| port.name != member.name) {
                    wanted.push(self.plan.port_named(&member.name));
                }
            }
        }
        wanted
    }

    /// Takes in every wanted port, in the given order, and fails at the first error: for the start,
    /// where the operator reads it. Grace periods stay expedited until the start is over.
    pub async fn take_in_all(&mut self, links: &Snapshot) -> anyhow::Result<()> {
        let wanted = self.wanted(links);
        self.settings.expedite(wanted.len());
        for plan in wanted {
            if let Err(error) = self.take_in_once_up(&plan, links).await {
                if !plan.of_bridge {
                    return Err(error.context(format!("port `{}`", plan.name)));
                }
                self.mark_failed(&plan, &error);
            }
        }
        // Promises depend on the number of ports. A worker that has ended shows at the next request.
        let _ = self.reshape(None).await;
        Ok(())
    }

    /// Takes a port in, now or when its interface is set up.
    pub(super) async fn take_in_once_up(
        &mut self,
        plan: &PortPlan,
        links: &Snapshot,
    ) -> anyhow::Result<()> {
        if links.by_name(&plan.name).is_none_or(|link| link.up) {
            return self.take_in(plan, links).await;
        }
        tracing::warn!(port = plan.name, "is down; it is taken when it comes up");
        self.roster.enlist(plan);
        self.roster.mark_gone(&plan.name, State::Down);
        Ok(())
    }

    /// Makes the ports match the links.
    pub async fn reconcile(&mut self, links: &Snapshot) {
        if self.stopping {
            return;
        }
        for link in links.iter() {
            if let Err(error) = self.settings.renamed(link.ifindex, &link.name) {
                tracing::warn!(port = link.name, "its settings may stay changed: {error}");
            }
        }
        let wanted = self.wanted(links);
        for name in self.roster.names() {
            // What a worker owes because it did not answer.
            let _ = self.give_back(&name, Reason::PortGone).await;
            if wanted.iter().all(|plan| plan.name != name) {
                self.drop_out(&name, State::Gone).await;
            }
        }
        for plan in wanted {
            self.reconcile_port(&plan, links).await;
        }
        let _ = self.reshape(None).await;
    }

    async fn reconcile_port(&mut self, plan: &PortPlan, links: &Snapshot) {
        let link = links.by_name(&plan.name);
        let served = self.served_ifindex(&plan.name);
        match link {
            Some(link) if link.up => {
                if served.is_some_and(|ifindex| ifindex != link.ifindex) {
                    self.take_out(&plan.name, State::Gone).await;
                }
                if self.served_ifindex(&plan.name) != Some(link.ifindex)
                    && let Err(error) = self.take_in(plan, links).await
                {
                    self.mark_failed(plan, &error);
                }
            }
            Some(_) => self.drop_out(&plan.name, State::Down).await,
            None => self.drop_out(&plan.name, State::Gone).await,
        }
    }

    pub(super) fn served_ifindex(&self, name: &str) -> Option<u32> {
        self.roster.entries.get(name)?.active.as_ref().map(|active| active.ifindex)
    }

    async fn drop_out(&mut self, name: &str, state: State) {
        if self.served_ifindex(name).is_some() {
            self.take_out(name, state).await;
        } else if self.roster.entries.get(name).is_some_and(|entry| entry.state != state) {
            self.roster.mark_gone(name, state);
        }
    }

    /// Marks a port that failed while others run: logged once, tried again at the next change.
    pub(super) fn mark_failed(&mut self, plan: &PortPlan, error: &anyhow::Error) {
        let why = error.to_string();
        let known = self.roster.entries.get(&plan.name).map(|entry| entry.state.clone());
        let repeated = match error.downcast_ref() {
            // The text contains the delay, which differs every time.
            Some(NoAnswer::Late { .. }) => matches!(known, Some(State::Failed(_))),
            _ => known == Some(State::Failed(why.clone())),
        };
        if !repeated {
            tracing::warn!(port = plan.name, "not in service: {why}");
        }
        self.roster.enlist(plan);
        self.roster.mark_gone(&plan.name, State::Failed(why));
    }

    /// Updates what depends on the interfaces that may have changed: MTU and offloads.
    pub fn retune_changed(&mut self, changed: &Changed, links: &Snapshot) {
        for link in links.iter().filter(|link| changed.concerns(link.ifindex)) {
            let Some(entry) = self.roster.entries.get_mut(&link.name) else { continue };
            let active = entry.active.as_mut().filter(|active| active.ifindex == link.ifindex);
            let Some(active) = active else { continue };
            let features = ethtool::tx_features(&link.name).unwrap_or_default();
            (entry.mtu, active.superframes) = (link.mtu, features.tso4);
            if let Ok(worker) = self.workers.handle(active.worker) {
                let _ = worker.retune(PortId(entry.slot), link.mtu, features);
            }
            self.update_gate_port(link.ifindex);
        }
    }

    /// Ports in service, by role: for the log line that weir is ready.
    pub fn counts(&self) -> (usize, usize) {
        let up =
            |role: Role| self.roster.active().filter(|(entry, _)| entry.plan.role == role).count();
        (up(Role::Vif), up(Role::Uplink))
    }
}
