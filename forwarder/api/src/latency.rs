//! `GET /v1/latency`: packets' times by stage. Invariant: it covers delivered packets only, and each is
//! in every stage of its source once.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use weir_core::latency::Summary;

use crate::histogram::encode;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    pub version: u64,
    pub uptime_ns: u64,
    /// When recording began (the start, or the last reset), in Unix time.
    pub since_unix_ns: u64,
    /// The present time, in Unix time.
    pub until_unix_ns: u64,
    /// False if the configuration switched it off.
    pub on: bool,
    /// By source; one without traffic has empty stages.
    pub vifs: Vec<VifTimes>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VifTimes {
    pub name: String,
    /// `steer`, `container`, `queue` and `tx`, and their sum, `residence`.
    pub stages: Vec<Times>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    pub stage: String,
    #[serde(flatten)]
    pub summary: Summary,
    /// HdrHistogram's V2 encoding, deflated, in base64, as in its logs, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}

impl Times {
    /// With the whole histogram.
    pub fn of(stage: &str, times: &Histogram<u64>) -> Self {
        let (stage, summary) = (stage.to_owned(), Summary::of(times));
        Self { stage, summary, histogram: Some(encode(times)) }
    }
}
