//! Reports for the API.
//!
//! Invariant: the program's counters are read before and after the worker's numbers are taken, so
//! that traffic between the readings cannot be mistaken for frames that vanished.

use std::collections::BTreeMap;

use weir_abi::PortCounters;

use super::Forwarder;
use super::roster::{Active, Entry, State};
use crate::control::attach::Mode;
use crate::control::books::{self, Page, ProgramBooks, WorkerBooks};
use crate::control::report::{
    self, Attached, CensusReport, FdbReport, LedgerReport, PortInfo, PortList, PortReport, Queued,
    Regimes, StatsReport, Traffic, WorkerReport, by_reason,
};
use crate::worker::regimes::Regime;
use crate::worker::{WorkerGone, WorkerSnapshot};

/// One port's numbers from all who count.
struct Row<'a> {
    name: &'a str,
    entry: &'a Entry,
    before: ProgramBooks,
    counters: PortCounters,
    after: ProgramBooks,
    worker: WorkerBooks,
}

impl Forwarder {
    /// Everything, in one consistent look.
    pub async fn stats(&self) -> Result<StatsReport, WorkerGone> {
        let before: Vec<ProgramBooks> =
            self.roster.iter().map(|(_, entry)| self.program_books(entry.slot)).collect();
        let snapshot = self.worker.snapshot().await?;
        Ok(self.assemble(before, &snapshot))
    }

    fn assemble(&self, before: Vec<ProgramBooks>, snapshot: &WorkerSnapshot) -> StatsReport {
        let rows: Vec<Row<'_>> = self
            .roster
            .iter()
            .zip(before)
            .map(|((name, entry), before)| {
                let counters = self.steering.counters(entry.slot).unwrap_or_default();
                let mut worker = entry.past.clone();
                if let Some(port) = snapshot.ports.iter().find(|port| port.id == entry.id()) {
                    worker.absorb(port);
                }
                let after = ProgramBooks::from(&counters);
                Row { name, entry, before, counters, after, worker }
            })
            .collect();
        let closed = &self.roster.closed;
        let pages = rows
            .iter()
            .map(|row| Page { before: &row.before, after: &row.after, worker: &row.worker })
            .chain([Page {
                before: &closed.program,
                after: &closed.program,
                worker: &closed.worker,
            }]);
        let ledger = books::ledger(pages, &snapshot.orphan_losses, snapshot.held_packets);
        StatsReport {
            version: report::VERSION,
            uptime_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            ports: rows.iter().map(|row| port_report(row, snapshot)).collect(),
            ledger: LedgerReport::from(&ledger),
            worker: vec![self.worker_report(snapshot, &rows)],
            frames: census(snapshot),
            fdb: FdbReport {
                entries: snapshot.fdb_entries as u64,
                capacity: snapshot.fdb_capacity as u64,
            },
        }
    }

    pub(super) fn program_books(&self, slot: u16) -> ProgramBooks {
        self.steering.counters(slot).map(|c| ProgramBooks::from(&c)).unwrap_or_default()
    }

    fn worker_report(&self, snapshot: &WorkerSnapshot, rows: &[Row<'_>]) -> WorkerReport {
        let regimes = &snapshot.regimes;
        let [busy, idle, pressed, asleep] =
            [Regime::Busy, Regime::Idle, Regime::BackPressured, Regime::Asleep]
                .map(|regime| regimes.spent_ns(regime));
        WorkerReport {
            core: snapshot.core as u64,
            idle: self.plan.forwarder.idle.into(),
            regimes: Regimes::of(busy, idle + asleep, pressed),
            turns: Regime::ALL.iter().map(|&regime| regimes.turns(regime)).sum(),
            kicks: rows.iter().map(|row| row.worker.kicks).sum(),
        }
    }

    /// The ports and how they are attached.
    pub fn ports(&self) -> PortList {
        let ports = self
            .roster
            .iter()
            .map(|(name, entry)| {
                let active = entry.active.as_ref();
                PortInfo {
                    name: name.clone(),
                    role: entry.plan.role,
                    state: state(&entry.state),
                    problem: problem(&entry.state),
                    mode: attached(active),
                    driver: entry.driver.clone(),
                    ifindex: active.map_or(0, |active| u64::from(active.ifindex)),
                    mtu: u64::from(entry.mtu),
                    queues: active.map_or(0, |active| u64::from(active.queues)),
                    superframes: active.is_some_and(|active| active.superframes),
                }
            })
            .collect();
        PortList { version: report::VERSION, ports }
    }

    /// Whether everything that was steered has come to an end.
    pub(super) async fn is_drained(&self) -> bool {
        match self.stats().await {
            Ok(report) => report.ledger.in_flight == 0 && report.ledger.balanced,
            Err(WorkerGone) => true,
        }
    }
}

fn port_report(row: &Row<'_>, snapshot: &WorkerSnapshot) -> PortReport {
    let Row { name, entry, counters, after, worker, .. } = row;
    let mut losses = after.lost;
    losses.merge(&worker.lost);
    let counts = [
        ("copies", worker.copies),
        ("checksums_completed", counters.partial_completed + worker.checksums_completed),
        ("superframes_segmented", worker.segmented),
        ("kicks", worker.kicks),
        ("kick_again", worker.kick_again),
    ];
    let queued = snapshot.queued.iter().find(|queued| queued.egress == entry.id());
    PortReport {
        name: (*name).to_owned(),
        role: entry.plan.role,
        state: state(&entry.state),
        problem: problem(&entry.state),
        mode: attached(entry.active.as_ref()),
        rx: Traffic {
            frames: worker.rx_packets,
            bytes: worker.rx_bytes,
            superframes: worker.rx_superframes,
        },
        tx: Traffic {
            frames: worker.tx_packets,
            bytes: worker.tx_bytes,
            superframes: worker.tx_superframes,
        },
        passed: Traffic { frames: after.passed, bytes: after.passed_bytes, superframes: 0 },
        losses: by_reason(&losses),
        queued: queued
            .map(|queued| Queued { packets: queued.packets, bytes: queued.bytes })
            .unwrap_or_default(),
        counters: counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn state(state: &State) -> report::State {
    match state {
        State::Up => report::State::Up,
        State::Down => report::State::Down,
        State::Gone => report::State::Gone,
        State::Failed(_) => report::State::Failed,
        State::Stopped => report::State::Stopped,
    }
}

fn problem(state: &State) -> Option<String> {
    match state {
        State::Failed(why) => Some(why.clone()),
        _ => None,
    }
}

fn attached(active: Option<&Active>) -> Attached {
    match active {
        None => Attached::None,
        Some(active) => match active.mode {
            Mode::Skb => Attached::Skb,
            Mode::Native => Attached::Native,
        },
    }
}

fn census(snapshot: &WorkerSnapshot) -> CensusReport {
    let census = &snapshot.census;
    CensusReport {
        total: census.total as u64,
        free: census.free as u64,
        fill: census.fill as u64,
        rx: census.rx as u64,
        held: census.held as u64,
        tx: census.tx as u64,
    }
}
