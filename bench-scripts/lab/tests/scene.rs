//! Whole cells, played for real and short: every kind of traffic and load that is counted here, and the
//! results. No absolute value is judged, since the machine may be busy.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_lab::cell::{Cell, Outcome, Place};
use weir_lab::scene::play;
use weir_lab::spec::{Peer, Scene};

fn run(kind: &str, scene: &str) -> Result<Outcome> {
    let peer: Peer = toml::from_str(&format!("name = '{kind}'\nkind = '{kind}'"))?;
    let scene: Scene = toml::from_str(scene)?;
    let place = Place {
        experiment: "test".into(),
        peer: kind.into(),
        variant: String::new(),
        x: None,
        repetition: 0,
    };
    let outcome = play(&Cell { place, peer, scene })?;
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{outcome:#?}");
    }
    for (name, value) in &outcome.values {
        ensure!(value.is_finite() && *value >= 0.0, "{name} is {value}");
    }
    Ok(outcome)
}

fn value(outcome: &Outcome, name: &str) -> Result<f64> {
    let names: BTreeSet<&String> = outcome.values.keys().collect();
    outcome.values.get(name).copied().with_context(|| format!("no {name} in {names:?}"))
}

fn came(outcome: &Outcome, name: &str) -> Result<f64> {
    let value = value(outcome, name)?;
    ensure!(value > 0.0, "{name} is 0: {outcome:#?}");
    Ok(value)
}

/// The value for all VMs is the sum of each VM's.
fn sums(outcome: &Outcome, window: &str, vms: u8, what: &str) -> Result<()> {
    let all = came(outcome, &format!("{window}.all.{what}"))?;
    let each: Result<Vec<f64>> =
        (1..=vms).map(|vm| came(outcome, &format!("{window}.vm{vm}.{what}"))).collect();
    let sum: f64 = each?.iter().sum();
    ensure!((sum - all).abs() < all * 1e-6, "{what}: {sum} is not {all}: {outcome:#?}");
    Ok(())
}

fn is_part(outcome: &Outcome, name: &str) -> Result<f64> {
    let value = value(outcome, name)?;
    ensure!((0.0..=1.0).contains(&value), "{name} is {value}");
    Ok(value)
}

#[test]
fn two_floods_share_a_link() -> Result<()> {
    root_or_skip!();
    let outcome = run(
        "weir",
        "vms = 2
        link = 50
        traffic = [
            { kind = 'flood', from = 'vm1', to = 'uplink', frame = 1514, mbit = 60 },
            { kind = 'flood', from = 'vm2', to = 'uplink', frame = 1514, mbit = 30, connections = 2, start = 0.7 },
        ]
        step = [{ at = 1.5, weights = [3, 1] }]
        window = [
            { name = 'alone', from = 0.3, to = 0.7 },
            { name = 'both', from = 0.9, to = 1.5 },
            { name = 'unequal', from = 1.7, to = 2.3 },
        ]
        slice = 0.1",
    )?;
    sums(&outcome, "both", 2, "mbit")?;
    sums(&outcome, "both", 2, "kpps")?;
    sums(&outcome, "both", 2, "offered_mbit")?;
    ensure!(value(&outcome, "alone.vm2.mbit").is_err(), "VM 2 had not begun");
    for name in ["both.vm1.loss", "both.vm2.loss", "both.all.loss", "both.all.jain"] {
        is_part(&outcome, name)?;
    }
    for (name, owed) in [("alone.vm1", 50.0), ("both.vm1", 25.0), ("unequal.vm2", 12.5)] {
        let found = value(&outcome, &format!("{name}.owed_mbit"))?;
        ensure!((found - owed).abs() < 0.1, "{name}: {found} Mb/s are owed");
        let of_owed = value(&outcome, &format!("{name}.of_owed"))?;
        ensure!((0.5..1.5).contains(&of_owed), "{name}: {of_owed} of what is owed: {outcome:#?}");
    }
    let least = came(&outcome, "both.vm1.least")?;
    ensure!(least <= value(&outcome, "both.vm1.most")?, "{outcome:#?}");
    ensure!(value(&outcome, "both.all.link")? < 1.2, "{outcome:#?}");
    ensure!(came(&outcome, "both.cpu.beyond")? <= value(&outcome, "both.cpu.total")?);
    came(&outcome, "both.cpu.us_per_packet")?;
    value(&outcome, "both.cpu.worker")?;
    let points = outcome.series.get("vm1.mbit").context("no series")?;
    ensure!(points.len() == 23 && outcome.series.contains_key("vm2.mbit"), "{points:?}");
    Ok(())
}

