//! Losses as a report of their own. Invariant: each frame that a row counts as lost has one reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use weir_core::Role;

use super::{LedgerReport, StatsReport, VERSION};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossReport {
    pub version: u64,
    pub uptime_ns: u64,
    /// When counting began (weir's start, or the interval's), in Unix time.
    pub since_unix_ns: u64,
    pub until_unix_ns: u64,
    pub ports: Vec<PortLosses>,
    /// The whole sum; an interval has none, because frames in flight belong to two intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<LedgerReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortLosses {
    pub name: String,
    pub role: Role,
    /// Frames from the port's guest or link.
    pub received: u64,
    pub lost: u64,
    /// By `Reason::name()`; a reason that never occurred is absent.
    pub losses: BTreeMap<String, u64>,
}

impl LossReport {
    pub fn of(stats: &StatsReport) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let until_unix_ns =
            since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        let ports = stats.ports.iter().map(|port| PortLosses {
            name: port.name.clone(),
            role: port.role,
            received: port.rx.frames,
            lost: port.lost(),
            losses: port.losses.clone(),
        });
        Self {
            version: VERSION,
            uptime_ns: stats.uptime_ns,
            since_unix_ns: until_unix_ns.saturating_sub(stats.uptime_ns),
            until_unix_ns,
            ports: ports.collect(),
            ledger: Some(stats.ledger.clone()),
        }
    }

    /// The losses since `before`; all of them if weir was restarted meanwhile.
    pub fn since(&self, before: &Self) -> Self {
        if self.uptime_ns < before.uptime_ns {
            return Self { ledger: None, ..self.clone() };
        }
        let ports = self.ports.iter().map(|port| {
            let earlier = before.ports.iter().find(|earlier| earlier.name == port.name);
            earlier.map_or_else(|| port.clone(), |earlier| port.since(earlier))
        });
        Self {
            since_unix_ns: before.until_unix_ns,
            ports: ports.collect(),
            ledger: None,
            ..self.clone()
        }
    }

    pub fn lost(&self) -> u64 {
        self.ports.iter().fold(0, |sum, port| sum.saturating_add(port.lost))
    }
}

impl PortLosses {
    /// A port that went and came back counts from 0.
    fn since(&self, before: &Self) -> Self {
        let losses = change(&self.losses, &before.losses);
        Self {
            received: self.received.saturating_sub(before.received),
            lost: losses.values().sum(),
            losses,
            ..self.clone()
        }
    }
}

/// The increases by reason, without those that are 0.
pub fn change(
    after: &BTreeMap<String, u64>,
    before: &BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    let more = |(reason, frames): (&String, &u64)| {
        let more = frames.saturating_sub(before.get(reason).copied().unwrap_or(0));
        (more > 0).then(|| (reason.clone(), more))
    };
    after.iter().filter_map(more).collect()
}
