//! A port's promises as a source, and the results.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Queued;

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

impl Containers {
    pub fn count(&self) -> u64 {
        self.released.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
