//! Killed under load with a bridge underneath, restarted two seconds later: measures the loss.

use anyhow::{Result, ensure};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::drive::ping_all;
use system_tests::traffic::{Rate, Sink, Source};
use system_tests::{BedSpec, Weir, WeirSpec, root_or_skip};

const RATE: u64 = 10_000;
const SOON: Duration = Duration::from_secs(10);
/// The bound on lost traffic, over both changes of hands.
const LIMIT_S: f64 = 0.5;

#[test]
fn a_kill_and_a_restart_lose_under_half_a_second() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    ping_all(&bed)?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 0))?;
    let source = Source { rate: Rate::pps(RATE), core: Some(0), ..Source::to(sink.addr()) };
    let sending = source.start(&bed.guest(0)?.ns)?;
    sink.wait_for(RATE, SOON)?;
    weir.kill9()?;
    // Part of the measurement: an operator's supervisor takes its time.
    std::thread::sleep(Duration::from_secs(2));
    let weir = Weir::start_in(&bed, &WeirSpec::bridge(), dir.path())?;
    let so_far = sink.so_far();
    sink.wait_for(so_far + 2 * RATE, SOON)?;
    let sent = sending.stop()?;
    let stats = weir.assert_ledger()?;
    let received = sink.finish()?;
    let lost = sent.datagrams - received.unique;
    let lost_s = lost as f64 / RATE as f64;
    println!(
        "kill -9 and restart: {lost} of {} frames lost = {lost_s:.3} s of traffic; longest gap {:.3} s; {} twice, {} late",
        sent.datagrams,
        received.interarrival.summary().max_ns as f64 / 1e9,
        received.duplicates,
        received.reordered,
    );
    ensure!(lost_s <= LIMIT_S, "{lost_s:.3} s of traffic was lost\n{stats:#?}");
    ensure!(received.duplicates == 0, "{} datagrams came twice", received.duplicates);
    weir.stop()
}
