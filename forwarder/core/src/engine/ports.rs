//! Adding, changing and removing ports, and what they leave behind. Cold. Invariants: a pair exists only
//! while both its ports do, and there is at most one for two ports in each direction. A link's scheduler
//! knows of no source that has no pair with it. A change of settings loses no packet, and none overtakes
//! another of its pair.

use std::fmt;

use super::Engine;
use super::state::{Link, Pair, Source};
use crate::release::Estimate;
use crate::{
    ByPort, Container, Packet, PortId, PortSettings, Scheduler, SchedulerSettings, Share, broken,
};

impl<P: Packet> Engine<P> {
    /// Adds a port. False when the slot is out of range or taken. Cold.
    pub fn add_port(&mut self, now: u64, port: PortId, settings: &PortSettings) -> bool {
        if !self.links.get(port.index()).is_some_and(Option::is_none) {
            return false;
        }
        if self.sources.len() <= port.index() {
            self.sources.resize_with(port.index() + 1, Source::default);
        }
        let Some(source) = self.sources.get_mut(port.index()) else {
            broken!("no room for a source was made");
            return false;
        };
        *source = Source {
            settings: Some(*settings),
            frames_bound: settings.queue_frames.into(),
            ..Source::default()
        };
        let mut link = Link {
            scheduler: self.scheduler_for(now, settings),
            pairs: ByPort::default(),
            rate: None,
            remote: settings.remote,
            piece_bytes: u32::MAX,
        };
        link.set_rate(settings.link_rate, self.config.container_bytes);
        if let Some(slot) = self.links.get_mut(port.index()) {
            *slot = Some(Box::new(link));
        }
        self.ports.insert(port);
        self.cap(now, port, settings);
        true
    }

    /// Creates a pair at the first packet from `ingress` to `egress`, if both ports exist, and tells the
    /// link's scheduler the source's share. Returns true if it created one. Allocates: cold.
    #[cold]
    pub(super) fn open_pair(&mut self, now: u64, ingress: PortId, egress: PortId) -> bool {
        let source = self.sources.get(ingress.index()).filter(|_| ingress != egress);
        let Some(settings) = source.and_then(|source| source.settings.as_ref()) else {
            return false;
        };
        let Some(Some(link)) = self.links.get_mut(egress.index()) else { return false };
        if link.pairs.contains(ingress) {
            return false;
        }
        link.pairs.insert(ingress, Pair::new(settings));
        link.scheduler.set_share(now, ingress, &settings.share);
        self.pairs += 1;
        self.open.reserve(self.pairs.saturating_sub(self.open.len()));
        self.shed.reserve(self.pairs);
        true
    }

    /// The scheduler of a link that has no pairs yet.
    fn scheduler_for(&self, now: u64, settings: &PortSettings) -> Scheduler<P> {
        if settings.remote {
            return Scheduler::Handover(Box::default());
        }
        let mut scheduler = Scheduler::new(&self.config.scheduler, self.caps.clone());
        scheduler.set_link_rate(now, settings.link_rate);
        scheduler
    }

