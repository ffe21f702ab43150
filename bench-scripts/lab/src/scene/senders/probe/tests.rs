//! Real probes over a bridge.

use super::*;
use crate::scene::timeline::Timeline;
use crate::stage::Spot;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::observer::attach;
use system_tests::{Bed, BedSpec, root_or_skip};
use weir_rig::{Action, Hook, Program};

fn bed() -> Result<Bed> {
    let bed = BedSpec::vms(2).bridge().build()?;
    bed.wait_up()?;
    bed.learn_neighbours()?;
    Ok(bed)
}

fn timeline() -> Result<Timeline> {
    timeline_of("{ name = 'one', from = 0.2, to = 0.9 }, { name = 'two', from = 0.9, to = 1.6 }")
}

fn timeline_of(windows: &str) -> Result<Timeline> {
    let scene = toml::from_str(&format!("vms = 1\nwindow = [{windows}]"))?;
    Ok(Timeline::new(&scene, Instant::now() + Duration::from_millis(500)))
}

fn flow(bed: &Bed, vm: usize, family: Family) -> Result<Pair<'_>> {
    let guest = bed.guest(vm)?;
    Ok(Pair {
        who: Some(format!("vm{}", guest.number)),
        from: Spot::of(guest, family),
        to: Spot::of(&bed.uplink, family),
    })
}

fn run(traffic: &str, flows: &[Pair<'_>]) -> Result<Told> {
    started(traffic, flows)?.finish(&[])
}

fn started(traffic: &str, flows: &[Pair<'_>]) -> Result<Box<Probes>> {
    let traffic: Traffic = toml::from_str(traffic)?;
    Ok(Box::new(start(&traffic, flows, &timeline()?.of(&traffic))?))
}

fn value(told: &Told, name: &str) -> Result<f64> {
    told.values.get(name).copied().with_context(|| format!("no {name} in {told:#?}"))
}

#[test]
fn each_window_has_its_delays_and_what_was_offered() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let flows = [flow(&bed, 0, Family::V4)?, flow(&bed, 1, Family::V4)?];
    let told = run(
        "kind = 'probe'\nfrom = 'every'\nto = 'uplink'\npps = 500\nburst = 0.02\nsize = 64",
        &flows,
    )?;
    for window in ["one", "two"] {
        for who in ["vm1", "vm2"] {
            let of = |what: &str| value(&told, &format!("{window}.{who}.{what}"));
            for what in ["mean_us", "sd_us", "p50_us", "p99_us", "p999_us"] {
                anyhow::ensure!(of(what)? > 0.0, "{what}: {told:#?}");
            }
            anyhow::ensure!(of("jitter_us")? >= 0.0 && of("loss")? == 0.0, "{told:#?}");
            let of = (window.to_owned(), who.to_owned());
            let (frames, bytes) = told.offered.get(&of).context("nothing offered")?;
            anyhow::ensure!(*frames > 0 && *bytes == *frames * 106);
        }
        anyhow::ensure!(told.cpu_s.contains_key(window), "{told:#?}");
    }
    Ok(())
}

#[test]
fn a_round_trip_has_its_own_name_and_any_family() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let text = "kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\nname = 'polite'\nfamily = 'v6'
        probing = 'round-trip'\nurgent = true\nmbit = 1\nsize = 200";
    let told = run(text, &[flow(&bed, 0, Family::V6)?])?;
    for what in ["mean_us", "sd_us", "p50_us", "p99_us"] {
        anyhow::ensure!(value(&told, &format!("two.polite.{what}"))? > 0.0, "{told:#?}");
    }
    anyhow::ensure!(told.offered.keys().all(|(_, who)| who == "vm1"), "{told:#?}");
    Ok(())
}

#[test]
fn on_a_dead_path_all_is_lost() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let drop_all = Program::count(Action::Drop)?;
    let _drain = attach(&bed.uplink.ns, GUEST_IF, drop_all, Hook::Native)?;
    let flows = [flow(&bed, 0, Family::V4)?];
    let probing = |probing: &str| {
        let what = "kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\npps = 100\nsize = 64\n";
        started(&format!("{what}probing = '{probing}'"), &flows)
    };
    for probes in [probing("one-way")?, probing("round-trip")?] {
        let told = probes.finish(&[])?;
        anyhow::ensure!(value(&told, "two.vm1.loss")? == 1.0, "{told:#?}");
        anyhow::ensure!(!told.values.contains_key("two.vm1.p50_us"), "{told:#?}");
    }
    Ok(())
}

#[test]
fn what_is_dropped_ends_at_once() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let traffic: Traffic =
        toml::from_str("kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\npps = 9\nsize = 64")?;
    let timeline = timeline_of("{ name = 'long', from = 0, to = 600 }")?;
    let flows = [flow(&bed, 0, Family::V4)?];
    let probes = start(&traffic, &flows, &timeline.of(&traffic))?;
    let began = Instant::now();
    drop(probes);
    anyhow::ensure!(began.elapsed() < Duration::from_secs(60));
    Ok(())
}

#[test]
fn a_burst_is_what_is_due_in_its_time() {
    let of = |more: &str| {
        let text = format!("kind = 'probe'\nfrom = 'vm1'\nto = 'uplink'\n{more}");
        burst(&toml::from_str(&text).unwrap())
    };
    assert_eq!(of("pps = 1000\nburst = 0.02"), 20);
    assert_eq!(of("pps = 1000\nburst = 0.02\nconnections = 2"), 40);
    assert_eq!(of("pps = 10\nburst = 0.02"), 1);
    assert_eq!(of("pps = 1000"), 1);
}
