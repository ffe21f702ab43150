//! Two-way traffic in whole cells: its named quantities, and those beside them.

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_lab::cell::{Cell, Outcome, Place};
use weir_lab::scene::play;
use weir_lab::spec::Peer;

fn outcome(kind: &str, scene: &str) -> Result<Outcome> {
    outcome_of(&format!("name = '{kind}'\nkind = '{kind}'"), scene)
}

fn outcome_of(peer: &str, scene: &str) -> Result<Outcome> {
    let peer: Peer = toml::from_str(peer)?;
    let window = "window = [{ name = 'run', from = 0.2, to = 0.9 }]";
    let place = Place {
        experiment: "traffic".to_owned(),
        peer: peer.name.clone(),
        variant: String::new(),
        x: None,
        repetition: 0,
    };
    let scene = toml::from_str(&format!("{scene}\n{window}"))?;
    play(&Cell { place, peer, scene })
}

fn value(outcome: &Outcome, name: &str) -> Result<f64> {
    outcome.values.get(name).copied().with_context(|| format!("no {name} in {outcome:#?}"))
}

fn positive(outcome: &Outcome, names: &[&str]) -> Result<()> {
    for name in names {
        ensure!(value(outcome, &format!("run.{name}"))? > 0.0, "{name}: {outcome:#?}");
    }
    Ok(())
}

#[test]
fn vms_ask_through_weir() -> Result<()> {
    root_or_skip!();
    let ask = "{ name = 'ask', kind = 'ask', from = 'every', to = 'uplink', size = 200 }";
    let outcome = outcome("weir", &format!("vms = 2\ntraffic = [{ask}]"))?;
    positive(&outcome, &["ask.answers_per_s", "ask.kbytes_per_s", "ask.p50_us", "ask.p99_us"])?;
    positive(&outcome, &["vm1.mean_us", "vm2.mean_us", "vm1.kpps", "vm2.kpps"])?;
    positive(&outcome, &["events.syscalls", "events.switches", "events.machine_syscalls"])?;
    let asked =
        value(&outcome, "run.vm1.answers_per_s")? + value(&outcome, "run.vm2.answers_per_s")?;
    ensure!((asked - value(&outcome, "run.ask.answers_per_s")?).abs() < 1e-6);
    let released =
        |(name, part): (&String, &f64)| name.contains(".weir.released_").then_some(*part);
    let all: f64 = outcome.values.iter().filter_map(released).sum();
    ensure!((all - 1.0).abs() < 1e-6, "{outcome:#?}");
    Ok(())
}

#[test]
fn records_pass_a_bridge() -> Result<()> {
    root_or_skip!();
    let records =
        "{ name = 'records', kind = 'records', from = 'vm1', to = 'uplink', size = 5000 }";
    let outcome = outcome("bridge", &format!("vms = 1\ntraffic = [{records}]"))?;
    positive(&outcome, &["records.goodput_mbit", "records.records_per_s", "records.mean_us"])?;
    // No process forwards: events are the machine's.
    positive(&outcome, &["vm1.mbit", "events.switches", "events.machine_switches"])?;
    let events = |name| value(&outcome, &format!("run.events.{name}"));
    ensure!(events("switches")? == events("machine_switches")?, "{outcome:#?}");
    ensure!(!outcome.values.keys().any(|name| name.contains("released")), "{outcome:#?}");
    Ok(())
}

#[test]
fn a_probe_beside_a_flood_is_timed_by_its_own_name() -> Result<()> {
    root_or_skip!();
    let outcome = outcome(
        "weir",
        "vms = 2
         traffic = [
             { kind = 'flood', from = 'vm1', to = 'uplink', frame = 1514, pps = 2000 },
             { name = 'polite', kind = 'probe', from = 'vm2', to = 'uplink', size = 64, pps = 500, urgent = true },
         ]",
    )?;
    positive(&outcome, &["polite.mean_us", "polite.sd_us", "polite.p99_us", "vm2.offered_kpps"])?;
    ensure!(value(&outcome, "run.polite.loss")? < 1.0, "{outcome:#?}");
    Ok(())
}

