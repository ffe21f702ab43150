//! A port's promises as a source, and what it gets of each link.
//!
//! Invariant: a link's delivered traffic comes from the worker that serves it and from the gate, and
//! its backlog from all workers together: a hand-over between two workers is no delivery.

use std::collections::BTreeMap;

use weir_core::{ContainerCounts, PortId, Rate};

use super::roster::{Entry, Roster};
use crate::worker::{VifQueue, WorkerSnapshot};
use weir_api::{Containers, LinkShare, Promise, Queued};
use weir_schema::Plan;

/// Frames and bytes that the gate handed over, by the slots of ingress and egress.
pub(super) type ExpressPairs = BTreeMap<(u16, u16), [u64; 2]>;

/// Every port's links, by the port as a source; the links in the order of their names.
pub(super) fn links(
    roster: &Roster,
    snapshots: &[WorkerSnapshot],
    express: &ExpressPairs,
) -> BTreeMap<PortId, Vec<LinkShare>> {
    let destinations: BTreeMap<PortId, (&str, Option<usize>)> = roster
        .iter()
        .map(|(name, entry)| {
            let worker = entry.active.as_ref().map(|active| active.worker);
            (entry.id(), (name.as_str(), worker))
        })
        .collect();
    let queues = snapshots
        .iter()
        .enumerate()
        .flat_map(|(worker, snapshot)| snapshot.queues.iter().map(move |queue| (worker, queue)));
    gather(&destinations, queues, express)
}

fn gather<'a>(
    destinations: &BTreeMap<PortId, (&str, Option<usize>)>,
    queues: impl IntoIterator<Item = (usize, &'a VifQueue)>,
    express: &ExpressPairs,
) -> BTreeMap<PortId, Vec<LinkShare>> {
    let mut pairs: BTreeMap<(PortId, &str), LinkShare> = BTreeMap::new();
    for (worker, queue) in queues {
        let Some(&(to, home)) = destinations.get(&queue.egress) else { continue };
        let share = pairs.entry((queue.ingress, to)).or_default();
        share.queued.packets += queue.packets;
        share.queued.bytes += queue.bytes;
        share.shed |= queue.shed;
        if home == Some(worker) {
            share.frames += queue.sent_packets;
            share.bytes += queue.sent_bytes;
        }
    }
    for (&(ingress, egress), &[frames, bytes]) in express {
        let Some(&(to, _)) = destinations.get(&PortId(egress)) else { continue };
        let share = pairs.entry((PortId(ingress), to)).or_default();
        share.frames += frames;
        share.bytes += bytes;
    }
    let mut links: BTreeMap<PortId, Vec<LinkShare>> = BTreeMap::new();
    let idle = LinkShare::default();
    for ((ingress, to), share) in pairs.into_iter().filter(|(_, share)| *share != idle) {
        links.entry(ingress).or_default().push(LinkShare { to: to.to_owned(), ..share });
    }
    links
}

/// What waits to be sent out of each port.
pub(super) fn queued(snapshots: &[WorkerSnapshot]) -> BTreeMap<PortId, Queued> {
    let mut queued: BTreeMap<PortId, Queued> = BTreeMap::new();
    for pair in snapshots.iter().flat_map(|snapshot| &snapshot.queues) {
        let sum = queued.entry(pair.egress).or_default();
        sum.packets += pair.packets;
        sum.bytes += pair.bytes;
    }
    queued
}

/// A port's promises, with the settings for all ports filled in.
pub(super) fn promise(plan: &Plan, entry: &Entry, core: usize) -> Promise {
    let settings = plan.port_settings(&entry.plan);
    let bps = |rate: Option<Rate>| rate.map_or(0, |rate| rate.bits_per_s);
    Promise {
        weight: u64::from(settings.share.weight),
        min_rate_bps: bps(settings.share.min_rate),
        max_rate_bps: bps(settings.share.max_rate),
        rate_bps: bps(settings.link_rate),
        queue_bytes: settings.queue_bytes,
        release: plan.release_of(&entry.plan).to_string(),
        timeout_ns: settings.release.timeout_ns,
        work_conserving: settings.release.work_conserving,
        worker: core as u64,
    }
}

pub(super) fn containers(stats: &ContainerCounts) -> Containers {
    let ContainerCounts { released, packets, bytes, wait_ns } = *stats;
    Containers { released: released.by_name(), packets, bytes, wait_ns }
}

#[cfg(test)]
mod tests;
