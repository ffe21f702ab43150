//! Reports for the API.
//!
//! Invariants: the program's counters are read before and after the workers' numbers are taken, so
//! that traffic between the readings cannot be mistaken for frames that vanished. A link's delivered
//! traffic comes from the worker that serves it and from the gate, and its backlog from all workers
//! together: a hand-over between two workers is no delivery.

use std::collections::{BTreeMap, HashMap};

use weir_abi::{Counter, PortCounters};

use super::Forwarder;
use super::roster::{Active, Entry, Roster};
use crate::host::links::tx_dropped;
use crate::observe::ledger::{self, PortLedger, ProgramCounts, WorkerCounts, WorkersTotal};
use crate::worker::{NoAnswer, VifQueue, WorkerSnapshot};
use weir_api::{
    Amount, Attached, CensusReport, Containers, FdbReport, LaneNow, Limited, LinkLane, LinkShare,
    PortCounter, PortCounts, PortInfo, PortList, PortReport, Promise, Queued, Regimes, StatsReport,
    Traffic, WorkerReport,
};
use weir_core::addresses::Location;
use weir_core::{ContainerCounts, Mode, PortId, Rate};
use weir_schema::Plan;

/// How often several workers are read before an unbalanced ledger is reported: they answer one after the
/// other, so pieces that one cuts meanwhile can be missing.
const READINGS: u32 = 3;

/// One port's numbers from all its counters.
pub(super) struct PortNumbers<'a> {
    pub(super) entry: &'a Entry,
    counters: PortCounters,
    pub(super) ledger: PortLedger,
}

impl Forwarder {
    /// Everything, in one consistent reading.
    pub async fn stats(&self) -> Result<StatsReport, NoAnswer> {
        let readings = if self.workers.count() > 1 { READINGS } else { 1 };
        let mut report = self.look().await?;
        for _ in 1..readings {
            if report.ledger.balanced {
                break;
            }
            report = self.look().await?;
        }
        Ok(report)
    }

    async fn look(&self) -> Result<StatsReport, NoAnswer> {
        let before: Vec<ProgramCounts> =
            self.roster.entries.values().map(|entry| self.program_counts(entry.slot)).collect();
        let snapshots = self.workers.snapshots().await?;
        Ok(self.assemble(before, &snapshots))
    }

    fn assemble(&self, before: Vec<ProgramCounts>, snapshots: &[WorkerSnapshot]) -> StatsReport {
        let mut ports: Vec<PortNumbers<'_>> = self
            .roster
            .entries
            .values()
            .zip(before)
            .map(|(entry, before)| {
                let counters = self.steering.counters.of(entry.slot).unwrap_or_default();
                let elsewhere = ledger::lost_elsewhere(snapshots, entry.id());
                let mut worker = self.roster.worker_counts(entry, &elsewhere);
                let mut ports = snapshots.iter().flat_map(|snapshot| &snapshot.ports);
                if let Some(port) = ports.find(|port| port.id == entry.id()) {
                    worker.merge(&WorkerCounts::from(port));
                }
                let after = ProgramCounts::new(&counters, self.reached(entry.slot));
                PortNumbers { entry, counters, ledger: PortLedger { before, after, worker } }
            })
            .collect();
        self.give_up_missing(&mut ports, snapshots);
        let pages = ports.iter().map(|port| &port.ledger).chain([&self.roster.closed]);
        let ledger = ledger::ledger(pages, &WorkersTotal::of(snapshots));
        let express = self.steering.gate.express_pairs().unwrap_or_default();
        let mut shares = links(&self.roster, snapshots, &express);
        let dropped = tx_dropped(None).unwrap_or_default();
        let queued = queued(snapshots);
        let ports = ports
            .iter()
            .map(|port| {
                let links = shares.remove(&port.entry.id()).unwrap_or_default();
                let queued = queued.get(&port.entry.id()).copied().unwrap_or_default();
                self.port_report(port, links, queued, snapshots, &dropped)
            })
            .collect();
        let workers = snapshots.iter().enumerate();
        let table = &self.gate.table;
        StatsReport {
            version: weir_api::VERSION,
            uptime_ns: self.measured.uptime_ns(),
            ports,
            ledger,
            worker: workers.map(|(at, snapshot)| self.worker_report(at, snapshot)).collect(),
            frames: census(snapshots),
            fdb: FdbReport { entries: table.entries().into(), capacity: table.capacity() as u64 },
            broken_invariants: weir_core::invariant::of_all_threads(),
        }
    }

