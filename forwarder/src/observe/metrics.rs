//! `forwarder.metrics`: the same numbers as the control socket's, for Prometheus.
//!
//! - [`families`]: every metric with its labels, its sentence and its reader
//! - [`times`]: the latency histograms' buckets
//! - [`mod@page`]: writing the page
//! - [`server`]: the connections, and the rate of samples
//!
//! Invariant: nothing is counted here. Every value comes from one [`Sample`], taken at a request. The
//! configuration bounds a label's values, never the guests' traffic.

mod families;
mod page;
mod server;
#[cfg(test)]
mod tests;
mod times;

use std::future::Future;

pub use self::families::{ALL, Kind, Metric};
pub use self::page::{Format, page};
pub use self::server::{claim, serve};
pub use self::times::{BOUNDS_US, PortTimes, Spread};
use crate::observe::measure::FlowRoom;
use weir_api::{Refused, StatsReport};

/// All numbers, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub stats: StatsReport,
    pub times: Vec<PortTimes>,
    pub flows: FlowRoom,
}

pub trait Numbers: Send + Sync + 'static {
    fn sample(&self) -> impl Future<Output = Result<Sample, Refused>> + Send;
}
