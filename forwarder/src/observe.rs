//! Observation of a forwarder: reads the host and the worker's counts, and changes neither.
//!
//! - [`ledger`]: the ledger, checked; [`measure`]: latency and flows, put together
//! - [`dump`]: reports as other tools read them; [`metrics`]: the same for Prometheus
//! - [`watch`]: captures and traces

pub mod dump;
pub mod ledger;
pub mod measure;
pub mod metrics;
#[cfg(test)]
pub(crate) mod samples;
pub mod watch;
