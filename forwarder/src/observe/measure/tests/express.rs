//! Traffic that the gate handed over, in the sums of flows.

use super::*;
use weir_api::FlowSumReport;

/// Name, kind, express frames, frames, delivered.
fn told(report: &FlowsReport) -> Vec<(&str, SumKind, u64, u64, u64)> {
    let one = |sum: &FlowSumReport| (sum.express, sum.counts.frames, sum.counts.delivered);
    let all = report.sums.iter().map(|sum| (sum.vif.as_str(), sum.kind, one(sum)));
    all.map(|(vif, kind, (express, frames, delivered))| (vif, kind, express, frames, delivered))
        .collect()
}

#[tokio::test]
async fn a_sources_rows_and_sums_are_what_workers_took_and_the_gate_handed_over() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "v2", "v3"]).await;
    bench.row(0, 0, 1, took(10));
    let mut sum = ended(0, 2, took(30));
    sum.other = (FlowCounts { jitter_ns: 7, delivered: 2, ..took(4) }, histogram());
    bench.workers[0].sums.lock().unwrap().push(sum);
    bench.express(0, 100);
    bench.express(1, 5);
    bench.express(9, 1000);
    let report = bench.flows(FlowQuery::default()).await;
    let expected = [
        ("v1", SumKind::Other, 100, 104, 102),
        ("v1", SumKind::Ended, 0, 30, 0),
        ("v2", SumKind::Other, 5, 5, 5),
    ];
    assert_eq!(told(&report), expected);
    let other = &report.sums[0].counts;
    assert_eq!((other.bytes, other.delivered_bytes, other.jitter_ns), (10_400, 10_000, 7));
    assert_eq!((other.residence.count, report.sums[2].counts.residence.count), (0, 0));
    // This is the rx of its statistics: 44 of a worker's and 100 by the express lane.
    let rows = report.flows.iter().filter(|flow| flow.vif == "v1");
    let rows: u64 = rows.map(|flow| flow.counts.frames).sum();
    assert_eq!(rows + report.sums[0].counts.frames + report.sums[1].counts.frames, 144);
    let query = FlowQuery { vif: Some("v2".into()), ..FlowQuery::default() };
    assert_eq!(told(&bench.flows(query).await), [("v2", SumKind::Other, 5, 5, 5)]);
}

#[tokio::test]
async fn a_reset_takes_what_it_reports_of_the_express_lane() {
    let bench = Bench::new(MeasurePlan::default(), &["v1", "v2"]).await;
    bench.express(0, 100);
    bench.express(1, 8);
    // A reset forgets everything, whatever the query selects.
    let query = FlowQuery { reset: true, vif: Some("v1".into()), ..FlowQuery::default() };
    assert_eq!(told(&bench.flows(query).await), [("v1", SumKind::Other, 100, 100, 100)]);
    assert_eq!(told(&bench.flows(FlowQuery::default()).await), []);
    bench.express(0, 103);
    let after = bench.flows(FlowQuery::default()).await;
    assert_eq!(told(&after), [("v1", SumKind::Other, 3, 3, 3)]);
}

#[tokio::test]
async fn a_port_that_returns_begins_anew_as_its_flows_do_and_so_does_a_slots_next_name() {
    let bench = Bench::new(MeasurePlan::default(), &["v1"]).await;
    bench.express(0, 100);
    bench.measured.name(PortId(0), "v1").await.unwrap();
    assert_eq!(told(&bench.flows(FlowQuery::default()).await), []);
    bench.express(0, 101);
    let report = bench.flows(FlowQuery::default()).await;
    assert_eq!(told(&report), [("v1", SumKind::Other, 1, 1, 1)]);
    bench.measured.strike_off(PortId(0)).await.unwrap();
    assert_eq!(told(&bench.flows(FlowQuery::default()).await), []);
    // The slot is cleared before it goes to another port.
    bench.express(0, 0);
    bench.measured.name(PortId(0), "v2").await.unwrap();
    bench.express(0, 6);
    let report = bench.flows(FlowQuery::default()).await;
    assert_eq!(told(&report), [("v2", SumKind::Other, 6, 6, 6)]);
}

#[tokio::test]
async fn where_flows_are_off_there_are_no_sums_and_the_room_knows_no_express() {
    let off = MeasurePlan { flows: 0, ..MeasurePlan::default() };
    let bench = Bench::new(off, &["v1"]).await;
    bench.express(0, 100);
    assert_eq!(told(&bench.flows(FlowQuery::default()).await), []);
    let bench = Bench::new(MeasurePlan::default(), &["v1"]).await;
    bench.express(0, 100);
    bench.workers[0].sums.lock().unwrap().push(ended(0, 1, took(1)));
    let room = bench.measured.flow_room().await.unwrap();
    assert_eq!(room.sources[0].other_frames, 0, "the table was not full");
}