    pub(super) fn program_counts(&self, slot: u16) -> ProgramCounts {
        let counters = self.steering.counters.of(slot).unwrap_or_default();
        ProgramCounts::new(&counters, self.reached(slot))
    }

    /// Traffic that reached a port by the express lane.
    fn reached(&self, slot: u16) -> [u64; 2] {
        self.steering.gate.expressed(slot).unwrap_or_default()
    }

    fn worker_report(&self, worker: usize, snapshot: &WorkerSnapshot) -> WorkerReport {
        let regimes = &snapshot.regimes;
        let kicks: u64 = snapshot.ports.iter().map(|port| port.stats.kicks).sum();
        let (busy, idle, pressed) = (regimes.busy_ns, regimes.idle_ns, regimes.back_pressured_ns);
        let (limited, whole) = (regimes.limited, u128::from(busy + idle + pressed));
        let share = (u128::from(limited.ns) * 1000).checked_div(whole).unwrap_or(0);
        WorkerReport {
            core: snapshot.core as u64,
            idle: self.plan.forwarder.idle,
            regimes: Regimes::of(busy, idle, pressed),
            limited: Limited {
                ns: limited.ns,
                share_permille: u64::try_from(share).unwrap_or(1000),
                now_permille: limited.now_permille(),
            },
            turns: regimes.turns,
            kicks: kicks + self.workers.past_kicks(worker),
            broken_invariants: snapshot.broken_invariants,
        }
    }

    /// The ports and how they are attached.
    pub fn ports(&self) -> PortList {
        let ports = self
            .roster
            .entries
            .iter()
            .map(|(name, entry)| {
                let active = entry.active.as_ref();
                let (state, problem) = entry.state.report();
                let (express, express_remark) = self.express(entry);
                PortInfo {
                    name: name.clone(),
                    role: entry.plan.role,
                    state,
                    problem: problem.or_else(|| self.remark(entry)),
                    mode: attached(active),
                    driver: entry.driver.clone(),
                    ifindex: active.map_or(0, |active| u64::from(active.ifindex)),
                    mtu: u64::from(entry.mtu),
                    queues: active.map_or(0, |active| u64::from(active.queues)),
                    superframes: active.is_some_and(|active| active.superframes),
                    express,
                    express_remark,
                    kept: active.and_then(|active| active.attached.as_ref()?.is_kept()),
                }
            })
            .collect();
        PortList { version: weir_api::VERSION, ports }
    }

    fn port_report(
        &self,
        port: &PortNumbers<'_>,
        links: Vec<LinkShare>,
        queued: Queued,
        snapshots: &[WorkerSnapshot],
        dropped: &HashMap<u32, u64>,
    ) -> PortReport {
        let PortNumbers { entry, counters, ledger: PortLedger { after, worker, .. } } = port;
        let (lanes, tx_lanes) = ledger::lanes(after, worker);
        let mut losses = after.lost;
        losses += worker.lost;
        let active = entry.active.as_ref();
        let dropped = active
            .and_then(|active| dropped.get(&active.ifindex)?.checked_sub(active.dropped_before));
        let addresses = self.gate.table.port(Location::Port(entry.id()));
        let mut counts = worker.counts;
        counts += PortCounts::from_iter([
            (PortCounter::ChecksumsCompleted, counters.partial_completed),
            (PortCounter::DeviceDropped, dropped.unwrap_or(0)),
            (PortCounter::Addresses, u64::from(addresses.entries)),
            (PortCounter::AddressesRefused, addresses.refused),
            (PortCounter::AddressesEvicted, addresses.evicted),
            (PortCounter::AddressesAgainstLock, addresses.against_lock),
            (PortCounter::Moves, addresses.moves),
            (PortCounter::MovesDamped, addresses.damped),
        ]);
        let passed = [
            Counter::PassedHost,
            Counter::PassedGroup,
            Counter::PassedUnknown,
            Counter::PassedBridge,
            Counter::PassedFallback,
        ];
        let passed = passed.map(|counter| (counter.name().to_owned(), counters.frames(counter)));
        let link = self.link_lane(entry, snapshots);
        let (state, problem) = entry.state.report();
        PortReport {
            name: entry.plan.name.clone(),
            role: entry.plan.role,
            state,
            problem: problem.or_else(|| self.remark(entry)),
            mode: attached(entry.active.as_ref()),
            rx: traffic(lanes.express + lanes.scheduled, worker.rx.superframes),
            tx: traffic(tx_lanes.express + tx_lanes.scheduled, worker.tx.superframes),
            passed: traffic(lanes.bridge, 0),
            lanes,
            tx_lanes,
            link,
            losses: losses.by_name(),
            queued,
            promise: promise(&self.plan, entry, self.workers.core(self.worker_of(entry))),
            links,
            containers: containers(&worker.containers),
            counters: {
                let mut named = counts.by_name();
                named.extend(passed.into_iter().filter(|(_, count)| *count > 0));
                named
            },
        }
    }

