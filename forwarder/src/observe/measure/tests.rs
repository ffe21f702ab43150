//! Workers that never forwarded a packet, and the reports combined from their answers.

mod express;

use std::sync::Mutex as Lock;
use std::sync::atomic::{AtomicUsize, Ordering};

use weir_core::latency::histogram;
use weir_core::{Bin, FlowCounts, FlowKey, FlowRow, FlowSum, Stage};

use super::*;
use crate::worker::FlowPage;
use weir_api::{FlowQuery, FlowsReport, LatencyQuery, LatencyReport, SumKind, histogram::decode};

/// Returns pages from positions that are not rows' numbers, some of them short.
#[derive(Default)]
struct Twin {
    latency: Lock<BTreeMap<PortId, Box<VifLatency>>>,
    rows: Lock<Vec<FlowRow>>,
    sums: Lock<Vec<FlowSum>>,
    /// The number of rows returned with their histograms.
    whole: AtomicUsize,
    /// Flows that end between the first pass and the second.
    ending: Lock<Vec<FlowSum>>,
}

/// Only every second position is in use.
const STEP: u32 = 2;
/// The most rows returned at once.
const SHORT: usize = 100;

impl WorkerMeasures for Arc<Twin> {
    fn take_latency(
        &self,
        id: PortId,
    ) -> impl Future<Output = Result<Box<VifLatency>, NoAnswer>> + Send {
        let taken = self.latency.lock().unwrap().remove(&id).unwrap_or_default();
        async move { Ok(taken) }
    }

    async fn flows(&self, mut page: Box<FlowPage>) -> Result<Box<FlowPage>, NoAnswer> {
        if page.latency
            && let Some(sum) = self.ending.lock().unwrap().pop()
        {
            self.rows.lock().unwrap().retain(|row| row.key.ingress() != sum.ingress);
            self.sums.lock().unwrap().push(sum);
        }
        let rows = self.rows.lock().unwrap();
        let begin = page.from.unwrap().div_ceil(STEP) as usize;
        let most = page.rows.capacity().min(SHORT);
        for (nth, row) in rows.iter().enumerate().skip(begin).take(most) {
            let latency = row.latency.clone().filter(|_| page.latency);
            page.rows.push(FlowRow { place: nth as u32 * STEP, latency, ..row.clone() });
        }
        self.whole.fetch_add(if page.latency { page.rows.len() } else { 0 }, Ordering::Relaxed);
        let next = begin + page.rows.len();
        page.from = (next < rows.len()).then(|| next as u32 * STEP - 1);
        Ok(page)
    }

    async fn flow_sums(&self) -> Result<Vec<FlowSum>, NoAnswer> {
        Ok(self.sums.lock().unwrap().clone())
    }

    async fn forget_flows(&self) -> Result<(), NoAnswer> {
        self.rows.lock().unwrap().clear();
        self.sums.lock().unwrap().clear();
        Ok(())
    }
}

/// The ports' traffic by the express lane, by slot.
#[derive(Clone, Debug, Default)]
struct Lane(Arc<Lock<BTreeMap<PortId, Amount>>>);

impl ExpressTraffic for Lane {
    fn sent_by(&self, id: PortId) -> Amount {
        self.0.lock().unwrap().get(&id).copied().unwrap_or_default()
    }
}

struct Bench {
    workers: [Arc<Twin>; 2],
    lane: Lane,
    measured: Arc<Measurements<Arc<Twin>>>,
}

impl Bench {
    async fn new(plan: MeasurePlan, names: &[&str]) -> Self {
        let workers = [Arc::default(), Arc::default()];
        let lane = Lane::default();
        let express = Box::new(lane.clone());
        let measured = Measurements::new(workers.to_vec(), express, plan);
        for (id, name) in names.iter().enumerate() {
            measured.name(PortId(id as u16), name).await.unwrap();
        }
        Self { workers, lane, measured }
    }

    /// Sets the number of frames that a port has sent by the express lane.
    fn express(&self, id: u16, frames: u64) {
        self.lane.0.lock().unwrap().insert(PortId(id), Amount::new(frames, frames * 100));
    }

    /// Records this many packets at a worker.
    fn record(&self, worker: usize, id: u16, packets: u64) {
        let mut all = self.workers[worker].latency.lock().unwrap();
        let latency = all.entry(PortId(id)).or_default();
        for _ in 0..packets {
            Stage::ALL.iter().for_each(|&stage| latency.record(stage, 250, 1));
            latency.record_residence(Bin::of(1000));
        }
    }

    fn row(&self, worker: usize, id: u16, flow: u16, counts: FlowCounts) {
        let key = FlowKey {
            ingress: id,
            src_port: flow,
            ethertype: 0x800,
            proto: 17,
            ..FlowKey::default()
        };
        let mut times = histogram::<u32>();
        times.saturating_record_n(1000, counts.delivered as u32);
        let latency = Some(times);
        self.workers[worker].rows.lock().unwrap().push(FlowRow { place: 0, key, counts, latency });
    }

