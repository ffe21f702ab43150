//! `GET /v1/flows`: the flows and their counts. Invariant: every packet that a worker received from a
//! port, or that the gate handed over itself, is in one flow, or in one of its source's sums.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Summary;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowsReport {
    pub version: u64,
    pub uptime_ns: u64,
    /// The present time, in Unix time.
    pub until_unix_ns: u64,
    /// Flows that can be told apart at once; 0: switched off.
    pub capacity: u64,
    /// The number of known flows, however many are listed here.
    pub known: u64,
    /// The largest by bytes first.
    pub flows: Vec<FlowReport>,
    /// By source.
    pub sums: Vec<FlowSumReport>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// The source port.
    pub vif: String,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, another protocol's number, `arp`, or `0x` and an EtherType.
    pub proto: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<String>,
    /// The port of TCP and UDP; for an ICMP echo its identifier, in both fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src_port: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst_port: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u64>,
    /// The time since the first packet, and since the last.
    pub age_ns: u64,
    pub idle_ns: u64,
    #[serde(flatten)]
    pub counts: FlowNumbers,
    /// HdrHistogram's V2 encoding, deflated, in base64, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}

/// The counts of a flow, or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowNumbers {
    pub frames: u64,
    pub bytes: u64,
    pub delivered: u64,
    pub delivered_bytes: u64,
    /// TCP flags seen, in the header's order: `FIN`, `SYN`, `RST`, `PSH`, `ACK`, `URG`, `ECE`, `CWR`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp_flags: Vec<String>,
    /// RFC 3550 jitter of the residence time.
    pub jitter_ns: u64,
    /// By `Reason::name()`.
    pub losses: BTreeMap<String, u64>,
    /// The residence of the delivered packets.
    pub residence: Summary,
}

/// Packets of one source that are in no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowSumReport {
    pub vif: String,
    pub kind: SumKind,
    /// The number of flows in the sum; unknown for `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flows: Option<u64>,
    /// Frames among these that the gate handed over itself: they are in `other`, and have no times.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub express: u64,
    #[serde(flatten)]
    pub counts: FlowNumbers,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub histogram: Option<String>,
}

weir_core::choices! {
    /// Why packets are in no row.
    #[derive(Default)]
    SumKind {
        /// No row was told of them: the table was full, or the gate handed them over itself
        #[default]
        Other = "other",
        /// The flows were idle for long
        Ended = "ended",
    }
}

impl FlowReport {
    /// `10.0.0.1:80`, `[2001:db8::1]:80`, `10.0.0.1`: source and destination; `None` where there is no address.
    pub fn ends(&self) -> [Option<String>; 2] {
        let end = |address: &Option<String>, port: Option<u64>| match (address.as_deref()?, port) {
            (address, None) => Some(address.to_owned()),
            (v6, Some(port)) if v6.contains(':') => Some(format!("[{v6}]:{port}")),
            (v4, Some(port)) => Some(format!("{v4}:{port}")),
        };
        [end(&self.src, self.src_port), end(&self.dst, self.dst_port)]
    }
}

impl FlowNumbers {
    pub fn lost(&self) -> u64 {
        self.losses.values().fold(0, |sum, frames| sum.saturating_add(*frames))
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}
