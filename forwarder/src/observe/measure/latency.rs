//! How long packets took, by source.
//!
//! Invariant: what a worker hands out it has no more, so that is added to what is held here before
//! anything else can happen to it: the task that took it is never dropped half-way. A reset takes
//! exactly what it reports.

use std::sync::Arc;

use weir_core::{PortId, Stage, VifLatency};

use super::{Measurements, Ports, WorkerMeasures, unix_ns};
use crate::worker::NoAnswer;
use weir_api::{LatencyQuery, LatencyReport, Summary, Times, VifTimes, histogram::encode};

/// Ports asked for at once: one round of a worker's chores answers all of them, and what they
/// answer, up to a tenth of a megabyte each, is not all in memory at the same time.
pub(super) const AT_ONCE: usize = 16;

impl<S: WorkerMeasures> Measurements<S> {
    /// Everything that was recorded since the last reset, by name of the source.
    pub async fn latency(self: &Arc<Self>, query: LatencyQuery) -> Result<LatencyReport, NoAnswer> {
        let this = Arc::clone(self);
        let read = tokio::spawn(async move { this.read_latency(query).await });
        read.await.unwrap_or(Err(NoAnswer::Ended))
    }

    async fn read_latency(&self, query: LatencyQuery) -> Result<LatencyReport, NoAnswer> {
        let LatencyQuery { histograms, reset } = query;
        let mut since = self.since.lock().await;
        let mut vifs = Vec::new();
        if self.plan.latency {
            let ids: Vec<PortId> = self.ports.lock().await.keys().copied().collect();
            for some in ids.chunks(AT_ONCE) {
                for (name, times) in self.take(some, reset).await? {
                    vifs.push(vif_times(name, &times, histograms));
                    tokio::task::yield_now().await;
                }
            }
        }
        vifs.sort_by(|a, b| a.name.cmp(&b.name));
        let report = LatencyReport {
            version: weir_api::VERSION,
            uptime_ns: self.uptime_ns(),
            since_unix_ns: *since,
            until_unix_ns: unix_ns(),
            on: self.plan.latency,
            vifs,
        };
        if reset {
            *since = report.until_unix_ns;
        }
        Ok(report)
    }

    /// Takes what is new of some ports, and gives all there is of them.
    async fn take(
        &self,
        ids: &[PortId],
        reset: bool,
    ) -> Result<Vec<(String, Box<VifLatency>)>, NoAnswer> {
        let mut ports = self.ports.lock().await;
        self.collect(&mut ports, ids).await?;
        let given = ids.iter().filter_map(|id| {
            let held = ports.get_mut(id)?;
            let times = if reset { held.times.take() } else { held.times.clone() };
            Some((held.name.clone(), times.unwrap_or_default()))
        });
        Ok(given.collect())
    }

    /// Adds what the workers have recorded since the last time.
    pub(super) async fn collect(&self, ports: &mut Ports, ids: &[PortId]) -> Result<(), NoAnswer> {
        if !self.plan.latency {
            return Ok(());
        }
        let mut asked = Vec::new();
        for id in ids.iter().filter(|id| ports.contains_key(id)) {
            asked.extend(self.workers.iter().map(|worker| (*id, worker.take_latency(*id))));
        }
        for (id, answer) in asked {
            let new = answer.await?;
            let Some(held) = ports.get_mut(&id).filter(|_| !new.is_empty()) else { continue };
            match &mut held.times {
                Some(times) => times.merge(&new),
                none => *none = Some(new),
            }
        }
        Ok(())
    }
}

fn vif_times(name: String, times: &VifLatency, histograms: bool) -> VifTimes {
    let stages = Stage::ALL.iter().map(|&stage| (stage.name(), times.stage(stage)));
    let stages = stages
        .chain([("residence", times.residence())])
        .map(|(stage, times)| Times {
            stage: stage.to_owned(),
            summary: Summary::of(&times),
            histogram: histograms.then(|| encode(&times)),
        })
        .collect();
    VifTimes { name, stages }
}
