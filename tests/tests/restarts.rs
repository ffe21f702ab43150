//! The cost of a restart, an upgrade and a stopped process: nothing on an open link, a moment on a
//! contended one.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;
use system_tests::bed::{Family, UPLINK_PORT};
use system_tests::drive::Flow;
use system_tests::gate::{self, SOON, goes_on_by_gate, wait_express};
use system_tests::traffic::{Rate, Sending, Sink, Source};
use system_tests::wait::wait_ok;
use system_tests::weir;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, kept, root_or_skip};
use weir_api::LaneNow;

const RESTARTS: usize = 20;
/// Ten times the allowed cost of a restart: a busy machine may stop everything for as long.
const LONGEST_GAP: Duration = Duration::from_millis(500);

/// The gate takes a worker for gone after half a second without a heartbeat.
const LONGEST_STILL: Duration = Duration::from_millis(1500);

fn spec() -> WeirSpec {
    WeirSpec::bridge().lane("auto")
}

/// One weir in two places.
struct Binaries([PathBuf; 2]);

impl Binaries {
    fn in_turn(dir: &Path) -> Result<Self> {
        let (one, other) = (weir::binary()?, dir.join("weir"));
        std::fs::copy(&one, &other)?;
        Ok(Self([one, other]))
    }

    fn spec(&self, life: usize) -> WeirSpec {
        WeirSpec { binary: self.0.get((life + 1) % 2).cloned(), ..spec() }
    }
}

/// Restarts as a service manager makes them, every other one with a binary in another place: an
/// upgrade.
#[test]
fn twenty_restarts_and_upgrades_on_an_open_link() -> Result<()> {
    root_or_skip!();
    // A source may have some 1000 frames at its worker, where all are held until weir has begun.
    const RATE: u64 = 5_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let binaries = Binaries::in_turn(dir.path())?;
    let mut weir = Weir::start_in(&bed, &spec(), dir.path())?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let links = kept::ids(&bed.host)?;
    let flow = Flow::start_apart(one, two, RATE)?;
    for life in 0..RESTARTS {
        flow.comes(RATE / 20)?;
        let last = weir.end_and_listen(Signal::SIGUSR2)?;
        ensure!(last.contains("+ lost 0 + in flight 0"), "life {life}: {last}");
        flow.comes(RATE / 20)?;
        ensure!(kept::ids(&bed.host)? == links, "life {life}: the links went with weir");
        weir = Weir::start_in(&bed, &binaries.spec(life), dir.path())?;
        ensure!(
            kept::ids(&bed.host)? == links,
            "life {life}: {links:?} before, {:?} after",
            kept::ids(&bed.host)?
        );
        weir.wait_said("adopted the gate")?;
        goes_on_by_gate(&weir, one, RATE / 20)?;
    }
    flow.all_came(two)?;
    let stats = weir.assert_ledger()?;
    ensure!(stats.ledger.lost == 0, "{stats:#?}");
    weir.stop()?;
    ensure!(!kept::is_any(&bed.host), "links are left");
    Ok(())
}

/// Two guests send the uplink a third more than its rate.
fn contend(bed: &Bed, weir: &Weir) -> Result<(Sink, [Sending; 2])> {
    wait_express(weir, bed.guest(0)?, &bed.uplink)?;
    wait_express(weir, bed.guest(1)?, &bed.uplink)?;
    let sink = Sink::start_on(&bed.uplink.ns, bed.uplink.socket(Family::V4, 4000), Some(1))?;
    // Two thirds of the link each.
    let flood = |flow| Source {
        flow,
        size: 1200,
        rate: Rate::pps(3_300),
        core: Some(0),
        ..Source::to(sink.addr())
    };
    let floods = [flood(0).start(&bed.guest(0)?.ns)?, flood(1).start(&bed.guest(1)?.ns)?];
    goes_on_contended(weir, &sink)?;
    Ok((sink, floods))
}

/// Waits until the worker schedules the link, and for frames that it sends.
fn goes_on_contended(weir: &Weir, sink: &Sink) -> Result<()> {
    wait_ok(SOON, "the link to be contended", || {
        let link = weir.link(UPLINK_PORT)?;
        ensure!(link.lane == LaneNow::Scheduled, "{link:?}");
        Ok(())
    })?;
    sink.wait_for(sink.so_far() + 400, SOON)
}

/// Two sources send more than the link takes; without a weir the bridge has it.
#[test]
fn twenty_restarts_and_upgrades_on_a_contended_link() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let binaries = Binaries::in_turn(dir.path())?;
    let spec = |life| WeirSpec { takes_bridge: false, ..binaries.spec(life) }.uplink_rate("50Mbit");
    let mut weir = Weir::start_in(&bed, &spec(0), dir.path())?;
    let (sink, floods) = contend(&bed, &weir)?;
    let links = kept::ids(&bed.host)?;
    for life in 0..RESTARTS {
        weir.stop_with(Signal::SIGUSR2)?;
        weir = Weir::start_in(&bed, &spec(life), dir.path())?;
        ensure!(
            kept::ids(&bed.host)? == links,
            "life {life}: {links:?} before, {:?} after",
            kept::ids(&bed.host)?
        );
        goes_on_contended(&weir, &sink)?;
    }
    for flood in floods {
        flood.stop()?;
    }
    weir.assert_ledger()?;
    let got = sink.finish()?;
    let gap = Duration::from_nanos(got.interarrival.summary().max_ns);
    println!("contended: longest gap {gap:?}, {} late, {} twice", got.reordered, got.duplicates);
    ensure!(gap < LONGEST_GAP && got.duplicates == 0, "{gap:?}, {} twice", got.duplicates);
    weir.stop()
}

/// All of weir is stopped for a while: an open link is not affected; frames that a worker would send to
/// a contended one go by the bridge meanwhile.
#[test]
fn a_process_that_is_stopped_for_a_while() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(4).bridge().build()?;
    let spec = WeirSpec { takes_bridge: false, ..spec() }.uplink_rate("50Mbit");
    let weir = gate::start_with(&bed, &spec)?;
    let (three, four) = (bed.guest(2)?, bed.guest(3)?);
    wait_express(&weir, three, four)?;
    let (sink, floods) = contend(&bed, &weir)?;
    let open = Flow::start(three, four, 10_000)?;
    for _ in 0..3 {
        weir.while_stopped(|| {
            open.comes(10_000)?;
            sink.wait_for(sink.so_far() + 4_000, SOON)
        })?;
        goes_on_contended(&weir, &sink)?;
    }
    let (sent, received) = open.end()?;
    ensure!(sent == received.unique && received.reordered == 0, "{sent} sent: {received:?}");
    for flood in floods {
        flood.stop()?;
    }
    weir.assert_ledger()?;
    let got = sink.finish()?;
    let gap = Duration::from_nanos(got.interarrival.summary().max_ns);
    println!("stood still: longest gap {gap:?}, {} late, {} twice", got.reordered, got.duplicates);
    ensure!(gap < LONGEST_STILL && got.duplicates == 0, "{gap:?}, {} twice", got.duplicates);
    weir.stop()
}
