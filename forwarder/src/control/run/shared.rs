//! What the API and Prometheus ask of a running forwarder.
//! Invariant: a question holds the forwarder's lock no longer than it takes to answer it.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::ending::End;
use crate::control::api::{Backend, BackendError, FlowQuery, PatchRefused};
use crate::control::forwarder::{ApplyError, Forwarder};
use crate::control::links::Links;
use crate::control::measure::Measured;
use crate::control::metrics::{Numbers, PortTimes, Sample};
use crate::control::report::{FlowsReport, LatencyReport, PortList, StatsReport};
use crate::control::watch::{self, Wanted, WatchRefused, Watching, desk::Desk};

/// What the API asks, it asks of the forwarder that `follow` changes.
pub(super) struct Shared {
    pub(super) forwarder: Arc<Mutex<Forwarder>>,
    pub(super) measured: Arc<Measured>,
    pub(super) links: Links,
    pub(super) desk: Arc<Desk>,
    pub(super) end: End,
}

impl Backend for Shared {
    async fn stats(&self) -> Result<StatsReport, BackendError> {
        self.forwarder.lock().await.stats().await.map_err(|error| BackendError(error.to_string()))
    }

    async fn ports(&self) -> Result<PortList, BackendError> {
        Ok(self.forwarder.lock().await.ports())
    }

    async fn latency(&self, histograms: bool, reset: bool) -> Result<LatencyReport, BackendError> {
        let report = self.measured.latency(histograms, reset).await;
        report.map_err(|error| BackendError(error.to_string()))
    }

    async fn flows(&self, query: FlowQuery) -> Result<FlowsReport, BackendError> {
        let report = self.measured.flows(query).await;
        report.map_err(|error| BackendError(error.to_string()))
    }

    async fn config(&self) -> Result<serde_json::Value, BackendError> {
        Ok(self.forwarder.lock().await.document())
    }

    /// On a task of its own: a client that does not wait for the answer leaves nothing half done.
    async fn patch(&self, patch: serde_json::Value) -> Result<serde_json::Value, PatchRefused> {
        let failed = |error: String| PatchRefused { status: 503, error };
        let (forwarder, links) = (Arc::clone(&self.forwarder), self.links.clone());
        let end = self.end.clone();
        let patched = tokio::spawn(async move {
            let change = async {
                let mut forwarder = forwarder.lock().await;
                let links = links.snapshot().await.map_err(|error| failed(error.to_string()))?;
                forwarder.patch(&patch, &links).await
            };
            let given_up = || Err(failed(ApplyError::Stopping.to_string()));
            end.bound(change).await.unwrap_or_else(given_up)
        });
        patched.await.unwrap_or_else(|error| Err(failed(error.to_string())))
    }

    async fn watch(&self, wanted: Wanted, who: String) -> Result<Watching, WatchRefused> {
        watch::begin(Arc::clone(&self.forwarder), Arc::clone(&self.desk), wanted, &who).await
    }

    fn end_watch(&self, id: Option<u64>) -> Option<String> {
        self.desk.end(id)
    }
}

impl Numbers for Shared {
    async fn sample(&self) -> Result<Sample, BackendError> {
        let times = self.measured.times(PortTimes::new).await;
        let times = times.map_err(|error| BackendError(error.to_string()))?;
        let flows = self.measured.flow_room().await;
        let flows = flows.map_err(|error| BackendError(error.to_string()))?;
        Ok(Sample { stats: self.stats().await?, times, flows })
    }
}