    /// The report of a link with a rate.
    fn link_lane(&self, entry: &Entry, snapshots: &[WorkerSnapshot]) -> Option<LinkLane> {
        let served = snapshots.iter().find_map(|snapshot| {
            let port = snapshot.ports.iter().find(|port| port.id == entry.id())?;
            Some((port.door?, snapshot.taken_at_ns))
        });
        let (door, now_ns) = served?;
        let [frames, bytes] = self.steering.gate.charged(entry.slot).unwrap_or_default();
        Some(LinkLane {
            lane: if door.closed { LaneNow::Scheduled } else { LaneNow::Express },
            closings: door.closings,
            charged: Amount::new(frames, bytes),
            ahead_ns: door.due_ns.saturating_sub(now_ns),
        })
    }

    /// The worker that serves a port, or would serve it now.
    fn worker_of(&self, entry: &Entry) -> usize {
        entry.active.as_ref().map_or_else(
            || self.workers.place(&self.roster, entry.plan.worker, entry.plan.role),
            |active| active.worker,
        )
    }
}

fn traffic(amount: Amount, superframes: u64) -> Traffic {
    Traffic { frames: amount.frames, bytes: amount.bytes, superframes }
}

fn attached(active: Option<&Active>) -> Attached {
    match active.filter(|active| active.attached.is_some()).map(|active| active.mode) {
        None => Attached::None,
        Some(Mode::Native) => Attached::Native,
        Some(Mode::Gate) => Attached::Gate,
    }
}

fn census(snapshots: &[WorkerSnapshot]) -> CensusReport {
    let mut sum = CensusReport::default();
    for census in snapshots.iter().map(|snapshot| &snapshot.census) {
        sum.total += census.total as u64;
        sum.free += census.free as u64;
        sum.fill += census.fill as u64;
        sum.rx += census.rx as u64;
        sum.held += census.held as u64;
        sum.tx += census.tx as u64;
    }
    sum
}

/// Frames and bytes that the gate handed over, by the slots of ingress and egress.
type ExpressPairs = BTreeMap<(u16, u16), [u64; 2]>;

/// Every port's links, by the port as a source; the links in the order of their names.
fn links(
    roster: &Roster,
    snapshots: &[WorkerSnapshot],
    express: &ExpressPairs,
) -> BTreeMap<PortId, Vec<LinkShare>> {
    let destinations: BTreeMap<PortId, (&str, Option<usize>)> = roster
        .entries
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
fn queued(snapshots: &[WorkerSnapshot]) -> BTreeMap<PortId, Queued> {
    let mut queued: BTreeMap<PortId, Queued> = BTreeMap::new();
    for pair in snapshots.iter().flat_map(|snapshot| &snapshot.queues) {
        let sum = queued.entry(pair.egress).or_default();
        sum.packets += pair.packets;
        sum.bytes += pair.bytes;
    }
    queued
}

/// A port's promises, with the settings for all ports filled in.
fn promise(plan: &Plan, entry: &Entry, core: usize) -> Promise {
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

fn containers(stats: &ContainerCounts) -> Containers {
    let ContainerCounts { released, packets, bytes, wait_ns } = *stats;
    Containers { released: released.by_name(), packets, bytes, wait_ns }
}

#[cfg(test)]
mod tests;
