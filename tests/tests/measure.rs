//! Measurements add up: every packet is in one flow or one sum, and every delivered one once in each
//! stage of its source.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use system_tests::bed::{Bed, Family};
use system_tests::drive::ping_all;
use system_tests::traffic::{Rate, Sink, Source};
use system_tests::{BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip};
use weir_api::client::wait;
use weir_api::{FlowNumbers, FlowQuery, FlowReport, FlowsReport, LatencyQuery, LatencyReport};

const SOON: Duration = Duration::from_secs(10);
const STAGES: [&str; 5] = ["steer", "container", "queue", "tx", "residence"];

/// A number summed over all flows and sums of one source, or of all.
fn over_all(flows: &FlowsReport, vif: &str, of: impl Fn(&FlowNumbers) -> u64) -> u64 {
    let rows = flows.flows.iter().map(|row| (&row.vif, &row.counts));
    let sums = flows.sums.iter().map(|row| (&row.vif, &row.counts));
    rows.chain(sums).filter(|(of, _)| *of == vif).map(|(_, counts)| of(counts)).sum()
}

/// Delivered packets of a source; all stages must have the same number.
fn timed(latency: &LatencyReport, vif: &str) -> Result<u64> {
    let vif = latency.vifs.iter().find(|row| row.name == vif);
    let vif = vif.with_context(|| format!("no {vif:?}"))?;
    let names: Vec<&str> = vif.stages.iter().map(|times| times.stage.as_str()).collect();
    ensure!(names == STAGES, "{names:?}");
    let counts: Vec<u64> = vif.stages.iter().map(|times| times.summary.count).collect();
    ensure!(counts.iter().all(|count| *count == counts[0]), "the stages differ: {vif:#?}");
    Ok(counts[0])
}

fn timed_in_all(latency: &LatencyReport) -> Result<u64> {
    latency.vifs.iter().map(|vif| timed(latency, &vif.name)).sum()
}

/// Sends this many datagrams to a sink, which receives them all.
fn send(from: &Guest, sink: &Sink, count: u64, heard: u64) -> Result<()> {
    let source = Source { count, size: 200, rate: Rate::pps(2000), ..Source::to(sink.addr()) };
    let sent = source.send(&from.ns)?;
    ensure!(sent.datagrams == count, "{sent:?}");
    sink.wait_for(heard + count, SOON)
}

/// The one flow from a guest to a sink.
fn flow<'v>(flows: &'v FlowsReport, from: &Guest, sink: &Sink) -> Result<&'v FlowReport> {
    let (dst, port) = (sink.addr().ip().to_string(), u64::from(sink.addr().port()));
    let mut to_it = flows.flows.iter().filter(|flow| {
        flow.vif == from.port && flow.dst.as_ref() == Some(&dst) && flow.dst_port == Some(port)
    });
    let flow = to_it.next().with_context(|| format!("no flow of {}: {flows:#?}", from.port))?;
    ensure!(to_it.next().is_none(), "two flows of {}: {flows:#?}", from.port);
    Ok(flow)
}

fn hold_to(flow: &FlowReport, family: Family, from: &Guest, frames: u64) -> Result<()> {
    let counts = &flow.counts;
    ensure!(counts.frames == frames && counts.delivered == frames, "not {frames}: {flow:#?}");
    ensure!(counts.residence.count == frames, "{flow:#?}");
    // A frame is its payload and headers, at both ends alike.
    let bytes = frames * (200 + if family == Family::V4 { 42 } else { 62 });
    ensure!(counts.bytes == bytes && counts.delivered_bytes == bytes, "{flow:#?}");
    ensure!(flow.proto == "udp" && flow.src == Some(from.addr(family).to_string()), "{flow:#?}");
    ensure!(counts.losses.is_empty() && flow.age_ns >= flow.idle_ns, "{flow:#?}");
    Ok(())
}

