//! The workers' measurements, combined: how long packets took, by source, over all workers and all lives
//! of a port; and which stations exchanged them.
//!
//! - [`flows`]: the workers' flow tables, read in pages; [`tally`]: rows of one flow made one
//!
//! Invariants: no lock of the forwarder is held while workers are asked, and workers are kept from
//! packets for one page at a time. A slot's times are never given to a name that got the slot later: a
//! name is recorded before its port is served, and struck off before the slot is free. (A worker
//! forgets flows by itself when a port is announced to it again.) A worker no longer holds the times
//! that it hands out, so they are added to those held here before anything else can happen to them: the
//! task that took them is never dropped half-way. A reset takes exactly what it reports.

mod flows;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;
use weir_core::{PortId, Stage, VifLatency};
use weir_port::{XskPort, clock_realtime_ns};

pub use self::flows::{FlowRoom, SourceFlows};
use crate::host::attach::ExpressCounters;
use crate::worker::{Asker, NoAnswer, WorkerMeasures};
use weir_api::{Amount, LatencyQuery, LatencyReport, Summary, Times, VifTimes, histogram::encode};
use weir_schema::MeasurePlan;

/// The part of the gate that counts frames which no worker measures.
pub trait ExpressTraffic: fmt::Debug + Send + Sync + 'static {
    /// The port's traffic by the express lane, since its slot has had its present name.
    fn sent_by(&self, id: PortId) -> Amount;
}

impl ExpressTraffic for ExpressCounters {
    fn sent_by(&self, id: PortId) -> Amount {
        let [frames, bytes] = self.by(id.0).unwrap_or_default();
        Amount::new(frames, bytes)
    }
}

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

/// The slots that have names.
type Ports = BTreeMap<PortId, RecordedPort>;

#[derive(Debug)]
pub struct Measurements<S = Asker<XskPort>> {
    workers: Vec<S>,
    plan: MeasurePlan,
    started: Instant,
    express: Box<dyn ExpressTraffic>,
    /// Locked while a few ports are read; ports that come and go wait for it.
    ports: Mutex<Ports>,
    /// When the recording of latency began, in Unix time; locked while all of it is read.
    since: Mutex<u64>,
    /// Held while the flows are read: two readers at once would only delay each other.
    reading: Mutex<()>,
}

/// A slot's name and the times recorded for it.
#[derive(Debug)]
struct RecordedPort {
    name: String,
    /// `None`: nothing yet.
    times: Option<Box<VifLatency>>,
    /// Its traffic by the express lane at the last reset of its flows.
    express_before: Amount,
}

impl<S: WorkerMeasures> Measurements<S> {
    pub fn new(workers: Vec<S>, express: Box<dyn ExpressTraffic>, plan: MeasurePlan) -> Arc<Self> {
        let (ports, reading) = (Mutex::default(), Mutex::default());
        let (since, started) = (Mutex::new(clock_realtime_ns()), Instant::now());
        Arc::new(Self { workers, plan, started, express, ports, since, reading })
    }

    /// Gives a slot this name, or gives it again: its port is about to be served.
    pub async fn name(&self, id: PortId, name: &str) -> Result<(), NoAnswer> {
        let mut ports = self.ports.lock().await;
        // At the moment at which the workers reset its flows.
        let express_before = self.express.sent_by(id);
        match ports.get_mut(&id).filter(|held| held.name == name) {
            Some(held) => held.express_before = express_before,
            None => {
                let held = RecordedPort { name: name.to_owned(), times: None, express_before };
                ports.insert(id, held);
            }
        }
        // Collect what the workers have of the name's earlier lives, before they reset it.
        self.collect(&mut ports, &[id]).await
    }

    /// Frees a slot: its recorded times go with its name.
    pub async fn strike_off(&self, id: PortId) -> Result<(), NoAnswer> {
        let mut ports = self.ports.lock().await;
        let taken = self.collect(&mut ports, &[id]).await;
        ports.remove(&id);
        taken
    }

    pub fn uptime_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

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
    async fn collect(&self, ports: &mut Ports, ids: &[PortId]) -> Result<(), NoAnswer> {
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