    async fn latency(&self, reset: bool) -> LatencyReport {
        self.measured.latency(LatencyQuery { histograms: true, reset }).await.unwrap()
    }

    async fn flows(&self, query: FlowQuery) -> FlowsReport {
        self.measured.flows(query).await.unwrap()
    }
}

fn took(frames: u64) -> FlowCounts {
    FlowCounts { frames, bytes: frames * 100, ..FlowCounts::default() }
}

fn sent(delivered: u64) -> FlowCounts {
    FlowCounts { delivered, delivered_bytes: delivered * 100, ..FlowCounts::default() }
}

fn ended(id: u16, flows: u64, counts: FlowCounts) -> FlowSum {
    let nothing = || (FlowCounts::default(), histogram());
    let mut times = histogram();
    times.saturating_record_n(1000, counts.delivered);
    FlowSum {
        ingress: PortId(id),
        other: nothing(),
        ended: (counts, times),
        ended_flows: flows,
        known: 0,
    }
}

/// The number of packets of each source, which must be the same in every stage.
#[track_caller]
fn counts(report: &LatencyReport) -> Vec<(&str, u64)> {
    let one = |stages: &[weir_api::Times]| {
        let names: Vec<&str> = stages.iter().map(|times| times.stage.as_str()).collect();
        assert_eq!(names, ["steer", "container", "queue", "tx", "residence"]);
        for times in stages {
            assert_eq!(times.summary.count, stages[0].summary.count);
            let whole = decode(times.histogram.as_ref().unwrap()).unwrap();
            assert_eq!(whole.len(), times.summary.count);
        }
        stages[0].summary.count
    };
    report.vifs.iter().map(|vif| (vif.name.as_str(), one(&vif.stages))).collect()
}

#[tokio::test]
async fn times_add_up_over_workers_and_questions_until_a_reset() {
    let bench = Bench::new(MeasurePlan::default(), &["v2", "v1"]).await;
    bench.record(0, 0, 3);
    bench.record(1, 0, 4);
    let first = bench.latency(false).await;
    assert_eq!(counts(&first), [("v1", 0), ("v2", 7)]);
    bench.record(1, 0, 5);
    bench.record(1, 1, 1);
    let second = bench.latency(true).await;
    assert_eq!(counts(&second), [("v1", 1), ("v2", 12)]);
    assert_eq!(first.since_unix_ns, second.since_unix_ns);
    let third = bench.latency(false).await;
    assert_eq!(counts(&third), [("v1", 0), ("v2", 0)]);
    assert_eq!(third.since_unix_ns, second.until_unix_ns);
    assert!(third.on && third.until_unix_ns >= third.since_unix_ns);
}

#[tokio::test]
async fn a_port_that_returns_has_its_times_and_a_slots_next_name_does_not() {
    let bench = Bench::new(MeasurePlan::default(), &["v1"]).await;
    bench.record(0, 0, 3);
    bench.measured.name(PortId(0), "v1").await.unwrap();
    // The workers' times are taken already: they may start again.
    assert!(bench.workers[0].latency.lock().unwrap().is_empty());
    assert_eq!(counts(&bench.latency(false).await), [("v1", 3)]);
    bench.record(1, 0, 9);
    bench.measured.strike_off(PortId(0)).await.unwrap();
    assert_eq!(counts(&bench.latency(false).await), []);
    bench.measured.name(PortId(0), "v2").await.unwrap();
    bench.record(0, 0, 2);
    assert_eq!(counts(&bench.latency(false).await), [("v2", 2)]);
}

#[tokio::test]
async fn what_is_switched_off_is_not_asked_for() {
    let off = MeasurePlan { latency: false, flows: 0, ..MeasurePlan::default() };
    let bench = Bench::new(off, &["v1"]).await;
    bench.row(0, 0, 1, took(1));
    let report = bench.latency(true).await;
    assert_eq!((report.on, report.vifs.len()), (false, 0));
    let report = bench.flows(FlowQuery { reset: true, ..FlowQuery::default() }).await;
    assert_eq!((report.capacity, report.known, report.flows.len()), (0, 0, 0));
    assert_eq!(bench.workers[0].rows.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_flow_is_what_all_workers_know_of_it() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "nic0"]).await;
    // More than a page, in another order at the other worker.
    for flow in 0..700 {
        bench.row(0, 0, flow, took(u64::from(flow) + 1));
        bench.row(1, 0, 699 - flow, sent(700 - u64::from(flow)));
    }
    bench.row(1, 1, 9, took(5000));
    // A flow of a port that no longer exists.
    bench.row(1, 7, 9, took(5000));
    let all = bench.flows(FlowQuery { histograms: true, ..FlowQuery::default() }).await;
    assert_eq!((all.known, all.capacity, all.flows.len()), (701, 8192, 701));
    assert_eq!((all.flows[0].vif.as_str(), all.flows[0].counts.frames), ("nic0", 5000));
    for (flow, frames) in all.flows[1..].iter().zip((1..=700).rev()) {
        let counts = &flow.counts;
        assert_eq!((counts.frames, counts.delivered, flow.vif.as_str()), (frames, frames, "v1"));
        assert_eq!(counts.residence.count, frames);
        assert_eq!(decode(flow.histogram.as_ref().unwrap()).unwrap().len(), frames);
    }
}

