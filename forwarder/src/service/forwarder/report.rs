//! Reports for the API.
//!
//! Invariant: the program's counters are read before and after the workers' numbers are taken, so
//! that traffic between the readings cannot be mistaken for frames that vanished.

use std::collections::HashMap;

use weir_abi::{Counter, PortCounters};

use super::Forwarder;
use super::roster::{Active, Entry};
use super::shares::{containers, links, promise, queued};
use crate::host::links::tx_dropped;
use crate::observe::ledger::{self, PortLedger, ProgramCounts, WorkerCounts, WorkersTotal};
use crate::worker::{NoAnswer, WorkerSnapshot};
use weir_api::{
    Amount, Attached, CensusReport, FdbReport, LaneNow, Limited, LinkLane, LinkShare, PortCounter,
    PortCounts, PortInfo, PortList, PortReport, Queued, Regimes, StatsReport, Traffic,
    WorkerReport,
};
use weir_core::Mode;
use weir_core::addresses::Location;

/// How often the numbers of several workers are read before an unbalanced ledger is reported. Workers
/// answer one after the other, so pieces that one cuts meanwhile can be missing from a reading.
const READINGS: u32 = 3;

/// One port's numbers from all its counters.
pub(super) struct PortNumbers<'a> {
    name: &'a str,
    pub(super) entry: &'a Entry,
    before: ProgramCounts,
    counters: PortCounters,
    pub(super) after: ProgramCounts,
    pub(super) worker: WorkerCounts,
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
            self.roster.iter().map(|(_, entry)| self.program_counts(entry.slot)).collect();
        let snapshots = self.workers.snapshots().await?;
        Ok(self.assemble(before, &snapshots))
    }

    fn assemble(&self, before: Vec<ProgramCounts>, snapshots: &[WorkerSnapshot]) -> StatsReport {
        let mut ports: Vec<PortNumbers<'_>> = self
            .roster
            .iter()
            .zip(before)
            .map(|((name, entry), before)| {
                let counters = self.steering.counters.of(entry.slot).unwrap_or_default();
                let elsewhere = ledger::lost_elsewhere(snapshots, entry.id());
                let mut worker = self.roster.worker_counts(entry, &elsewhere);
                let mut ports = snapshots.iter().flat_map(|snapshot| &snapshot.ports);
                if let Some(port) = ports.find(|port| port.id == entry.id()) {
                    worker.merge(&WorkerCounts::from(port));
                }
                let after = ProgramCounts::new(&counters, self.reached(entry.slot));
                PortNumbers { name, entry, before, counters, after, worker }
            })
            .collect();
        self.give_up_missing(&mut ports, snapshots);
        let closed = &self.roster.closed;
        let pages = ports
            .iter()
            .map(|port| PortLedger {
                before: &port.before,
                after: &port.after,
                worker: &port.worker,
            })
            .chain([PortLedger {
                before: &closed.program,
                after: &closed.program,
                worker: &closed.worker,
            }]);
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
        let PortNumbers { name, entry, counters, after, worker, .. } = port;
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
            name: (*name).to_owned(),
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
            || self.workers.place(entry.plan.worker, self.plan.port_settings(&entry.plan).role),
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
