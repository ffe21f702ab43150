//! How long packets took, by source.
//!
//! Invariant: a worker no longer holds the times that it hands out, so they are added to those held
//! here before anything else can happen to them: the task that took them is never dropped half-way. A
//! reset takes exactly what it reports.

use std::sync::Arc;

use weir_core::{PortId, Stage, VifLatency};

use super::{Measurements, Ports, WorkerMeasures, unix_ns};
use crate::worker::NoAnswer;
use weir_api::{LatencyQuery, LatencyReport, Summary, Times, VifTimes, histogram::encode};

/// Ports read at once. One round of a worker's chores answers all of them, and their answers, up to a
/// tenth of a megabyte each, are never all in memory at the same time.
pub(super) const AT_ONCE: usize = 16;

impl<S: WorkerMeasures> Measurements<S> {
    /// Everything recorded since the last reset, by name of the source.
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

    /// Collects the new times of some ports, and returns all their times.
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

    /// Adds what the workers have recorded since the last collection.
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
