//! Requests of the API and of Prometheus to a running forwarder. Invariant: a request holds the
//! forwarder's lock no longer than its answer takes.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::ending::End;
use crate::host::links::Links;
use crate::observe::measure::Measurements;
use crate::observe::metrics::{Numbers, PortTimes, Sample};
use crate::observe::watch::{WatchQuery, WatchSlot, WatchStream};
use crate::service::api::Backend;
use crate::service::forwarder::{Forwarder, watching};
use weir_api::{
    FlowQuery, FlowsReport, LatencyQuery, LatencyReport, PortList, Refused, StatsReport,
};

/// The API's requests go to the forwarder that `follow` changes.
pub(super) struct Shared {
    pub(super) forwarder: Arc<Mutex<Forwarder>>,
    pub(super) measured: Arc<Measurements>,
    pub(super) links: Links,
    pub(super) slot: Arc<WatchSlot>,
    pub(super) end: End,
}

impl Backend for Shared {
    async fn stats(&self) -> Result<StatsReport, Refused> {
        self.forwarder.lock().await.stats().await.map_err(Refused::unavailable)
    }

    async fn ports(&self) -> Result<PortList, Refused> {
        Ok(self.forwarder.lock().await.ports())
    }

    async fn latency(&self, query: LatencyQuery) -> Result<LatencyReport, Refused> {
        self.measured.latency(query).await.map_err(Refused::unavailable)
    }

    async fn flows(&self, query: FlowQuery) -> Result<FlowsReport, Refused> {
        self.measured.flows(query).await.map_err(Refused::unavailable)
    }

    async fn config(&self) -> Result<serde_json::Value, Refused> {
        Ok(self.forwarder.lock().await.document())
    }

    async fn patch(&self, patch: serde_json::Value) -> Result<serde_json::Value, Refused> {
        let change = async {
            let mut forwarder = self.forwarder.lock().await;
            let links = self.links.snapshot().await.map_err(Refused::unavailable)?;
            forwarder.patch(&patch, &links).await
        };
        let given_up = || Err(Refused::unavailable("weir is stopping"));
        self.end.bound(change).await.unwrap_or_else(given_up)
    }

    async fn watch(&self, query: WatchQuery, who: String) -> Result<WatchStream, Refused> {
        watching::begin(Arc::clone(&self.forwarder), Arc::clone(&self.slot), query, &who).await
    }

    fn end_watch(&self, id: Option<u64>) -> Option<String> {
        self.slot.end(id)
    }
}

impl Numbers for Shared {
    async fn sample(&self) -> Result<Sample, Refused> {
        let times = self.measured.times(false, PortTimes::new).await;
        let times = times.map_err(Refused::unavailable)?.sources;
        let flows = self.measured.flow_room().await.map_err(Refused::unavailable)?;
        Ok(Sample { stats: self.stats().await?, times, flows })
    }
}
