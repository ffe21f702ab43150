//! Names, lengths and rates of flows; and two-way traffic through a real weir: among VMs, and by routers
//! in both families.

use super::*;
use crate::scene::cast::Cast;
use crate::scene::meters::events::Events;
use crate::scene::meters::releases;
use crate::spec::{Peer, Scene};
use anyhow::ensure;
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
    let timeline = Timeline::new(&stage.scene, Instant::now() + Duration::from_secs(1));
    let cast = Cast::of(stage)?;
    let rates = Rates::start(stage, &cast)?;
    let traffic = stage.scene.traffic.iter();
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

fn traffic(text: &str) -> Traffic {
    toml::from_str(text).unwrap()
}

#[test]
fn a_flow_is_called_by_its_traffic_or_its_vm_or_its_sender() {
    let plain = traffic("kind = 'ask'\nfrom = 'uplink'\nto = 'every'");
    let named = Traffic { name: Some("polite".into()), ..plain.clone() };
    assert_eq!(named.flow_name(Some("vm2"), 1), "polite");
    assert_eq!(named.flow_name(Some("vm2"), 2), "vm2");
    assert_eq!(plain.flow_name(Some("vm2"), 1), "vm2");
    assert_eq!(plain.flow_name(None, 1), "uplink");
}

fn flood(words: &str) -> Traffic {
    traffic(&format!("kind = 'flood'\nfrom = 'vm1'\nto = 'uplink'\n{words}"))
}

#[test]
fn frames_have_the_length_that_the_file_gives_them() {
    let length = |words: &str| flood(words).frame_length().ok();
    assert_eq!(length("frame = 64"), Some(64));
    assert_eq!(length("size = 36"), Some(78));
    assert_eq!(length("size = 36\nfamily = 'v6'"), Some(98));
    assert_eq!(length("start = 0"), None);
}

#[test]
fn rates_are_of_each_connection() {
    let traffic = flood("frame = 1250\nmbit = 10\nconnections = 3");
    assert_eq!(traffic.rate(1.0), Rate::Bits { bits_per_s: 10_000_000 });
    assert_eq!(traffic.rate_mbit(), Some(30.0));
    let traffic = flood("frame = 125\npps = 1000");
    assert_eq!((traffic.rate(2.0), traffic.rate_mbit()), (Rate::pps(2000), Some(1.0)));
    let traffic = flood("frame = 125");
    assert_eq!((traffic.rate(1.0), traffic.rate_mbit()), (Rate::Max, None));
}