/// Compares flows and times with the statistics, while no traffic flows.
fn hold_together(weir: &Weir, bed: &Bed) -> Result<(LatencyReport, FlowsReport)> {
    let stats = weir.assert_ledger()?;
    let query = FlowQuery { histograms: true, ..FlowQuery::default() };
    let (latency, flows) = (weir.latency()?, wait(weir.client().flows(&query))?);
    for name in bed.ports() {
        let received = ledger::number(&stats, &name, |port| port.rx.frames);
        let counted = over_all(&flows, &name, |counts| counts.frames);
        ensure!(counted == received, "{name}: {counted} of {received} frames are in a flow");
        let delivered = over_all(&flows, &name, |counts| counts.delivered);
        ensure!(timed(&latency, &name)? == delivered, "{name}: {delivered} {latency:#?}");
    }
    let delivered = stats.ledger.delivered;
    ensure!(timed_in_all(&latency)? == delivered, "not {delivered}: {latency:#?}");
    Ok((latency, flows))
}

fn everything_adds_up(spec: &WeirSpec) -> Result<()> {
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, spec)?;
    bed.learn_neighbours()?;
    ping_all(&bed)?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    let far = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
    let near = Sink::start(&one.ns, one.socket(Family::V6, 0))?;
    send(one, &far, 300, 0)?;
    send(two, &near, 200, 0)?;
    let (_, flows) = hold_together(&weir, &bed)?;
    hold_to(flow(&flows, one, &far)?, Family::V4, one, 300)?;
    hold_to(flow(&flows, two, &near)?, Family::V6, two, 200)?;
    let query = FlowQuery { top: Some(1), vif: Some("v1".to_owned()), ..FlowQuery::default() };
    let of_one = wait(weir.client().flows(&query))?;
    ensure!(of_one.flows.len() == 1 && of_one.flows[0].vif == "v1", "{of_one:#?}");
    ensure!(of_one.known == flows.known, "{of_one:#?}");

    // A reset returns exactly what it forgets, and the next packet is in the new recording.
    let past = wait(weir.client().latency(LatencyQuery { reset: true, ..Default::default() }))?;
    let gone = wait(weir.client().flows(&FlowQuery { reset: true, ..Default::default() }))?;
    hold_to(flow(&gone, one, &far)?, Family::V4, one, 300)?;
    ensure!(flow(&weir.flows()?, one, &far).is_err(), "the flow is still known");
    send(one, &far, 50, 300)?;
    let stats = weir.assert_ledger()?;
    let (latency, flows) = (weir.latency()?, weir.flows()?);
    hold_to(flow(&flows, one, &far)?, Family::V4, one, 50)?;
    ensure!(latency.since_unix_ns == past.until_unix_ns, "{latency:#?}");
    let (before, after) = (timed_in_all(&past)?, timed_in_all(&latency)?);
    ensure!(after >= 50 && after < before, "{before} and then {after}");
    let delivered = stats.ledger.delivered;
    ensure!(before + after == delivered, "{before} and then {after} are not {delivered}");
    weir.stop()
}

#[test]
fn every_packet_is_in_one_flow_and_once_in_every_stage() -> Result<()> {
    root_or_skip!();
    everything_adds_up(&WeirSpec::default())
}

#[test]
fn what_two_workers_know_of_a_packet_is_one() -> Result<()> {
    root_or_skip!();
    everything_adds_up(&WeirSpec::default().workers(&[0, 1]))
}

#[test]
fn a_port_that_left_keeps_its_times() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    bed.learn_neighbours()?;
    ping_all(&bed)?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    let sink = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
    send(one, &sink, 100, 0)?;
    let (latency, _) = hold_together(&weir, &bed)?;
    let before = timed(&latency, &one.port)?;
    bed.unplug(0)?;
    weir.wait_port(&one.port, &["gone"])?;
    ensure!(timed(&weir.latency()?, &one.port)? >= before, "it lost some by leaving");
    bed.replug(0)?;
    weir.wait_port(&one.port, &["up"])?;
    ensure!(timed(&weir.latency()?, &one.port)? >= before, "it lost some by returning");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn what_is_switched_off_is_not_measured() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let extra = "[measure]\nlatency = false\nflows = 0\n".to_owned();
    let weir = Weir::start(&bed, &WeirSpec { extra, ..WeirSpec::default() })?;
    ping_all(&bed)?;
    let (latency, flows) = (weir.latency()?, weir.flows()?);
    ensure!(!latency.on && latency.vifs.is_empty(), "{latency:#?}");
    ensure!(flows.capacity == 0 && flows.flows.is_empty(), "{flows:#?}");
    ensure!(flows.sums.is_empty(), "{flows:#?}");
    weir.assert_ledger()?;
    weir.stop()
}
