//! The books of the express lane: frames that the gate hands over are in every report, once, beside
//! those that workers deliver, and stay counted when the port goes and comes back.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;
use system_tests::bed::Family;
use system_tests::drive::{ping_all, udp_exact};
use system_tests::gate::{self, wait_express};
use system_tests::{BedSpec, WeirSpec, ledger, root_or_skip};
use weir_api::{Amount, FlowsReport, PortReport, StatsReport, Traffic};

fn whole(traffic: &Traffic) -> Amount {
    Amount::new(traffic.frames, traffic.bytes)
}

fn sum(amounts: impl IntoIterator<Item = Amount>) -> Amount {
    amounts.into_iter().fold(Amount::default(), |sum, amount| sum + amount)
}

/// Rules for one answer, whatever was sent.
fn lanes_add_up(stats: &StatsReport) -> Result<()> {
    for port in &stats.ports {
        let (lanes, tx_lanes) = (&port.lanes, &port.tx_lanes);
        ensure!(whole(&port.rx) == lanes.express + lanes.scheduled, "{port:#?}");
        ensure!(whole(&port.passed) == lanes.bridge, "{port:#?}");
        ensure!(whole(&port.tx) == tx_lanes.express + tx_lanes.scheduled, "{port:#?}");
    }
    let frames = |of: fn(&PortReport) -> Amount| sum(stats.ports.iter().map(of)).frames;
    let express = stats.ledger.express;
    ensure!(frames(|port| port.lanes.express) == express, "not {express}: {stats:#?}");
    ensure!(frames(|port| port.tx_lanes.express) == express, "not {express}: {stats:#?}");
    ensure!(frames(|port| whole(&port.tx)) == stats.ledger.delivered, "{stats:#?}");
    Ok(())
}

/// Rules as long as no port has left: the sums by pair and by flow.
fn links_and_flows_add_up(stats: &StatsReport, flows: &FlowsReport) -> Result<()> {
    for port in &stats.ports {
        let name = &port.name;
        let links = stats.ports.iter().flat_map(|port| &port.links).filter(|link| link.to == *name);
        let sent = sum(links.map(|link| Amount::new(link.frames, link.bytes)));
        ensure!(sent == whole(&port.tx), "{sent:?} to {port:#?}");
        let rows = flows.flows.iter().map(|row| (&row.vif, &row.counts));
        let rows = rows.chain(flows.sums.iter().map(|row| (&row.vif, &row.counts)));
        let rows = rows.filter(|(vif, _)| *vif == name);
        let told = sum(rows.map(|(_, counts)| Amount::new(counts.frames, counts.bytes)));
        ensure!(told == whole(&port.rx), "{told:?} of {:?} of {name}: {flows:#?}", port.rx);
        let other = flows.sums.iter().filter(|sum| sum.vif == *name);
        let express: u64 = other.map(|sum| sum.express).sum();
        ensure!(express == port.lanes.express.frames, "{flows:#?}");
    }
    Ok(())
}

#[test]
fn express_frames_are_in_every_report_once_and_a_ports_outlive_its_absence() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    ping_all(&bed)?;
    wait_express(&weir, one, two)?;
    // The second's frames go by a worker, the first's by the gate.
    weir.patch(&json!({ "ports": { "v2": { "lane": "scheduled" } } }))?;
    let before = weir.assert_ledger()?;
    udp_exact(one, &bed.uplink, Family::V4, 300, 500)?;
    udp_exact(two, &bed.uplink, Family::V6, 300, 200)?;
    let stats = weir.assert_ledger()?;
    let rose = |port: &str, of: fn(&PortReport) -> u64| {
        ledger::number(&stats, port, of) - ledger::number(&before, port, of)
    };
    ensure!(rose("v1", |port| port.lanes.express.frames) >= 500, "{stats:#?}");
    ensure!(rose("v2", |port| port.lanes.scheduled.frames) >= 200, "{stats:#?}");
    lanes_add_up(&stats)?;
    links_and_flows_add_up(&stats, &weir.flows()?)?;
    let text = weir.cli_ok(&bed, "stats --ledger")?;
    ensure!(text.contains(" by the express lane\n") && text.contains("balanced: yes"), "{text}");
    ensure!(weir.cli_ok(&bed, "stats")?.contains("\nLANES "), "no lanes");

    weir.patch(&json!({ "ports": { "v2": { "lane": "auto" } } }))?;
    wait_express(&weir, one, two)?;
    udp_exact(one, two, Family::V4, 300, 100)?;
    let reached =
        |stats: &StatsReport| ledger::number(stats, "v2", |port| port.tx_lanes.express.frames);
    let before = reached(&weir.assert_ledger()?);
    ensure!(before >= 100, "{before}");
    bed.host.ip("link set v2 nomaster")?;
    weir.wait_port("v2", &["gone", "absent"])?;
    let gone = weir.assert_ledger()?;
    ensure!(reached(&gone) >= before, "{gone:#?}");
    lanes_add_up(&gone)?;
    bed.host.ip("link set v2 master br0")?;
    weir.wait_port("v2", &["up"])?;
    wait_express(&weir, one, two)?;
    udp_exact(one, two, Family::V4, 300, 100)?;
    let after = weir.assert_ledger()?;
    ensure!(reached(&after) >= before + 100, "{before} before: {after:#?}");
    lanes_add_up(&after)?;
    let said = weir.end_and_listen(Signal::SIGTERM)?;
    let last = said.lines().find(|line| line.contains("stopped: received")).context("no ledger")?;
    ensure!(last.contains(" by the express lane)") && !last.contains("NOT balanced"), "{last}");
    Ok(())
}
