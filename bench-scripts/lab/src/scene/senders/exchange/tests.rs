//! Over a bridge: the counts, and the result of a dead path.

use super::*;
use crate::scene::timeline::Timeline;
use crate::stage::Spot;
use anyhow::ensure;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::{Bed, BedSpec, root_or_skip};

fn timeline() -> Result<Timeline> {
    let windows = "{ name = 'one', from = 0.1, to = 0.5 }, { name = 'two', from = 0.5, to = 0.9 }";
    let scene = toml::from_str(&format!("vms = 1\nwindow = [{windows}]"))?;
    Ok(Timeline::new(&scene, Instant::now() + Duration::from_millis(500)))
}

fn bed(vms: u8) -> Result<Bed> {
    let bed = BedSpec::vms(vms).bridge().build()?;
    bed.wait_up()?;
    bed.learn_neighbours()?;
    Ok(bed)
}

fn flow(bed: &Bed, vm: usize) -> Result<Pair<'_>> {
    let guest = bed.guest(vm)?;
    Ok(Pair {
        who: Some(format!("vm{}", guest.number)),
        from: Spot::of(guest, Family::V4),
        to: Spot::of(&bed.uplink, Family::V4),
    })
}

fn traffic(kind: &str, more: &str) -> Result<Traffic> {
    Ok(toml::from_str(&format!("kind = '{kind}'\nfrom = 'every'\nto = 'uplink'\n{more}"))?)
}

fn started(traffic: &Traffic, flows: &[Pair<'_>], timeline: &Timeline) -> Result<Box<Exchange>> {
    start(traffic, flows, timeline.of(traffic)).map(Box::new)
}

fn value(told: &Told, name: &str) -> Result<f64> {
    told.values.get(name).copied().with_context(|| format!("no {name} in {told:#?}"))
}

#[test]
fn every_answer_counts_once_and_in_its_window() -> Result<()> {
    root_or_skip!();
    let bed = bed(2)?;
    let traffic = traffic("ask", "connections = 2\nsize = 512")?;
    let flows = [flow(&bed, 0)?, flow(&bed, 1)?];
    let told = started(&traffic, &flows, &timeline()?)?.finish(&[])?;
    for window in ["one", "two"] {
        let of = |who: &str, what: &str| value(&told, &format!("{window}.{who}.{what}"));
        let rates = of("vm1", "answers_per_s")? + of("vm2", "answers_per_s")?;
        ensure!((rates - of("all", "answers_per_s")?).abs() < 1e-6, "{told:#?}");
        ensure!((of("all", "kbytes_per_s")? - rates / 2.0).abs() < 1e-6, "{told:#?}");
        for who in ["vm1", "vm2", "all"] {
            ensure!(0.0 < of(who, "mean_us")? && of(who, "p50_us")? <= of(who, "p99_us")?);
            ensure!(of(who, "sd_us")? >= 0.0 && of(who, "answers_per_s")? > 0.0);
        }
    }
    ensure!(told.offered.is_empty() && told.notes.is_empty(), "{told:#?}");
    Ok(())
}

#[test]
fn long_records_are_measured_as_they_come() -> Result<()> {
    root_or_skip!();
    let bed = bed(1)?;
    // None of them ends before the traffic does.
    let traffic = traffic("records", "name = 'long'\nsize = 4_000_000_000")?;
    let told = started(&traffic, &[flow(&bed, 0)?], &timeline()?)?.finish(&[])?;
    ensure!(value(&told, "one.long.goodput_mbit")? > 1.0, "{told:#?}");
    let (goodput, records) =
        (value(&told, "two.long.goodput_mbit")?, value(&told, "two.long.records_per_s")?);
    ensure!((goodput - records * 32_000.0).abs() < goodput / 1e6, "{told:#?}");
    ensure!(!told.values.contains_key("one.long.mean_us"), "{told:#?}");
    ensure!(told.notes.contains(&"long had no record acknowledged in `one`".to_owned()));
    Ok(())
}

#[test]
fn records_have_response_times() -> Result<()> {
    root_or_skip!();
    let bed = bed(1)?;
    let traffic = traffic("records", "size = 100")?;
    let told = started(&traffic, &[flow(&bed, 0)?], &timeline()?)?.finish(&[])?;
    for what in ["records_per_s", "mean_us", "p50_us", "p99_us"] {
        ensure!(value(&told, &format!("two.vm1.{what}"))? > 0.0, "{told:#?}");
    }
    let (window, who, mbit) = told.goodput_mbit.last().context("no throughput")?;
    ensure!(window == "two" && who == "vm1" && *mbit > 0.0, "{told:#?}");
    ensure!(!told.values.contains_key("two.vm1.goodput_mbit"), "it would count twice");
    Ok(())
}

#[test]
fn a_dead_path_is_an_error_when_the_traffic_is_over() -> Result<()> {
    root_or_skip!();
    let bed = bed(1)?;
    for kind in ["ask", "records"] {
        let (traffic, timeline) = (traffic(kind, "size = 64")?, timeline()?);
        let running = started(&traffic, &[flow(&bed, 0)?], &timeline)?;
        let guest = bed.guest(0)?;
        guest.ns.ip(&format!("link set {GUEST_IF} down"))?;
        let error = format!("{:#}", running.finish(&[]).unwrap_err());
        ensure!(error.contains("vm1") && error.contains("path is dead"), "{error}");
        ensure!(Instant::now() >= timeline.end, "it waits for its end");
        guest.ns.ip(&format!("link set {GUEST_IF} up"))?;
        bed.learn_neighbours()?;
    }
    Ok(())
}

#[test]
fn what_is_dropped_ends_at_once() -> Result<()> {
    root_or_skip!();
    let bed = bed(1)?;
    let traffic = traffic("ask", "size = 64")?;
    let mut timeline = timeline()?;
    timeline.end += Duration::from_secs(600);
    let running = started(&traffic, &[flow(&bed, 0)?], &timeline)?;
    let began = Instant::now();
    drop(running);
    ensure!(began.elapsed() < Duration::from_secs(60));
    Ok(())
}
