//! Changes of settings while packets wait. Cold.
//! Invariant: no packet is lost, and none overtakes another of its pair.

use super::Engine;
use crate::release::Estimate;
use crate::sched::Scheduler;
use crate::{Packet, PortId, PortSettings, SchedulerSettings, broken};

impl<P: Packet> Engine<P> {
    /// Applies new settings to a port; false if there is no such port. Its role and the worker that serves it
    /// stay as they were when it was added. A smaller bound refuses new packets and keeps those that wait.
    pub fn set_port(&mut self, now: u64, port: PortId, settings: &PortSettings) -> bool {
        let Some(source) = self.sources.get_mut(port.index()) else { return false };
        let Some(before) = source.settings else { return false };
        let settings = PortSettings { role: before.role, remote: before.remote, ..*settings };
        source.settings = Some(settings);
        source.frames_bound = settings.queue_frames.into();
        if settings.share != before.share {
            self.cap(now, port, &settings);
            self.share(now, port, &settings.share);
        }
        if settings.link_rate != before.link_rate
            && let Some(Some(link)) = self.links.get_mut(port.index())
        {
            link.set_rate(settings.link_rate, self.container_bytes);
            link.scheduler.set_link_rate(now, settings.link_rate);
        }
        for link in self.links.iter_mut().flatten() {
            let Some(pair) = link.pairs.get_mut(port) else { continue };
            pair.bound = settings.queue_bytes;
            if settings.release != before.release {
                pair.release = settings.release;
                pair.estimate = Estimate::default();
                if let Some(opened_ns) = pair.open.as_ref().map(|open| open.opened_ns()) {
                    pair.plan_release(opened_ns);
                }
            }
        }
        self.relieve_all();
        true
    }

    /// Changes the policy of all links served here. What waits moves to the new schedulers, in order per vif.
    /// Leads and debts between vifs are forgotten.
    pub fn set_scheduler(&mut self, now: u64, settings: SchedulerSettings) {
        if settings == self.scheduler {
            return;
        }
        self.scheduler = settings;
        for port in self.ports {
            let Some(of_port) = self.settings(port).filter(|it| !it.remote).copied() else {
                continue;
            };
            let mut scheduler = self.scheduler_for(now, &of_port);
            let Some(Some(link)) = self.links.get_mut(port.index()) else {
                broken!("a port without a link");
                continue;
            };
            for ingress in link.pairs.ports() {
                let source = self.sources.get(ingress.index());
                if let Some(settings) = source.and_then(|source| source.settings.as_ref()) {
                    scheduler.set_share(now, ingress, &settings.share);
                }
            }
            while let Some(container) = link.scheduler.drain() {
                if let Some(spare) = scheduler.enqueue(now, container, false) {
                    self.spares.put(spare);
                }
            }
            link.scheduler = scheduler;
        }
    }

    #[must_use]
    pub fn scheduler_settings(&self) -> &SchedulerSettings {
        &self.scheduler
    }
}
