//! `GET /v1/stats` and `GET /v1/health`: counters since this weir started, and its present state.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_core::{Idle, Losses, Role};

use super::{Amount, Attached, Lanes, LinkLane, State, TxLanes};

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

/// A port's promises, with the settings of `[container]` for all ports filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub weight: u64,
    /// 0, here and in the next two: none.
    pub min_rate_bps: u64,
    pub max_rate_bps: u64,
    /// The rate towards the port.
    pub rate_bps: u64,
    pub queue_bytes: u64,
    /// `eager`, `fixed` or `adaptive`.
    pub release: String,
    pub timeout_ns: u64,
    pub work_conserving: bool,
    /// The core of the worker that serves it.
    pub worker: u64,
}

/// A port's traffic to one destination, and its backlog there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkShare {
    pub to: String,
    pub frames: u64,
    pub bytes: u64,
    pub queued: Queued,
    /// Whether the program drops frames for this destination now.
    pub shed: bool,
}

/// The released containers of a port as a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// By `ReleaseReason::name()`; a reason that never occurred is absent.
    pub released: BTreeMap<String, u64>,
    pub packets: u64,
    pub bytes: u64,
    /// The sum of the times that they were open.
    pub wait_ns: u64,
}

weir_core::named! {
    /// A count; its name is the key in the `counters` of a port's report.
    PortCounter {
        Copies "copies" "Pieces and segments made here of superframes that came in by this port, beyond the superframes themselves; each has its own end.";
        ChecksumsCompleted "checksums_completed" "Half-done checksums that were completed.";
        SuperframesSegmented "superframes_segmented" "Superframes that were cut here because the device does not do it.";
        Kicks "kicks" "System calls that told the kernel to send.";
        KickAgain "kick_again" "Kicks after which the device had not taken everything yet.";
        DeviceDropped "device_dropped" "Frames that the port's device dropped on their way to the guest, weir's and others'.";
        Addresses "addresses" "Addresses behind the port in the gate's table now.";
        AddressesRefused "addresses_refused" "Addresses that were not taken into the table: the port's quota was used up, or there was no room.";
        AddressesEvicted "addresses_evicted" "Addresses that lost their place in the table to one of a port that had less.";
        AddressesAgainstLock "addresses_against_lock" "Addresses that the port claimed against another port's lock.";
        Moves "moves" "Addresses that came to this port from another one.";
        MovesDamped "moves_damped" "Addresses that the port claimed and that were not believed, because they moved too often.";
    }
}

/// A port's counts.
pub type PortCounts = weir_core::NamedCounts<PortCounter, { PortCounter::COUNT }>;

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

impl Containers {
    pub fn count(&self) -> u64 {
        self.released.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl LedgerReport {
    /// Fills in the losses, and whether the sums then balance.
    #[must_use]
    pub fn with_lost(self, lost: &Losses) -> Self {
        let filled = Self { lost: lost.total(), lost_by_reason: lost.by_name(), ..self };
        Self { balanced: filled.balance() == 0, ..filled }
    }

    /// Frames in minus frames out: above 0, frames vanished; below 0, some were counted twice.
    pub fn balance(&self) -> i128 {
        let sum = |parts: &[u64]| parts.iter().map(|part| i128::from(*part)).sum::<i128>();
        sum(&[self.received, self.copies])
            - sum(&[self.delivered, self.passed, self.lost, self.in_flight])
    }
}
