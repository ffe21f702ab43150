//! `GET /v1/stats` and `GET /v1/health`: counters since this weir started, and what is so now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_core::{Idle, Ledger, Losses, Role};

use super::{Amount, Attached, Containers, Lanes, LinkLane, LinkShare, Promise, State, TxLanes};

/// `GET /v1/stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatsReport {
    pub version: u64,
    /// Since this weir started; lower than in an earlier report: it was restarted.
    pub uptime_ns: u64,
    pub ports: Vec<PortReport>,
    pub ledger: LedgerReport,
    pub worker: Vec<WorkerReport>,
    pub frames: CensusReport,
    pub fdb: FdbReport,
    /// What cannot happen unless weir has a bug, and did, anywhere in the process; to be 0.
    #[serde(default)]
    pub broken_invariants: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    pub name: String,
    pub role: Role,
    pub state: State,
    /// Why the port has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub mode: Attached,
    /// What the port's guest or link sent to us.
    pub rx: Traffic,
    /// What we delivered to it.
    pub tx: Traffic,
    /// What the program left to the kernel, for the host.
    pub passed: Traffic,
    #[serde(default)]
    pub lanes: Lanes,
    #[serde(default)]
    pub tx_lanes: TxLanes,
    /// Of a link with a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkLane>,
    /// By `Reason::name()`; a reason that never occurred is absent.
    pub losses: BTreeMap<String, u64>,
    /// What waits to be sent out of this port now.
    #[serde(default)]
    pub queued: Queued,
    #[serde(default)]
    pub promise: Promise,
    /// This port as a source: a row for each destination it sent to.
    #[serde(default)]
    pub links: Vec<LinkShare>,
    #[serde(default)]
    pub containers: Containers,
    /// Neither outcomes nor losses: kicks, completed checksums and the like, by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// A superframe is one frame.
    pub frames: u64,
    pub bytes: u64,
    /// How many of the frames that a worker took or sent were superframes.
    #[serde(default)]
    pub superframes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    pub received: u64,
    pub copies: u64,
    pub delivered: u64,
    /// Of those, by the gate itself, without a worker.
    #[serde(default)]
    pub express: u64,
    pub passed: u64,
    pub lost: u64,
    pub in_flight: u64,
    pub balanced: bool,
    pub lost_by_reason: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    pub core: u64,
    /// `spin`, `adaptive` or `sleep`.
    pub idle: Idle,
    /// Where its time went, since it started.
    pub regimes: Regimes,
    /// For how much of it something waited for nothing but this worker.
    #[serde(default)]
    pub limited: Limited,
    pub turns: u64,
    pub kicks: u64,
    /// Of those of the whole process, what this worker found; it logs what each was.
    #[serde(default)]
    pub broken_invariants: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regimes {
    /// Moving frames.
    pub busy: Regime,
    /// Nothing to do: polling or asleep.
    pub idle: Regime,
    /// Something to send, and no device that takes it.
    pub back_pressured: Regime,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regime {
    pub ns: u64,
    /// Of the worker's whole time.
    pub share_permille: u64,
}

/// The time in which a worker was the limit: something could have left, and waited for the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    pub ns: u64,
    /// Of the worker's whole time.
    pub share_permille: u64,
    /// Of the last tenths of a second.
    pub now_permille: u64,
}

impl Limited {
    /// From so much on the worker counts as the limit.
    pub const NOTABLE_PERMILLE: u64 = 50;

    pub fn is_notable(&self) -> bool {
        self.now_permille >= Self::NOTABLE_PERMILLE
    }
}

/// The pool's frames by who holds them: `free + fill + rx + held + tx = total`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CensusReport {
    pub total: u64,
    pub free: u64,
    pub fill: u64,
    pub rx: u64,
    pub held: u64,
    pub tx: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FdbReport {
    pub entries: u64,
    pub capacity: u64,
}

/// `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    pub status: String,
    pub version: String,
    pub pid: u64,
    pub uptime_ns: u64,
}

impl Regimes {
    /// The shares come from the sums, so that no caller can get them to disagree.
    pub fn of(busy_ns: u64, idle_ns: u64, back_pressured_ns: u64) -> Self {
        let whole = u128::from(busy_ns) + u128::from(idle_ns) + u128::from(back_pressured_ns);
        let regime = |ns: u64| Regime {
            ns,
            share_permille: (u128::from(ns) * 1000).checked_div(whole).unwrap_or(0) as u64,
        };
        Self {
            busy: regime(busy_ns),
            idle: regime(idle_ns),
            back_pressured: regime(back_pressured_ns),
        }
    }
}

impl CensusReport {
    pub fn accounted(&self) -> u64 {
        self.free + self.fill + self.rx + self.held + self.tx
    }
}

impl StatsReport {
    pub fn port(&self, name: &str) -> Option<&PortReport> {
        self.ports.iter().find(|port| port.name == name)
    }
}

impl Traffic {
    pub fn amount(&self) -> Amount {
        Amount::new(self.frames, self.bytes)
    }
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Self) {
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.superframes += other.superframes;
    }
}

impl PortReport {
    /// Of `losses`.
    pub fn lost_under(&self, reason: &str) -> u64 {
        self.losses.get(reason).copied().unwrap_or(0)
    }

    /// Of `counters`.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// It as a source, towards another port.
    pub fn link_to(&self, to: &str) -> Option<&LinkShare> {
        self.links.iter().find(|link| link.to == to)
    }

    pub fn lost(&self) -> u64 {
        self.losses.values().sum()
    }
}

/// Losses as the report has them: by name, without the zeros.
pub fn by_reason(losses: &Losses) -> BTreeMap<String, u64> {
    losses.iter().map(|(reason, frames)| (reason.name().to_owned(), frames)).collect()
}

impl From<&Ledger> for LedgerReport {
    fn from(ledger: &Ledger) -> Self {
        Self {
            received: ledger.received,
            copies: ledger.copies,
            delivered: ledger.delivered,
            express: ledger.express,
            passed: ledger.passed,
            lost: ledger.lost.total(),
            in_flight: ledger.in_flight,
            balanced: ledger.balanced(),
            lost_by_reason: by_reason(&ledger.lost),
        }
    }
}

impl Default for LedgerReport {
    fn default() -> Self {
        Self::from(&Ledger::default())
    }
}

impl LedgerReport {
    /// In minus out, as in `weir_core::Ledger`; 0 when balanced.
    pub fn balance(&self) -> i128 {
        let sum = |parts: &[u64]| parts.iter().map(|part| i128::from(*part)).sum::<i128>();
        sum(&[self.received, self.copies])
            - sum(&[self.delivered, self.passed, self.lost, self.in_flight])
    }
}
