//! How long packets took, by source.
//!
//! Invariant: a worker no longer holds the times that it hands out, so they are added to those held
//! here before anything else can happen to them: the task that took them is never dropped half-way. A
//! reset takes exactly what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_core::{PortId, Stage, VifLatency};
use weir_port::clock_realtime_ns;

use super::{Measurements, Ports, WorkerMeasures};
use crate::worker::NoAnswer;
use weir_api::{LatencyQuery, LatencyReport, Summary, Times, VifTimes, histogram::encode};

/// Ports read at once. One round of a worker's chores answers all of them, and their answers, up to a
/// tenth of a megabyte each, are never all in memory at the same time.
const AT_ONCE: usize = 16;

/// What was made of all times recorded since the last reset.
#[derive(Debug)]
pub struct Recorded<T> {
    pub since_unix_ns: u64,
    pub until_unix_ns: u64,
    /// One for each source, in the order of their names.
    pub sources: Vec<T>,
}

impl<S: WorkerMeasures> Measurements<S> {
    /// Everything recorded since the last reset, by name of the source.
    pub async fn latency(self: &Arc<Self>, query: LatencyQuery) -> Result<LatencyReport, NoAnswer> {
        let LatencyQuery { histograms, reset } = query;
        let of = move |name: &str, times: &VifLatency| vif_times(name, times, histograms);
        let Recorded { since_unix_ns, until_unix_ns, sources } = self.times(reset, of).await?;
        Ok(LatencyReport {
            version: weir_api::VERSION,
            uptime_ns: self.uptime_ns(),
            since_unix_ns,
            until_unix_ns,
            on: self.plan.latency,
            vifs: sources,
        })
    }

    /// Applies `of` to the times of each source.
    pub async fn times<T: Send + 'static>(
        self: &Arc<Self>,
        reset: bool,
        of: impl Fn(&str, &VifLatency) -> T + Send + Sync + 'static,
    ) -> Result<Recorded<T>, NoAnswer> {
        let this = Arc::clone(self);
        let read = tokio::spawn(async move { this.read_times(reset, of).await });
        read.await.unwrap_or(Err(NoAnswer::Ended))
    }

    async fn read_times<T>(
        &self,
        reset: bool,
        of: impl Fn(&str, &VifLatency) -> T,
    ) -> Result<Recorded<T>, NoAnswer> {
        // So a reset shows for all sources or for none.
        let mut since = self.since.lock().await;
        let (nothing, mut made) = (VifLatency::default(), BTreeMap::new());
        if self.plan.latency {
            let ids: Vec<PortId> = self.ports.lock().await.keys().copied().collect();
            for some in ids.chunks(AT_ONCE) {
                let mut ports = self.ports.lock().await;
                self.collect(&mut ports, some).await?;
                for id in some {
                    let Some(held) = ports.get_mut(id) else { continue };
                    let times = held.times.as_deref().unwrap_or(&nothing);
                    made.insert(held.name.clone(), of(&held.name, times));
                    if reset {
                        held.times = None;
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
        let (since_unix_ns, until_unix_ns) = (*since, clock_realtime_ns());
        if reset {
            *since = until_unix_ns;
        }
        Ok(Recorded { since_unix_ns, until_unix_ns, sources: made.into_values().collect() })
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
        let mut missing = Ok(());
        for (id, answer) in asked {
            // A worker that answers does not hold what it answers any more, whatever another says.
            let new = match answer.await {
                Ok(new) => new,
                Err(why) => {
                    missing = missing.and(Err(why));
                    continue;
                }
            };
            let Some(held) = ports.get_mut(&id).filter(|_| !new.is_empty()) else { continue };
            match &mut held.times {
                Some(times) => times.merge(&new),
                none => *none = Some(new),
            }
        }
        missing
    }
}

fn vif_times(name: &str, times: &VifLatency, histograms: bool) -> VifTimes {
    let stages = Stage::ALL.iter().map(|&stage| (stage.name(), times.stage(stage)));
    let stages = stages
        .chain([("residence", times.residence())])
        .map(|(stage, times)| Times {
            stage: stage.to_owned(),
            summary: Summary::of(&times),
            histogram: histograms.then(|| encode(&times)),
        })
        .collect();
    VifTimes { name: name.to_owned(), stages }
}