#[test]
fn datagrams_go_in_turn_to_every_vm() -> Result<()> {
    root_or_skip!();
    let outcome = run(
        "bridge",
        "vms = 3
        traffic = [{ kind = 'flood', from = 'uplink', to = 'every', frame = 100, family = 'v6' }]
        window = [{ name = 'run', from = 0.2, to = 0.7 }]",
    )?;
    sums(&outcome, "run", 3, "kpps")?;
    let offered = |vm: u8| came(&outcome, &format!("run.vm{vm}.offered_kpps"));
    let (one, three) = (offered(1)?, offered(3)?);
    ensure!((one - three).abs() < one * 0.05, "{one} and {three} are not in turn");
    ensure!(value(&outcome, "run.vm1.owed_mbit").is_err(), "there is no one to owe to");
    ensure!(value(&outcome, "run.cpu.worker").is_err(), "a bridge has no worker");
    Ok(())
}

#[test]
fn live_frames_pass_routers_in_turn() -> Result<()> {
    root_or_skip!();
    let outcome = run(
        "bridge",
        "vms = 2
        topology = 'routers'
        traffic = [{ kind = 'live', from = 'uplink', to = 'via-every', frame = 64, stop = 1.5 }]
        window = [{ name = 'run', from = 0.2, to = 1.4 }, { name = 'after', from = 1.7, to = 1.9 }]",
    )?;
    sums(&outcome, "run", 2, "kpps")?;
    let offered = |vm: u8| came(&outcome, &format!("run.vm{vm}.offered_kpps"));
    let (one, two) = (offered(1)?, offered(2)?);
    ensure!((one - two).abs() < one * 0.01, "{one} and {two} are not in turn");
    is_part(&outcome, "run.all.loss")?;
    ensure!(value(&outcome, "after.vm1.kpps").is_err(), "no sender is left");
    ensure!(value(&outcome, "after.all.kpps")? < 1.0, "it did not stop: {outcome:#?}");
    Ok(())
}

#[test]
fn bulk_tcp_of_either_family_counts_segments_and_payload() -> Result<()> {
    root_or_skip!();
    let outcome = run(
        "weir",
        "vms = 2
        link = 100
        traffic = [
            { kind = 'tcp', from = 'vm1', to = 'uplink', connections = 2 },
            { kind = 'tcp', from = 'uplink', to = 'vm2', family = 'v6', mbit = 80, name = 'inward' },
        ]
        window = [{ name = 'run', from = 0.6, to = 1.6 }]",
    )?;
    sums(&outcome, "run", 2, "mbit")?;
    sums(&outcome, "run", 2, "goodput_mbit")?;
    for who in ["vm1", "vm2"] {
        let (goodput, wire) = (
            value(&outcome, &format!("run.{who}.goodput_mbit"))?,
            value(&outcome, &format!("run.{who}.mbit"))?,
        );
        // The wire has more, by headers and by the contents of queues.
        ensure!((0.5..1.2).contains(&(goodput / wire)), "{goodput} of {wire}: {outcome:#?}");
        let bits = wire / value(&outcome, &format!("run.{who}.kpps"))? / 8.0 * 1000.0;
        ensure!((100.0..1515.0).contains(&bits), "segments of {bits} bytes");
        ensure!(value(&outcome, &format!("run.{who}.loss")).is_err(), "TCP does not offer");
    }
    came(&outcome, "run.inward.goodput_mbit")?;
    value(&outcome, "run.vm1.of_owed")?;
    ensure!(value(&outcome, "run.vm2.of_owed").is_err(), "the link is the other way");
    came(&outcome, "run.cpu.senders")?;
    Ok(())
}

#[test]
fn burner_and_disk_begin_and_end_beside_traffic() -> Result<()> {
    root_or_skip!();
    let outcome = run(
        "weir",
        "vms = 2
        traffic = [{ kind = 'flood', from = 'vm1', to = 'uplink', frame = 500, pps = 1000 }]
        load = [
            { what = 'burn', at = 'vm2', start = 0.5, stop = 1.2, core = 0 },
            { what = 'disk', at = 'host', start = 0.5, stop = 1.2 },
        ]
        window = [{ name = 'before', from = 0.1, to = 0.5 }, { name = 'beside', from = 0.7, to = 1.2 }]",
    )?;
    came(&outcome, "before.cpu.us_per_packet")?;
    ensure!(value(&outcome, "beside.cpu.us_per_packet").is_err(), "the burner's would be in it");
    came(&outcome, "beside.vm1.kpps")?;
    ensure!(value(&outcome, "beside.cpu.total")? > 0.3, "nothing burned: {outcome:#?}");
    Ok(())
}

#[test]
fn what_fails_says_what_it_was() -> Result<()> {
    root_or_skip!();
    let scene = "vms = 1
        traffic = [{ kind = 'flood', from = 'vm1', to = 'vm7', frame = 500 }]
        window = [{ name = 'run', from = 0, to = 0.1 }]";
    let error = run("bridge", scene).err().context("VM 7 was found")?;
    ensure!(format!("{error:#}").contains("vm7"), "{error:#}");
    Ok(())
}
