//! The histograms themselves, for uses other than a report.
//!
//! Invariant: as in [`super::latency`], a task that took something from a worker is never dropped
//! half-way.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_core::{PortId, VifLatency};

use super::latency::AT_ONCE;
use super::{Measurements, WorkerMeasures};
use crate::worker::NoAnswer;

impl<S: WorkerMeasures> Measurements<S> {
    /// Applies `of` to all that was recorded for each source since the last reset; the results by name.
    pub async fn times<T: Send + 'static>(
        self: &Arc<Self>,
        of: fn(&str, &VifLatency) -> T,
    ) -> Result<Vec<T>, NoAnswer> {
        let this = Arc::clone(self);
        let read = tokio::spawn(async move { this.read_times(of).await });
        read.await.unwrap_or(Err(NoAnswer::Ended))
    }

    async fn read_times<T>(&self, of: fn(&str, &VifLatency) -> T) -> Result<Vec<T>, NoAnswer> {
        if !self.plan.latency {
            return Ok(Vec::new());
        }
        // So a reset shows for all sources or for none.
        let _since = self.since.lock().await;
        let nothing = VifLatency::default();
        let mut made = BTreeMap::new();
        let ids: Vec<PortId> = self.ports.lock().await.keys().copied().collect();
        for some in ids.chunks(AT_ONCE) {
            let mut ports = self.ports.lock().await;
            self.collect(&mut ports, some).await?;
            for held in some.iter().filter_map(|id| ports.get(id)) {
                let times = held.times.as_deref().unwrap_or(&nothing);
                made.insert(held.name.clone(), of(&held.name, times));
            }
        }
        Ok(made.into_values().collect())
    }
}
