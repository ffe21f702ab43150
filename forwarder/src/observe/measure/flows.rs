//! The workers' flow tables, combined.
//!
//! A first pass reads all rows without their histograms, many at a time, to select rows. A second pass
//! reads the selected rows whole, few at a time, since each whole row keeps a worker from its packets
//! for some microseconds.
//!
//! Invariant: a flow that ends between the two passes, and is then among the ended ones, is not counted
//! twice: everything is read again. (After some attempts the result is accepted: where flows end all
//! the time, their sum is a moment younger than the rows.)

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use weir_core::{FlowKey, FlowRow, FlowSum, PortId};
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::Measurements;
use super::tally::{FlowReporter, Tally};
use crate::worker::{FlowPage, NoAnswer, WorkerMeasures};
use weir_api::{Amount, FlowQuery, FlowReport, FlowSumReport, FlowsReport, SumKind};

/// Rows of a page without histograms.
const LIGHT_ROWS: usize = 256;
/// Rows of a page with histograms, of 10 KiB each.
const WHOLE_ROWS: usize = 16;
/// The most readings made because flows ended meanwhile.
const READINGS: u32 = 3;
/// The number of reports made before other tasks of this thread get a turn.
const AT_ONCE: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    row: u32,
    /// The number of rows before it.
    nth: usize,
}

/// A flow as the first pass found it.
#[derive(Debug, Default)]
struct SeenFlow {
    bytes: u64,
    /// By worker.
    places: Vec<(usize, Place)>,
}

#[derive(Debug, Default)]
struct Reading {
    known: usize,
    flows: HashMap<FlowKey, Tally>,
    sums: Vec<FlowSum>,
}

