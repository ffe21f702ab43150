//! A consumer that stands still: what weir has taken on arrives when it goes on, and what it could
//! not take on was refused by name before.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::consumer::Consumer;
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{Pace, Source};
use system_tests::{BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_millis(200);
const RATE: u64 = 100_000;
const PORT: u16 = 9000;
/// Where a packet may be refused before weir's worker sees it. All others are in its flow.
const BEFORE: [&str; 3] = ["shed", "rx_ring_full", "fill_empty"];
/// Where the worker may refuse: before it takes a packet on.
const REFUSALS: [&str; 2] = ["queue_full", "no_frames"];

/// Floods `to` from `from` while it stands still in between, `stops` times.
fn nothing_taken_on_is_lost(weir: &Weir, from: &Guest, to: &Guest, stops: usize) -> Result<()> {
    let watch = Watch::start(to, None, Keep::None, At::Native)?;
    let consumer = Consumer::threaded(to, 0)?;
    let before = weir.assert_ledger()?;
    let held = |stats: &serde_json::Value| {
        let workers = stats["worker"].as_array().map(Vec::as_slice).unwrap_or_default();
        workers.iter().filter_map(|w| w["regimes"]["back_pressured"]["ns"].as_u64()).sum::<u64>()
    };
    let address = to.socket(Family::V4, PORT);
    // Beside the worker: the other core is the consumer's.
    let source = Source { size: 22, pace: Pace::Rate(RATE), core: Some(1), ..Source::to(address) };
    let sending = source.start(&from.ns)?;
    for _ in 0..stops {
        let heard = watch.from(from)?.frames;
        wait_for(SOON, "the flow", || {
            watch.from(from).is_ok_and(|count| count.frames > heard + 2000)
        })?;
        let (early, late) = consumer.stopped(STOP, || {
            std::thread::sleep(STOP / 4);
            let early = watch.from(from)?.frames;
            std::thread::sleep(STOP / 2);
            Ok((early, watch.from(from)?.frames))
        })?;
        ensure!(early == late, "the consumer was not stopped: {early}, then {late} frames");
    }
    let sent = sending.stop()?.frames;
    let after = weir.assert_ledger()?;
    let lost =
        |reason: &str| ledger::lost_under(&after, reason) - ledger::lost_under(&before, reason);
    let before_it: u64 = BEFORE.into_iter().map(lost).sum();
    // The flow alone: what the guests' kernels send of their own accord is flooded to `to`, too.
    let flow = flow(weir, from)?;
    let number = |name: &str| flow[name].as_u64().unwrap_or(0);
    let refused: u64 =
        REFUSALS.into_iter().filter_map(|reason| flow["losses"][reason].as_u64()).sum();
    let (taken, delivered) = (number("frames"), number("delivered"));
    // What the device has taken lies in its ring until the consumer comes to it.
    let arrived = || watch.from(from).map_or(0, |count| count.frames);
    let all = wait_for(SOON, "what was taken", || arrived() >= delivered);
    ensure!(
        all.is_ok()
            && arrived() == delivered
            && taken == delivered + refused
            && sent == taken + before_it,
        "sent {sent}, {before_it} refused before, taken {taken}, refused {refused}, delivered \
         {delivered}, arrived {}\n{flow:#}\n{after:#}",
        arrived()
    );
    ensure!(held(&after) > held(&before), "it was never held up\n{after:#}");
    Ok(())
}

/// What weir counted of the flood.
fn flow(weir: &Weir, from: &Guest) -> Result<serde_json::Value> {
    let flows = weir.measured(&format!("flows?vif={}", from.port))?;
    let all = flows["flows"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut floods = all.iter().filter(|flow| flow["dst_port"] == PORT && flow["proto"] == "udp");
    let flood = floods.next().with_context(|| format!("no flood in {flows:#}"))?;
    ensure!(floods.next().is_none(), "two floods in {flows:#}");
    Ok(flood.clone())
}

#[test]
fn what_was_taken_on_arrives_after_a_stop() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    system_tests::drive::ping_all(&bed)?;
    bed.learn_neighbours()?;
    nothing_taken_on_is_lost(&weir, bed.guest(0)?, bed.guest(1)?, 3)?;
    weir.stop()
}

#[test]
fn others_go_on_while_one_stands_still() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    system_tests::drive::ping_all(&bed)?;
    bed.learn_neighbours()?;
    let (other, up) = (bed.guest(2)?, &bed.uplink);
    let watch = Watch::start(up, None, Keep::None, At::Native)?;
    let to = up.socket(Family::V4, PORT);
    // On the worker's core, too: the other one is held.
    let source = Source { pace: Pace::Rate(1000), core: Some(1), ..Source::to(to) };
    let beside = source.start(&other.ns)?;
    nothing_taken_on_is_lost_beside(&weir, bed.guest(0)?, bed.guest(1)?)?;
    let sent = beside.stop()?.frames;
    wait_for(SOON, "the other flow's last datagram", || {
        watch.from(other).is_ok_and(|count| count.frames == sent)
    })?;
    weir.assert_ledger()?;
    weir.stop()
}

/// One stop under load; only the flow to the stopped consumer may meet a refusal.
fn nothing_taken_on_is_lost_beside(weir: &Weir, from: &Guest, to: &Guest) -> Result<()> {
    let watch = Watch::start(to, None, Keep::None, At::Native)?;
    let consumer = Consumer::threaded(to, 0)?;
    let address = to.socket(Family::V4, PORT);
    let source =
        Source { size: 22, pace: Pace::Rate(20_000), core: Some(1), ..Source::to(address) };
    let sending = source.start(&from.ns)?;
    wait_for(SOON, "the flow", || watch.from(from).is_ok_and(|count| count.frames > 2000))?;
    consumer.stopped(STOP, || Ok(()))?;
    let heard = watch.from(from)?.frames;
    wait_for(SOON, "the flow to go on", || {
        watch.from(from).is_ok_and(|count| count.frames > heard + 1000)
    })?;
    drop(sending);
    let state = weir.port_state(&to.port)?;
    ensure!(state == "up", "{} is {state}", to.port);
    Ok(())
}