#[tokio::test]
async fn only_what_is_asked_for_is_read_whole() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "v2"]).await;
    for flow in 0..700 {
        // The largest flows are far apart.
        let frames = if flow % 97 == 0 { 1000 + u64::from(flow) } else { 1 };
        bench.row(0, flow % 2, flow, took(frames));
    }
    let top = bench.flows(FlowQuery { top: Some(3), ..FlowQuery::default() }).await;
    let frames: Vec<u64> = top.flows.iter().map(|flow| flow.counts.frames).collect();
    assert_eq!((frames, top.known), (vec![1679, 1582, 1485], 700));
    assert_eq!(bench.workers[0].whole.swap(0, Ordering::Relaxed), 3);
    let query = FlowQuery { top: Some(2), vif: Some("v2".into()), ..FlowQuery::default() };
    let of_one = bench.flows(query).await;
    let frames: Vec<u64> = of_one.flows.iter().map(|flow| flow.counts.frames).collect();
    assert_eq!(frames, [1679, 1485]);
    assert!(of_one.flows.iter().all(|flow| flow.vif == "v2" && flow.histogram.is_none()));
}

#[tokio::test]
async fn a_flow_that_ends_while_it_is_read_is_counted_once() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "v2"]).await;
    bench.row(0, 0, 1, took(10));
    bench.row(0, 1, 1, took(20));
    bench.workers[0].ending.lock().unwrap().push(ended(0, 1, took(10)));
    let report = bench.flows(FlowQuery::default()).await;
    assert_eq!((report.known, report.flows.len(), report.flows[0].vif.as_str()), (1, 1, "v2"));
    let sum = &report.sums[0];
    assert_eq!((sum.vif.as_str(), sum.kind, sum.flows), ("v1", SumKind::Ended, Some(1)));
    assert_eq!((sum.counts.frames, report.sums.len()), (10, 1));
}

#[tokio::test]
async fn sums_are_those_of_all_workers_and_a_reset_forgets_all() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "v2"]).await;
    bench.row(0, 1, 1, took(1));
    let mut at_home = ended(0, 3, took(30));
    at_home.other.0 = took(4);
    bench.workers[0].sums.lock().unwrap().push(at_home);
    // Two of the same three flows, ended at the other worker.
    bench.workers[1].sums.lock().unwrap().push(ended(0, 2, sent(20)));
    let report = bench.flows(FlowQuery { reset: true, ..FlowQuery::default() }).await;
    let told: Vec<_> = report
        .sums
        .iter()
        .map(|sum| (sum.vif.as_str(), sum.kind, sum.flows, sum.counts.frames, sum.counts.delivered))
        .collect();
    let expected = [("v1", SumKind::Other, None, 4, 0), ("v1", SumKind::Ended, Some(3), 30, 20)];
    assert_eq!(told, expected);
    assert_eq!(report.sums[1].counts.residence.count, 20);
    assert_eq!(report.flows.len(), 1);
    let after = bench.flows(FlowQuery::default()).await;
    assert_eq!((after.flows.len(), after.sums.len()), (0, 0));
}

#[tokio::test]
async fn the_histograms_are_there_without_a_report_and_go_on_growing() {
    let bench = Bench::new(MeasurePlan::default(), &["v2", "v1"]).await;
    let counts = |name: &str, times: &VifLatency| (name.to_owned(), times.residence().len());
    let told = async || bench.measured.times(false, counts).await.unwrap().sources;
    bench.record(0, 0, 3);
    bench.record(1, 0, 4);
    assert_eq!(told().await, [("v1".to_owned(), 0), ("v2".to_owned(), 7)]);
    bench.record(1, 0, 1);
    assert_eq!(told().await[1].1, 8);
    assert_eq!(bench.latency(true).await.vifs[1].stages[4].summary.count, 8);
    assert_eq!(told().await[1].1, 0);
}

#[tokio::test]
async fn how_full_the_tables_are_is_told_by_source() {
    let plan = MeasurePlan { flows: 100, ..MeasurePlan::default() };
    let bench = Bench::new(plan, &["v1", "v2"]).await;
    // The first worker serves v1 and hands some of its flows to the second.
    for (worker, id, known, flows) in [(0, 0, 30, 5), (1, 0, 10, 2), (1, 1, 7, 0), (0, 9, 3, 0)] {
        let sum = FlowSum { known, other: (took(4), histogram()), ..ended(id, flows, took(1)) };
        bench.workers[worker].sums.lock().unwrap().push(sum);
    }
    let room = bench.measured.flow_room().await.unwrap();
    let of = |port: &str, known, ended, other_frames| SourceFlows {
        port: port.to_owned(),
        known,
        ended,
        other_frames,
    };
    assert_eq!(room.capacity, 200);
    assert_eq!(room.sources, [of("v1", 30, 5, 8), of("v2", 7, 0, 4)]);
}