type Names = BTreeMap<PortId, String>;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowRoom {
    /// The most flows that can be told apart at once; 0: switched off.
    pub capacity: u64,
    pub sources: Vec<SourceFlows>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFlows {
    pub port: String,
    /// Flows that have a row now.
    pub known: u64,
    /// Flows that had a row and ended, since the last reset.
    pub ended: u64,
    /// Frames of flows that got no row.
    pub other_frames: u64,
}

impl<S: WorkerMeasures> Measurements<S> {
    /// The flows, the largest by bytes first. With `reset` all of them are forgotten right after they
    /// were read: counts between the two are in no report.
    pub async fn flows(self: &Arc<Self>, query: FlowQuery) -> Result<FlowsReport, NoAnswer> {
        let this = Arc::clone(self);
        // A task of its own: dropped half-way, it might have forgotten flows that are in no report.
        let read = tokio::spawn(async move { this.read_flows(query).await });
        read.await.unwrap_or(Err(NoAnswer::Ended))
    }

    async fn read_flows(self: &Arc<Self>, query: FlowQuery) -> Result<FlowsReport, NoAnswer> {
        let _reading = self.reading.lock().await;
        let names: Names = {
            let ports = self.ports.lock().await;
            ports.iter().map(|(id, held)| (*id, held.name.clone())).collect()
        };
        let (mut reading, mut express) = (Reading::default(), BTreeMap::new());
        if self.plan.flows > 0 {
            let mut before = ended(&self.sums().await?);
            for _ in 0..READINGS {
                reading = self.read(&query, &names).await?;
                let now = ended(&reading.sums);
                if now == std::mem::replace(&mut before, now) {
                    break;
                }
            }
            express = self.express_since(query.reset).await;
            if query.reset {
                for worker in &self.workers {
                    worker.forget_flows().await?;
                }
            }
        }
        let mut reporter = FlowReporter::new(clock_monotonic_ns(), query.histograms);
        let flows = report_flows(&mut reporter, &names, &reading.flows).await;
        let sums = report_sums(&mut reporter, &names, &query, &reading.sums, &express);
        Ok(FlowsReport {
            version: weir_api::VERSION,
            uptime_ns: self.uptime_ns(),
            until_unix_ns: clock_realtime_ns(),
            capacity: u64::from(self.plan.flows) * self.workers.len() as u64,
            known: reading.known as u64,
            flows,
            sums,
        })
    }

    /// Each source's traffic by the express lane since its flows began; with `reset` they begin now.
    async fn express_since(&self, reset: bool) -> BTreeMap<PortId, Amount> {
        let mut ports = self.ports.lock().await;
        let since = ports.iter_mut().map(|(id, held)| {
            let (now, before) = (self.express.sent_by(*id), held.express_before);
            if reset {
                held.express_before = now;
            }
            (*id, now.since(before))
        });
        since.collect()
    }

    async fn read(self: &Arc<Self>, query: &FlowQuery, names: &Names) -> Result<Reading, NoAnswer> {
        let mut seen: HashMap<FlowKey, SeenFlow> = HashMap::new();
        let mut looking = JoinSet::new();
        for at in 0..self.workers.len() {
            let this = Arc::clone(self);
            looking.spawn(async move { Ok((at, this.look(at).await?)) });
        }
        while let Some(looked) = looking.join_next().await {
            let (worker, rows) = looked.unwrap_or(Err(NoAnswer::Ended))?;
            for (key, bytes, place) in rows {
                if names.contains_key(&key.ingress()) {
                    let seen = seen.entry(key).or_default();
                    seen.bytes += bytes;
                    seen.places.push((worker, place));
                }
            }
        }
        let known = seen.len();
        let mut places = vec![Vec::new(); self.workers.len()];
        for (key, seen) in wanted(seen, query, names) {
            for (worker, place) in seen.places {
                if let Some(places) = places.get_mut(worker) {
                    places.push((place, key));
                }
            }
        }
        let mut flows: HashMap<FlowKey, Tally> = HashMap::new();
        let mut picking = JoinSet::new();
        for (at, places) in places.into_iter().enumerate() {
            let this = Arc::clone(self);
            picking.spawn(async move { this.pick(at, places).await });
        }
        while let Some(picked) = picking.join_next().await {
            for (key, tally) in picked.unwrap_or(Err(NoAnswer::Ended))? {
                flows.entry(key).or_default().add(&tally);
            }
        }
        Ok(Reading { known, flows, sums: self.sums().await? })
    }

    /// Every row of a worker, with its position.
    async fn look(&self, worker: usize) -> Result<Vec<(FlowKey, u64, Place)>, NoAnswer> {
        let mut seen = Vec::new();
        let mut from = Some(0);
        while let Some(page) = from {
            let rows;
            (rows, from) = self.page(worker, page, false, LIGHT_ROWS).await?;
            for row in rows {
                let place = Place { row: row.place, nth: seen.len() };
                seen.push((row.key, row.counts.bytes, place));
            }
        }
        Ok(seen)
    }

    /// The whole rows at these positions, if they are still there.
    async fn pick(
        &self,
        worker: usize,
        mut places: Vec<(Place, FlowKey)>,
    ) -> Result<HashMap<FlowKey, Tally>, NoAnswer> {
        places.sort_unstable_by_key(|(place, _)| *place);
        let keys: HashSet<FlowKey> = places.iter().map(|(_, key)| *key).collect();
        let mut picked = HashMap::new();
        let neighbours = places.chunk_by(|(one, _), (next, _)| one.nth + 1 == next.nth);
        for run in neighbours.flat_map(|run| run.chunks(WHOLE_ROWS)) {
            let Some((first, _)) = run.first() else { continue };
            for row in self.some(worker, first.row, run.len()).await? {
                // If rows moved meanwhile, a row may be returned twice; it is still one row.
                if keys.contains(&row.key) {
                    picked.insert(row.key, Tally::of(row.counts, row.latency.as_ref()));
                }
            }
        }
        Ok(picked)
    }

    /// This many whole rows from a place on, or fewer at the table's end; a worker may part them.
    async fn some(&self, worker: usize, from: u32, most: usize) -> Result<Vec<FlowRow>, NoAnswer> {
        let (mut all, mut from) = (Vec::new(), Some(from));
        while let Some(at) = from.filter(|_| all.len() < most) {
            let rows;
            (rows, from) = self.page(worker, at, true, most - all.len()).await?;
            all.extend(rows);
        }
        Ok(all)
    }

    async fn page(
        &self,
        worker: usize,
        from: u32,
        latency: bool,
        most: usize,
    ) -> Result<(Vec<FlowRow>, Option<u32>), NoAnswer> {
        let worker = self.workers.get(worker).ok_or(NoAnswer::Ended)?;
        let page = FlowPage { from: Some(from), latency, rows: Vec::with_capacity(most) };
        let page = worker.flows(Box::new(page)).await?;
        Ok((page.rows, page.from))
    }

    /// How full the flow tables are, without reading a single row. The worker that serves a source knows
    /// all of its flows, and others know some of the same: so the largest numbers are the source's.
    pub async fn flow_room(self: &Arc<Self>) -> Result<FlowRoom, NoAnswer> {
        if self.plan.flows == 0 {
            return Ok(FlowRoom::default());
        }
        let mut sources = BTreeMap::new();
        for sum in self.sums().await? {
            let FlowSum { ingress, known, ended_flows, other, .. } = sum;
            let Some(name) = self.ports.lock().await.get(&ingress).map(|held| held.name.clone())
            else {
                continue;
            };
            let source: &mut SourceFlows = sources.entry(ingress).or_default();
            source.port = name;
            source.known = source.known.max(known.into());
            source.ended = source.ended.max(ended_flows);
            source.other_frames += other.0.frames;
        }
        let capacity = u64::from(self.plan.flows) * self.workers.len() as u64;
        Ok(FlowRoom { capacity, sources: sources.into_values().collect() })
    }

    async fn sums(&self) -> Result<Vec<FlowSum>, NoAnswer> {
        let mut sums = Vec::new();
        for worker in &self.workers {
            sums.extend(worker.flow_sums().await?);
        }
        Ok(sums)
    }
}

fn ended(sums: &[FlowSum]) -> u64 {
    sums.iter().map(|sum| sum.ended_flows).sum()
}

fn asks_for(query: &FlowQuery, name: &str) -> bool {
    query.vif.as_deref().is_none_or(|vif| vif == name)
}

fn wanted(
    seen: HashMap<FlowKey, SeenFlow>,
    query: &FlowQuery,
    names: &Names,
) -> Vec<(FlowKey, SeenFlow)> {
    let of_vif =
        |key: &FlowKey| names.get(&key.ingress()).is_some_and(|name| asks_for(query, name));
    let mut all: Vec<(FlowKey, SeenFlow)> =
        seen.into_iter().filter(|(key, _)| of_vif(key)).collect();
    if let Some(top) = query.top.filter(|top| *top < all.len()) {
        all.sort_unstable_by_key(|(key, seen)| rank(seen.bytes, key));
        all.truncate(top);
    }
    all
}

/// Sorts the largest first, and always in the same order.
fn rank(bytes: u64, key: &FlowKey) -> impl Ord + use<> {
    let ports = (key.src_port, key.dst_port, key.vlan, key.ethertype, key.proto);
    (std::cmp::Reverse(bytes), key.ingress, key.src, key.dst, ports)
}

async fn report_flows(
    reporter: &mut FlowReporter,
    names: &Names,
    flows: &HashMap<FlowKey, Tally>,
) -> Vec<FlowReport> {
    let mut all: Vec<(&FlowKey, &Tally)> = flows.iter().collect();
    all.sort_unstable_by_key(|(key, tally)| rank(tally.counts.bytes, key));
    let mut told = Vec::with_capacity(all.len());
    for some in all.chunks(AT_ONCE) {
        told.extend(some.iter().filter_map(|(key, tally)| {
            Some(reporter.flow(names.get(&key.ingress())?.clone(), key, tally))
        }));
        tokio::task::yield_now().await;
    }
    told
}

/// A source's traffic that is in no row.
#[derive(Debug, Default)]
struct Unlisted {
    other: Tally,
    ended: Tally,
    ended_flows: u64,
    express: Amount,
}

/// For each source in the query, the traffic that is in no row, if there is any. Traffic that the gate
/// handed over is in `other`, since no table sees it.
fn report_sums(
    reporter: &mut FlowReporter,
    names: &Names,
    query: &FlowQuery,
    sums: &[FlowSum],
    express: &BTreeMap<PortId, Amount>,
) -> Vec<FlowSumReport> {
    let asked = |id: &PortId| names.get(id).filter(|name| asks_for(query, name));
    let mut all: BTreeMap<&str, Unlisted> = BTreeMap::new();
    for sum in sums {
        let Some(name) = asked(&sum.ingress) else { continue };
        let unlisted = all.entry(name).or_default();
        unlisted.other.add(&Tally::of(sum.other.0, Some(&sum.other.1)));
        unlisted.ended.add(&Tally::of(sum.ended.0, Some(&sum.ended.1)));
        // As in `flow_room`.
        unlisted.ended_flows = sum.ended_flows.max(unlisted.ended_flows);
    }
    for (id, amount) in express {
        let Some(name) = asked(id) else { continue };
        let unlisted = all.entry(name).or_default();
        unlisted.express = *amount;
        unlisted.other.add_delivered(*amount);
    }
    let mut told = Vec::new();
    for (name, Unlisted { other, ended, ended_flows, express }) in &all {
        let name = || (*name).to_owned();
        if !other.is_empty() {
            let sum = reporter.sum(name(), SumKind::Other, None, other);
            told.push(FlowSumReport { express: express.frames, ..sum });
        }
        if !ended.is_empty() {
            told.push(reporter.sum(name(), SumKind::Ended, Some(*ended_flows), ended));
        }
    }
    told
}
