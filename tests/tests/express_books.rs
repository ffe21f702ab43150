//! The books of the express lane: what the gate hands over is in every report, once, beside what
//! workers deliver, and outlives the port's going and coming.

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use system_tests::bed::Family;
use system_tests::drive::{ping_all, udp_exact};
use system_tests::gate::{self, wait_express};
use system_tests::{BedSpec, WeirSpec, ledger, root_or_skip};

fn number(value: &Value, at: &str) -> Result<u64> {
    value.pointer(at).and_then(Value::as_u64).with_context(|| format!("no {at}: {value:#}"))
}

fn sum<'v>(rows: impl IntoIterator<Item = &'v Value>, at: &str) -> Result<u64> {
    rows.into_iter().map(|row| number(row, at)).sum()
}

fn list<'v>(value: &'v Value, name: &str) -> Result<&'v Vec<Value>> {
    value[name].as_array().with_context(|| format!("no {name}: {value:#}"))
}

/// What holds of one answer, whatever was sent.
fn lanes_add_up(stats: &Value) -> Result<()> {
    let ports = list(stats, "ports")?;
    for port in ports {
        for unit in ["frames", "bytes"] {
            let of = |at: &str| number(port, &format!("{at}/{unit}"));
            ensure!(of("/rx")? == of("/lanes/express")? + of("/lanes/scheduled")?, "{port:#}");
            ensure!(of("/passed")? == of("/lanes/bridge")?, "{port:#}");
            let delivered = of("/tx_lanes/express")? + of("/tx_lanes/scheduled")?;
            ensure!(of("/tx")? == delivered, "{port:#}");
        }
    }
    let express = number(stats, "/ledger/express")?;
    ensure!(sum(ports, "/lanes/express/frames")? == express, "not {express}: {stats:#}");
    ensure!(sum(ports, "/tx_lanes/express/frames")? == express, "not {express}: {stats:#}");
    ensure!(sum(ports, "/tx/frames")? == number(stats, "/ledger/delivered")?, "{stats:#}");
    Ok(())
}

/// And while no port has left: what each was sent by every other, and who talked to whom.
fn links_and_flows_add_up(stats: &Value, flows: &Value) -> Result<()> {
    let ports = list(stats, "ports")?;
    let mut links = Vec::new();
    for port in ports {
        links.extend(list(port, "links")?);
    }
    for port in ports {
        let name = &port["name"];
        for unit in ["frames", "bytes"] {
            let sent = links.iter().copied().filter(|link| link["to"] == *name);
            let sent = sum(sent, &format!("/{unit}"))?;
            ensure!(sent == number(port, &format!("/tx/{unit}"))?, "{sent} {unit} to {port:#}");
            let rows = list(flows, "flows")?.iter().chain(list(flows, "sums")?);
            let told = sum(rows.filter(|row| row["vif"] == *name), &format!("/{unit}"))?;
            let rx = number(port, &format!("/rx/{unit}"))?;
            ensure!(told == rx, "{told} of {rx} {unit} are in a flow of {name}: {flows:#}");
        }
        let other = list(flows, "sums")?.iter().filter(|sum| sum["vif"] == *name);
        let express: u64 = other.filter_map(|sum| sum["express"].as_u64()).sum();
        ensure!(express == number(port, "/lanes/express/frames")?, "{flows:#}");
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
    // The second's frames are a worker's, the first's the gate's.
    weir.patch(&json!({ "ports": { "v2": { "lane": "scheduled" } } }))?;
    let before = weir.assert_ledger()?;
    udp_exact(one, &bed.uplink, Family::V4, 300, 500)?;
    udp_exact(two, &bed.uplink, Family::V6, 300, 200)?;
    let stats = weir.assert_ledger()?;
    let rose =
        |port: &str, at: &str| ledger::number(&stats, port, at) - ledger::number(&before, port, at);
    ensure!(rose("v1", "/lanes/express/frames") >= 500, "{stats:#}");
    ensure!(rose("v2", "/lanes/scheduled/frames") >= 200, "{stats:#}");
    lanes_add_up(&stats)?;
    links_and_flows_add_up(&stats, &weir.measured("flows")?)?;
    let text = weir.cli_ok(&bed, "stats --ledger")?;
    ensure!(text.contains(" by the express lane\n") && text.contains("balanced: yes"), "{text}");
    ensure!(weir.cli_ok(&bed, "stats")?.contains("\nLANES "), "no lanes");

    weir.patch(&json!({ "ports": { "v2": { "lane": "auto" } } }))?;
    wait_express(&weir, one, two)?;
    udp_exact(one, two, Family::V4, 300, 100)?;
    let reached = |stats: &Value| ledger::number(stats, "v2", "/tx_lanes/express/frames");
    let before = reached(&weir.assert_ledger()?);
    ensure!(before >= 100, "{before}");
    bed.host.ip("link set v2 nomaster")?;
    weir.wait_port("v2", &["gone", "absent"])?;
    let gone = weir.assert_ledger()?;
    ensure!(reached(&gone) >= before, "{gone:#}");
    lanes_add_up(&gone)?;
    bed.host.ip("link set v2 master br0")?;
    weir.wait_port("v2", &["up"])?;
    wait_express(&weir, one, two)?;
    udp_exact(one, two, Family::V4, 300, 100)?;
    let after = weir.assert_ledger()?;
    ensure!(reached(&after) >= before + 100, "{before} before: {after:#}");
    lanes_add_up(&after)?;
    let said = weir.end_and_listen(Signal::SIGTERM)?;
    let last = said.lines().find(|line| line.contains("stopped: received")).context("no ledger")?;
    ensure!(last.contains(" by the express lane)") && !last.contains("NOT balanced"), "{last}");
    Ok(())
}