/// The results of `peers` with the same flood, counted at a hook through which all ways into a guest
/// lead.
#[test]
fn floods_and_timed_datagrams_are_counted_at_tcx_over_every_peer() -> Result<()> {
    root_or_skip!();
    for kind in ["weir", "bridge", "redirect", "direct", "sender"] {
        let flood = "{ kind = 'flood', from = 'vm1', to = 'uplink', frame = 64, pps = 5000 }";
        let outcome = outcome(kind, &format!("vms = 1\ncount = 'tcx'\ntraffic = [{flood}]"))?;
        positive(&outcome, &["vm1.kpps", "vm1.mbit", "cpu.busy_us_per_packet"])?;
        let (came, sent) =
            (value(&outcome, "run.vm1.kpps")?, value(&outcome, "run.vm1.offered_kpps")?);
        ensure!((came - sent).abs() < sent * 0.2, "{kind}: {came} of {sent}");
        let each = value(&outcome, "run.vm1.mbit")? * 1000.0 / 8.0 / came;
        ensure!((each - 64.0).abs() < 0.1, "{kind}: frames of {each} bytes");
        let of_weir = ["cpu.process", "cpu.process_us_per_packet"];
        ensure!(
            of_weir.map(|name| value(&outcome, &format!("run.{name}")).is_ok())
                == [kind == "weir"; 2]
        );
    }
    for kind in ["weir", "bridge", "direct"] {
        let timed =
            "{ name = 'it', kind = 'timed', from = 'vm1', to = 'uplink', frame = 64, pps = 2000 }";
        let outcome = outcome(kind, &format!("vms = 1\ncount = 'tcx'\ntraffic = [{timed}]"))?;
        positive(&outcome, &["it.p50_us", "it.p99_us", "it.kpps", "it.offered_kpps"])?;
        ensure!(
            value(&outcome, "run.it.p50_us")? <= value(&outcome, "run.it.p99_us")?,
            "{outcome:#?}"
        );
        ensure!(value(&outcome, "run.it.loss")? < 0.2, "{outcome:#?}");
    }
    Ok(())
}

#[test]
fn superframes_go_by_tcx_in_one_piece_and_without_offloads_there_are_none() -> Result<()> {
    root_or_skip!();
    for offloads in [true, false] {
        let tcp = "{ kind = 'tcp', from = 'vm1', to = 'vm2', connections = 2, mbit = 50 }";
        let scene = format!("vms = 2\ncount = 'tcx'\noffloads = {offloads}\ntraffic = [{tcp}]");
        let outcome = outcome("weir", &scene)?;
        positive(&outcome, &["vm1.goodput_mbit", "vm1.mbit", "vm1.kpps"])?;
        let each =
            value(&outcome, "run.vm1.mbit")? / value(&outcome, "run.vm1.kpps")? / 8.0 * 1000.0;
        ensure!((100.0..1515.0).contains(&each), "segments of {each} bytes");
    }
    Ok(())
}

#[test]
fn without_offloads_xdp_redirect_carries_tcp() -> Result<()> {
    root_or_skip!();
    let tcp = "{ kind = 'tcp', from = 'vm1', to = 'uplink', mbit = 50 }";
    let scene = format!("vms = 1\ncount = 'tcx'\noffloads = false\ntraffic = [{tcp}]");
    positive(&outcome("redirect", &scene)?, &["vm1.goodput_mbit", "vm1.mbit"])
}

#[test]
fn one_byte_is_asked_and_answered() -> Result<()> {
    root_or_skip!();
    let ask = "{ kind = 'ask', from = 'vm1', to = 'uplink', size = 1 }";
    for kind in ["weir", "bridge", "direct"] {
        let outcome = outcome(kind, &format!("vms = 1\ncount = 'tcx'\ntraffic = [{ask}]"))?;
        positive(&outcome, &["vm1.answers_per_s", "vm1.p99_us"])?;
    }
    Ok(())
}

#[test]
fn live_frames_of_many_flows_pass_a_bare_loop_and_a_weir_that_measures_or_not() -> Result<()> {
    root_or_skip!();
    let scene = |flows: u32| {
        let live = "kind = 'live', from = 'vm1', to = 'uplink', frame = 64";
        format!("vms = 1\ntraffic = [{{ {live}, flows = {flows} }}]")
    };
    positive(&outcome("bare", &scene(1))?, &["vm1.kpps", "vm1.offered_kpps"])?;
    let weir = "name = 'weir'\nkind = 'weir'\nmode = 'native'\nidle = 'spin'\nlane = 'scheduled'";
    for config in ["", "config.measure = { latency = false, flows = 0 }"] {
        let outcome = outcome_of(&format!("{weir}\n{config}"), &scene(1000))?;
        positive(&outcome, &["vm1.kpps", "vm1.offered_kpps", "cpu.process"])?;
    }
    Ok(())
}