    /// Sets a port's cap for all workers, if this worker serves the port. The schedulers read the cap when
    /// they get the share, so the cap must be set first.
    fn cap(&self, now: u64, port: PortId, settings: &PortSettings) {
        if !settings.remote {
            self.caps.set(now, port, settings.share.max_rate, settings.share.burst_bytes);
        }
    }

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
        }
        if settings.link_rate != before.link_rate
            && let Some(Some(link)) = self.links.get_mut(port.index())
        {
            link.set_rate(settings.link_rate, self.config.container_bytes);
            link.scheduler.set_link_rate(now, settings.link_rate);
        }
        for link in self.links.iter_mut().flatten() {
            let Some(pair) = link.pairs.get_mut(port) else { continue };
            if settings.share != before.share {
                link.scheduler.set_share(now, port, &settings.share);
            }
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
        if settings == self.config.scheduler {
            return;
        }
        self.config.scheduler = settings;
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

    pub fn scheduler_settings(&self) -> &SchedulerSettings {
        &self.config.scheduler
    }

    /// Removes a port. Returns what waited for it or came from it, in order per pair; the caller accounts for
    /// these packets and frees them. The port's share is forgotten. Cold.
    #[must_use]
    pub fn remove_port(&mut self, port: PortId) -> Vec<P> {
        let mut out = Vec::new();
        if !self.ports.remove(port) {
            return out;
        }
        self.open.retain(|&(ingress, egress)| ingress != port && egress != port);
        if let Some(mut gone) = self.links.get_mut(port.index()).and_then(Option::take) {
            while let Some(container) = gone.scheduler.drain() {
                self.empty(container, &mut out);
            }
            self.pairs -= gone.pairs.len();
            for (ingress, pair) in gone.pairs.iter_mut() {
                if let Some(container) = pair.open.take() {
                    self.empty(container, &mut out);
                }
                self.shed.forget(pair, (ingress, port));
            }
        }
        self.backlogged.remove(port);
        for other in self.ports {
            self.forget_source(port, other, &mut out);
        }
        if let Some(source) = self.sources.get_mut(port.index()) {
            // The counts stay readable until the slot is used again.
            let was_remote = source.settings.take().is_some_and(|settings| settings.remote);
            *source = Source { counts: source.counts, ..Source::default() };
            if !was_remote {
                self.caps.set(0, port, None, Share::DEFAULT_BURST_BYTES);
            }
        }
        for source in &mut self.sources {
            source.starved.remove(port);
        }
        self.relieve_all();
        out
    }

    /// Removes what waits from `from`, which is being removed, for `to`.
    fn forget_source(&mut self, from: PortId, to: PortId, out: &mut Vec<P>) {
        let Some(Some(link)) = self.links.get_mut(to.index()) else {
            return broken!("a port without a link");
        };
        let mut found = Vec::new();
        while let Some(container) = link.scheduler.take(from) {
            found.push(container);
        }
        if link.scheduler.is_empty() {
            self.backlogged.remove(to);
        }
        link.scheduler.forget(from);
        if let Some(mut pair) = link.pairs.remove(from) {
            found.extend(pair.open.take());
            self.shed.forget(&pair, (from, to));
            self.pairs -= 1;
        }
        for container in found {
            self.empty(container, out);
        }
    }

    /// Removes and returns everything held here from the sources that `is_one` names, but not what is on its
    /// way to another worker. The ports stay. Cold.
    #[must_use]
    pub fn drain(&mut self, is_one: impl Fn(PortId) -> bool) -> Vec<P> {
        let mut out = Vec::new();
        let mut links = std::mem::take(&mut self.links);
        for (to, link) in links.iter_mut().enumerate() {
            let Some(link) = link else { continue };
            for (from, pair) in link.pairs.iter_mut().filter(|(from, _)| is_one(*from)) {
                while let Some(container) = link.scheduler.take(from) {
                    pair.load -= container.load();
                    self.empty(container, &mut out);
                }
                if let Some(container) = pair.open.take() {
                    pair.load -= container.load();
                    self.empty(container, &mut out);
                }
            }
            if link.scheduler.is_empty() {
                self.backlogged.remove(PortId(to as u16));
            }
        }
        self.links = links;
        self.open.retain(|(from, _)| !is_one(*from));
        self.relieve_all();
        out
    }

    /// Takes a container's packets out and subtracts them from the engine's counts.
    fn empty(&mut self, mut container: Container<P>, out: &mut Vec<P>) {
        let load = container.load();
        self.held_packets -= load.packets;
        self.held_bytes -= load.bytes;
        match self.sources.get_mut(container.ingress().index()) {
            Some(source) => source.frames -= load.frames,
            None => broken!("a container came from no source"),
        }
        while let Some(packet) = container.pop() {
            out.push(packet);
        }
        self.spares.put(container);
    }
}

impl<P: Packet> fmt::Debug for Engine<P> {
    /// Prints the ports, and the pairs where something waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Engine");
        out.field("ports", &self.ports)
            .field("backlogged", &self.backlogged)
            .field("held_packets", &self.held_packets)
            .field("held_bytes", &self.held_bytes);
        for (from, to) in self.pairs() {
            let (bytes, packets) = self.port_depth(to, from);
            let shed = if self.is_shed(from, to) { ", shed" } else { "" };
            if packets != 0 {
                out.field(
                    &format!("{from} -> {to}"),
                    &format_args!("{packets} packets, {bytes} bytes{shed}"),
                );
            }
        }
        out.finish()
    }
}
