//! Traffic that talks, in whole cells: what is named by it, and what is beside it.

use anyhow::{Context, Result, ensure};
use system_tests::root_or_skip;
use weir_lab::cell::{Cell, Outcome, Place};
use weir_lab::scene::play;
use weir_lab::spec::Peer;

fn outcome(kind: &str, scene: &str) -> Result<Outcome> {
    let peer: Peer = toml::from_str(&format!("name = '{kind}'\nkind = '{kind}'"))?;
    let window = "window = [{ name = 'run', from = 0.2, to = 0.9 }]";
    let place = Place {
        experiment: "traffic".to_owned(),
        peer: peer.name.clone(),
        variant: String::new(),
        x: None,
        repetition: 0,
    };
    play(&Cell { place, scene: toml::from_str(&format!("{scene}\n{window}"))? }, &peer)
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
             { kind = 'flood', from = 'vm1', to = 'uplink', pps = 2000 },
             { name = 'polite', kind = 'probe', from = 'vm2', to = 'uplink', pps = 500, urgent = true },
         ]",
    )?;
    positive(&outcome, &["polite.mean_us", "polite.sd_us", "polite.p99_us", "vm2.offered_kpps"])?;
    ensure!(value(&outcome, "run.polite.loss")? < 1.0, "{outcome:#?}");
    Ok(())
}
