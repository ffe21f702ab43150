//! Two-way traffic through a real weir: among VMs, and by routers in both families.

use super::*;
use crate::scene::cast::Cast;
use crate::scene::meters::events::Events;
use crate::scene::meters::releases;
use crate::scene::timeline::Span;
use crate::spec::{Peer, Scene};
use anyhow::{Context, ensure};
use std::time::{Duration, Instant};
use system_tests::root_or_skip;

fn stage(topology: &str, traffic: &str) -> Result<Stage> {
    let peer: Peer = toml::from_str("name = 'weir'\nkind = 'weir'")?;
    let scene: Scene = toml::from_str(&format!(
        "topology = '{topology}'\nvms = 2\ntraffic = [{traffic}]\n\
         window = [{{ name = 'all', from = 0.1, to = 0.8 }}]"
    ))?;
    Stage::new(&peer, &scene)
}

/// Plays all of the stage's traffic: started one after the other, running together.
fn play(stage: &Stage) -> Result<Vec<Told>> {
    let seconds = |s| Duration::try_from_secs_f64(s).unwrap_or_default();
    let windows: Vec<Span> = stage
        .scene()
        .window
        .iter()
        .map(|window| Span {
            name: window.name.clone(),
            from: seconds(window.from),
            to: seconds(window.to),
        })
        .collect();
    let end = windows.iter().map(|span| span.to).max().context("no windows")?;
    let origin = Instant::now() + Duration::from_secs(1);
    let timeline = Timeline { origin, windows, end, slice: Duration::from_secs(1) };
    let rates = Rates::start(stage, &Cast::of(stage)?)?;
    let traffic = stage.scene().traffic.iter();
    let running: Vec<_> =
        traffic.map(|traffic| start(traffic, stage, &timeline, &rates)).collect::<Result<_>>()?;
    running.into_iter().map(|running| running.finish(&[])).collect()
}

fn value(told: &Told, name: &str) -> Result<f64> {
    told.values.get(name).copied().with_context(|| format!("no {name} in {told:#?}"))
}

#[test]
fn talk_among_vms_is_measured_and_its_events_are_counted() -> Result<()> {
    root_or_skip!();
    let stage = stage(
        "vms",
        "{ kind = 'ask', from = 'every', to = 'uplink', size = 64 },
         { kind = 'records', from = 'uplink', to = 'vm1', name = 'down', size = 20000 },
         { kind = 'probe', from = 'vm1', to = 'vm2', name = 'polite', pps = 500, size = 64, urgent = true }",
    )?;
    let (mut events, notes) = Events::start(&stage)?;
    let before = (events.read()?, releases(&stage)?);
    let told = play(&stage)?;
    let after = (events.read()?, releases(&stage)?);
    let [ask, records, probe] = told.as_slice() else { anyhow::bail!("{told:#?}") };
    for who in ["vm1", "vm2", "all"] {
        ensure!(value(ask, &format!("all.{who}.answers_per_s"))? > 0.0, "{ask:#?}");
    }
    ensure!(value(records, "all.down.goodput_mbit")? > 0.0, "{records:#?}");
    ensure!(value(probe, "all.polite.p99_us")? > 0.0 && value(probe, "all.polite.loss")? < 1.0);
    for name in ["syscalls", "switches", "machine_syscalls", "machine_wakeups"] {
        ensure!(after.0.get(name) > before.0.get(name), "{name}: {before:?} {after:?} {notes:?}");
    }
    let released = |of: &BTreeMap<String, u64>| of.values().sum::<u64>();
    ensure!(released(&after.1) > released(&before.1), "{before:?} {after:?}");
    drop(events);
    stage.finish()
}

#[test]
fn talk_by_routers_bears_their_names() -> Result<()> {
    root_or_skip!();
    let stage = stage(
        "routers",
        "{ kind = 'ask', from = 'uplink', to = 'via-every', family = 'v6', size = 64 },
         { kind = 'records', from = 'uplink', to = 'via2', size = 64 },
         { kind = 'probe', from = 'uplink', to = 'via1', probing = 'round-trip', pps = 500, size = 64 }",
    )?;
    let told = play(&stage)?;
    let [ask, records, probe] = told.as_slice() else { anyhow::bail!("{told:#?}") };
    for who in ["vm1", "vm2", "all"] {
        ensure!(value(ask, &format!("all.{who}.mean_us"))? > 0.0, "{ask:#?}");
    }
    ensure!(value(records, "all.vm2.records_per_s")? > 0.0, "{records:#?}");
    ensure!(value(probe, "all.vm1.p50_us")? > 0.0, "{probe:#?}");
    stage.finish()
}
