//! `GET /v1/stats` and `GET /v1/health`: counters since this weir started, and its present state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_core::{Idle, Losses, Role};

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
    /// Broken invariants anywhere in the process: events that only a bug in weir can cause. Must be 0.
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
    /// Frames that the port's guest or link sent to weir.
    pub rx: Traffic,
    /// Frames that weir delivered to it.
    pub tx: Traffic,
    /// Frames that the program left to the kernel, for the host.
    pub passed: Traffic,
    #[serde(default)]
    pub lanes: Lanes,
    #[serde(default)]
    pub tx_lanes: TxLanes,
    /// The state of a link with a rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkLane>,
    /// By `Reason::name()`; a reason that never occurred is absent.
    pub losses: BTreeMap<String, u64>,
    /// The backlog of this port now.
    #[serde(default)]
    pub queued: Queued,
    #[serde(default)]
    pub promise: Promise,
    /// This port as a source: a row for each destination it sent to.
    #[serde(default)]
    pub links: Vec<LinkShare>,
    #[serde(default)]
    pub containers: Containers,
    /// Counts that are neither outcomes nor losses: kicks, completed checksums and the like, by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// A superframe is one frame.
    pub frames: u64,
    pub bytes: u64,
    /// Superframes among the frames that a worker received or sent.
    #[serde(default)]
    pub superframes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    pub packets: u64,
    pub bytes: u64,
}

/// The sums over the whole forwarder, in frames; a superframe counts as one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    pub received: u64,
    /// Frames made by cutting superframes; each is accounted for separately.
    pub copies: u64,
    pub delivered: u64,
    /// Frames among these that the gate handed over itself, without a worker.
    #[serde(default)]
    pub express: u64,
    /// Left to the kernel: the bridge or the host.
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
    /// Its time by regime, since it started.
    pub regimes: Regimes,
    /// The part of its time in which something waited for nothing but this worker.
    #[serde(default)]
    pub limited: Limited,
    pub turns: u64,
    pub kicks: u64,
    /// The part of the whole process' broken invariants that this worker found; it logs each.
    #[serde(default)]
    pub broken_invariants: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regimes {
    /// Moving frames.
    pub busy: Regime,
    /// Nothing to do: polling or asleep.
    pub idle: Regime,
    /// Frames to send, and no device that takes them.
    pub back_pressured: Regime,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regime {
    pub ns: u64,
    /// The part of the worker's whole time.
    pub share_permille: u64,
}

/// The time in which a worker was the limit: something could have left, and waited for the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    pub ns: u64,
    /// The part of the worker's whole time.
    pub share_permille: u64,
    /// The part of the last tenths of a second.
    pub now_permille: u64,
}

impl Limited {
    /// The part from which the worker counts as the limit.
    pub const NOTABLE_PERMILLE: u64 = 50;

    pub fn is_notable(&self) -> bool {
        self.now_permille >= Self::NOTABLE_PERMILLE
    }
}

/// The pool's frames by owner: `free + fill + rx + held + tx = total`.
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
    /// The shares are computed from the sums, so that the two cannot disagree.
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
    /// The count of `losses` under a reason.
    pub fn lost_under(&self, reason: &str) -> u64 {
        self.losses.get(reason).copied().unwrap_or(0)
    }

    /// The count of `counters` under a name.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or(0)
    }

    /// Its row as a source, towards another port.
    pub fn link_to(&self, to: &str) -> Option<&LinkShare> {
        self.links.iter().find(|link| link.to == to)
    }

    pub fn lost(&self) -> u64 {
        self.losses.values().sum()
    }
}

impl LedgerReport {
    /// Fills in the losses, and whether the sums then balance.
    #[must_use]
    pub fn with_lost(self, lost: &Losses) -> Self {
        let filled = Self { lost: lost.total(), lost_by_reason: lost.by_name(), ..self };
        Self { balanced: filled.balance() == 0, ..filled }
    }

    /// Frames in minus frames out. Above 0, frames vanished without a reason; below 0, some were counted
    /// twice.
    pub fn balance(&self) -> i128 {
        let sum = |parts: &[u64]| parts.iter().map(|part| i128::from(*part)).sum::<i128>();
        sum(&[self.received, self.copies])
            - sum(&[self.delivered, self.passed, self.lost, self.in_flight])
    }
}
