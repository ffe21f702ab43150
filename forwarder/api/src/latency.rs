//! `GET /v1/latency`: where packets' time went. Invariant: only packets that were delivered are in
//! it, and each is in every stage of its source once.

use serde::{Deserialize, Serialize};
use weir_core::latency::Summary;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    pub version: u64,
    pub uptime_ns: u64,
    /// When recording began (the start, or the last reset), in Unix time.
    pub since_unix_ns: u64,
    /// Now, likewise.
    pub until_unix_ns: u64,
    /// False where the configuration switched it off.
    pub on: bool,
    /// By source; one that sent nothing has empty stages.
    pub vifs: Vec<VifTimes>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VifTimes {
    pub name: String,
    /// `steer`, `container`, `queue` and `tx`, and `residence`, which is all of them together.
    pub stages: Vec<Times>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub stage: String,
    #[serde(flatten)]
    pub summary: Summary,
    /// HdrHistogram's V2 encoding, deflated, in base64, as in its logs; where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}
