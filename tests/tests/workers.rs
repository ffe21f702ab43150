//! Two workers, each with ports of its own: frames are handed over between them, and the result is the
//! same as with one.

use anyhow::{Context as _, Result, ensure};
use std::time::{Duration, Instant};
use system_tests::bed::{Bed, FAMILIES, Family};
use system_tests::drive::{ping_all, udp_exact};
use system_tests::fair::worst_percent;
use system_tests::observer::{Keep, Watch};
use system_tests::traffic::{Rate, Source, ping, tcp};
use system_tests::{BedSpec, Guest, Weir, WeirSpec, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(10);

/// v1 and the uplink with one worker, v2 and v3 with the other: every path, within a worker and across.
fn divided() -> WeirSpec {
    WeirSpec::default()
        .workers(&[0, 1])
        .port("v1", "worker = 0")
        .port("v2", "worker = 1")
        .port("v3", "worker = 1")
        .port("nic0", "worker = 0")
}

fn everybody(bed: &Bed) -> Vec<&Guest> {
    bed.guests.iter().chain([&bed.uplink]).collect()
}

/// Runs `f` for every ordered pair. Neighbours are known beforehand: otherwise a frame that waits in a
/// guest for an address to be resolved can be overtaken there by one that is sent when it is.
fn all_pairs(bed: &Bed, f: impl Fn(&Guest, &Guest) -> Result<()>) -> Result<()> {
    bed.learn_neighbours()?;
    for from in everybody(bed) {
        for to in everybody(bed).into_iter().filter(|to| to.number != from.number) {
            f(from, to)?;
        }
    }
    Ok(())
}

#[test]
fn everybody_reaches_everybody() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &divided())?;
    ping_all(&bed)?;
    all_pairs(&bed, |from, to| {
        for family in FAMILIES {
            ping(&from.ns, to.addr(family), 2)?;
            for size in [16, 1400] {
                udp_exact(from, to, family, size, 200)?;
            }
        }
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    let workers = stats.worker.len();
    ensure!(workers == 2, "there are {workers} workers\n{stats:#?}");
    for port in ["v1", "v2", "v3", "nic0"] {
        let core = stats.port(port).context("no such port")?.promise.worker;
        let expected = u64::from(port == "v2" || port == "v3");
        ensure!(core == expected, "{port} is with worker {core}\n{stats:#?}");
    }
    weir.stop()
}

#[test]
fn ports_are_divided_where_nothing_is_said() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().workers(&[0, 1]))?;
    ping_all(&bed)?;
    all_pairs(&bed, |from, to| udp_exact(from, to, Family::V4, 200, 100))?;
    let stats = weir.assert_ledger()?;
    let with = |core| stats.ports.iter().filter(|port| port.promise.worker == core).count();
    ensure!(with(0) > 0 && with(1) > 0, "one worker has all ports\n{stats:#?}");
    weir.stop()
}

#[test]
fn tcp_runs_within_a_worker_and_across() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &divided())?;
    ping_all(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    for (from, to) in [(one, two), (two, one), (two, three), (three, &bed.uplink)] {
        for family in FAMILIES {
            let result = tcp(from, to, family, 2, Duration::from_secs(1), &[])?;
            ensure!(result.bytes > 1_000_000, "{} -> {}: {result:?}", from.port, to.port);
        }
    }
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_link_is_shared_by_weight_among_the_ports_of_both() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let spec = WeirSpec::default()
        .workers(&[0, 1])
        .port("v1", "worker = 0\nweight = 3")
        .port("v2", "worker = 1")
        .port("nic0", "worker = 1")
        .uplink_rate("40Mbit");
    let weir = Weir::start(&bed, &spec)?;
    ping_all(&bed)?;
    bed.learn_neighbours()?;
    let watch = Watch::start(&bed.uplink, Keep::None)?;
    let to = bed.uplink.socket(Family::V4, 9000);
    let floods: Vec<_> = bed
        .guests
        .iter()
        .map(|guest| {
            Source { size: 1400, rate: Rate::pps(6000), ..Source::to(to) }.start(&guest.ns)
        })
        .collect::<Result<_>>()?;
    let bytes = || -> Result<Vec<u64>> {
        bed.guests.iter().map(|guest| Ok(watch.from(guest)?.bytes)).collect()
    };
    wait_for(SOON, "both floods to be heard", || {
        bytes().is_ok_and(|all| all.iter().all(|bytes| *bytes > 300_000))
    })?;
    let (start, before) = (Instant::now(), bytes()?);
    std::thread::sleep(Duration::from_secs(2));
    let after = bytes()?;
    let seconds = start.elapsed().as_secs_f64();
    drop(floods);
    let came: Vec<f64> =
        after.iter().zip(&before).map(|(after, before)| (after - before) as f64).collect();
    let sum: f64 = came.iter().sum();
    let worst = worst_percent(&came, &[sum * 0.75, sum * 0.25]);
    ensure!(worst <= 8.0, "{came:?} bytes are {worst:.1} % off 3:1");
    ensure!(sum * 8e-6 / seconds <= 42.0, "{} Mb/s over 40", sum * 8e-6 / seconds);
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn both_stop_under_load() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &divided())?;
    ping_all(&bed)?;
    let _load: Vec<_> = [(0, 1), (1, 0), (2, 0)]
        .into_iter()
        .map(|(from, to)| {
            let to = bed.guest(to)?.socket(Family::V4, 9000);
            Source { rate: Rate::pps(20_000), ..Source::to(to) }.start(&bed.guest(from)?.ns)
        })
        .collect::<Result<_>>()?;
    wait_for(SOON, "the load to flow", || {
        weir.stats().is_ok_and(|stats| Some(stats.ledger.delivered) > Some(2000))
    })?;
    weir.stop()?;
    for port in bed.ports() {
        ensure!(!bed.host.is_attached(&port)?, "{port} has a program still");
    }
    Ok(())
}

#[test]
fn killed_and_started_again_both_work() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &divided(), dir.path())?;
    ping_all(&bed)?;
    weir.kill9()?;
    let weir = Weir::start_in(&bed, &divided(), dir.path())?;
    all_pairs(&bed, |from, to| udp_exact(from, to, Family::V4, 200, 100))?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn ports_come_and_go_at_either() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &divided())?;
    ping_all(&bed)?;
    for index in [0, 1] {
        // Towards it from a port of the other worker, while it goes.
        let to = bed.guest(index)?.socket(Family::V4, 9000);
        let from = bed.guest(if index == 0 { 2 } else { 0 })?;
        let load = Source { rate: Rate::pps(5000), ..Source::to(to) }.start(&from.ns)?;
        let port = bed.guest(index)?.port.clone();
        bed.unplug(index)?;
        weir.wait_port(&port, &["gone"])?;
        drop(load);
        bed.replug(index)?;
        weir.wait_port(&port, &["up"])?;
        system_tests::drive::reachable(bed.guest(index)?, from, SOON)?;
    }
    all_pairs(&bed, |from, to| udp_exact(from, to, Family::V4, 200, 100))?;
    weir.assert_ledger()?;
    weir.stop()
}
