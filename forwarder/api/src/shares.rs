//! What a port was promised as a source, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Queued;

/// What a port was promised, with what `[container]` says for all filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    pub weight: u64,
    /// 0, here and in the next two: none.
    pub min_rate_bps: u64,
    pub max_rate_bps: u64,
    /// Towards the port.
    pub rate_bps: u64,
    pub queue_bytes: u64,
    /// `eager`, `fixed` or `adaptive`.
    pub release: String,
    pub timeout_ns: u64,
    pub work_conserving: bool,
    /// The core of the worker that serves it.
    pub worker: u64,
}

/// What a port sent to one destination, and what of it waits there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkShare {
    pub to: String,
    pub frames: u64,
    pub bytes: u64,
    pub queued: Queued,
    /// Whether the program drops, now, what comes for this destination.
    pub shed: bool,
}

/// The containers of a port as a source that were let go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containers {
    /// By `ReleaseReason::name()`; a reason that never occurred is absent.
    pub released: BTreeMap<String, u64>,
    pub packets: u64,
    pub bytes: u64,
    /// How long they were open, all together.
    pub wait_ns: u64,
}

impl Containers {
    pub fn count(&self) -> u64 {
        self.released.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}
