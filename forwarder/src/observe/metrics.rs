//! `forwarder.metrics`: the same numbers as the control socket's, for Prometheus.
//!
//! - [`families`]: every metric with its labels, its sentence and how it is read; [`fill`]: reading
//! - [`times`]: the latency histograms' buckets
//! - [`page`], [`format`]: how it is written down
//! - [`listener`], [`server`]: who may ask, and how often
//!
//! Invariant: nothing is counted here. All that is told comes from one [`Sample`], taken when
//! somebody asks; a label's values are bounded by what is configured, never by what guests send.

mod families;
mod fill;
mod format;
mod listener;
mod page;
mod server;
#[cfg(test)]
mod tests;
mod times;

use std::{fmt, future::Future, sync::Arc};

use prometheus_client::{encoding::text, registry::Registry};

pub use self::{
    families::{ALL, Kind, Metric},
    listener::{ListenError, MetricsListener},
    server::serve,
    times::{BOUNDS_NS, PortTimes, Spread},
};
use crate::observe::measure::FlowRoom;
use weir_api::{Refused, StatsReport};

/// Everything that is told, of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub stats: StatsReport,
    /// By source.
    pub times: Vec<PortTimes>,
    pub flows: FlowRoom,
}

/// Who can take a sample.
pub trait Numbers: Send + Sync + 'static {
    fn sample(&self) -> impl Future<Output = Result<Sample, Refused>> + Send;
}

/// The whole of it in the OpenMetrics text format.
pub fn exposition(sample: Arc<Sample>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(sample));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}
