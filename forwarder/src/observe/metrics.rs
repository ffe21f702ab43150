//! `forwarder.metrics`: the same numbers as the control socket's, for Prometheus.
//!
//! - [`families`]: every metric with its labels, its sentence and its reader; [`fill`]: reading
//! - [`times`]: the latency histograms' buckets
//! - [`page`], [`format`]: writing the page
//! - [`server`]: the connections, and the rate of samples
//!
//! Invariant: nothing is counted here. Every value comes from one [`Sample`], taken at a request. The
//! configuration bounds a label's values, never the guests' traffic.

mod families;
mod fill;
mod format;
mod page;
mod server;
#[cfg(test)]
mod tests;
mod times;

use std::{fmt, future::Future, sync::Arc};

use prometheus_client::{encoding::text, registry::Registry};

pub use self::{
    families::{ALL, Kind, Metric},
    server::{ListenError, claim, serve},
    times::{BOUNDS_NS, PortTimes, Spread},
};
use crate::observe::measure::FlowRoom;
use weir_api::{Refused, StatsReport};

/// All numbers, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub stats: StatsReport,
    /// Times by source.
    pub times: Vec<PortTimes>,
    pub flows: FlowRoom,
}

/// A source of samples.
pub trait Numbers: Send + Sync + 'static {
    fn sample(&self) -> impl Future<Output = Result<Sample, Refused>> + Send;
}

/// The whole page in the OpenMetrics text format.
pub fn exposition(sample: Arc<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}
