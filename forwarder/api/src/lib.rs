//! The answers of a running weir on its control socket, and the requests. The service that answers, the
//! command line, the tests and the experiments all use these types.
//!
//! - [`stats`]: ports, ledger, workers; [`ports`], [`lanes`]: their parts
//! - [`latency`], [`flows`], [`histogram`]: measurements
//! - [`trace`]: the steps of single packets; [`losses`]: a report of losses alone
//! - [`query`]: the queries; [`errors`]: why there is no answer
//! - [`client`]: the one client
//!
//! Invariants: only whole numbers, text and flags, so that nothing is rounded on the way; a reader
//! ignores fields that it does not know, so that fields may be added without a new version.

pub mod client;
pub mod errors;
pub mod flows;
pub mod histogram;
pub mod lanes;
pub mod latency;
pub mod losses;
pub mod ports;
pub mod query;
pub mod stats;
#[cfg(test)]
mod tests;
pub mod trace;

pub use self::client::{Client, ClientError, Stream};
pub use self::errors::{ErrorReport, Refused};
pub use self::flows::{FlowNumbers, FlowReport, FlowSumReport, FlowsReport, SumKind};
pub use self::lanes::{Amount, LaneNow, Lanes, LinkLane, TxLanes};
pub use self::latency::{LatencyReport, Times, VifTimes};
pub use self::losses::{LossReport, PortLosses};
pub use self::ports::{Attached, Express, PortInfo, PortList, State};
pub use self::query::{FlowQuery, LatencyQuery};
pub use self::stats::{
    CensusReport, Containers, FdbReport, Health, LedgerReport, Limited, LinkShare, PortCounter,
    PortCounts, PortReport, Promise, Queued, Regime, Regimes, StatsReport, Traffic, WorkerReport,
};
pub use self::trace::{TraceEnd, TraceEvent, TraceLine, TraceOutcome, TraceStep, TracedPacket};
pub use hyper::StatusCode;
pub use weir_core::latency::Summary;

/// The version of these types' shape; it rises when a field changes its meaning or goes.
pub const VERSION: u64 = 1;
