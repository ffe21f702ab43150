//! The express lane: frames that nothing schedules stay in the kernel, and in either lane a frame
//! arrives once and in order.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use system_tests::bed::{FAMILIES, Family};
use system_tests::drive::{everybody_talks, largest_frames, ping_all};
use system_tests::gate::{self, SOON, wait_express};
use system_tests::traffic::{Rate, Sink, Source, ping, unique};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, ledger, root_or_skip};
use weir_api::{LaneNow, StatsReport};

/// weir on the bed's bridge, which chooses the lanes by itself.
fn start(bed: &Bed) -> Result<Weir> {
    gate::start_with(bed, &WeirSpec::bridge().lane("auto"))
}

fn set_lane(weir: &Weir, port: &str, lane: &str) -> Result<()> {
    weir.patch(&json!({ "ports": { port: { "lane": lane } } })).map(drop)
}

fn express(stats: &StatsReport) -> u64 {
    stats.ledger.express
}

#[test]
fn what_nothing_schedules_stays_in_the_kernel() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    wait_express(&weir, one, &bed.uplink)?;
    for (from, to) in [(one, two), (one, &bed.uplink), (&bed.uplink, two)] {
        for family in FAMILIES {
            let before = express(&weir.assert_ledger()?);
            let sink = Sink::start(&to.ns, to.socket(family, 4000))?;
            // What waits for a neighbour's answer is sent from where the answer arrives.
            ping(&from.ns, to.addr(family), 1)?;
            let (rate, core) = (Rate::pps(20_000), Some(0));
            let source = Source { count: 5000, rate, core, ..Source::to(sink.addr()) };
            let sent = source.send(&from.ns)?;
            sink.wait_for(sent.datagrams, SOON)?;
            let got = sink.finish()?;
            ensure!((got.datagrams, got.duplicates, got.reordered) == (5000, 0, 0), "{got:?}");
            let stats = weir.assert_ledger()?;
            ensure!(express(&stats) - before >= 5000, "{stats:#?}");
        }
    }
    ping_all(&bed)?;
    everybody_talks(&bed)?;
    largest_frames(&bed)?;
    let stats = weir.assert_ledger()?;
    ensure!(stats.ledger.lost == 0, "{stats:#?}");
    let (all, express) = (stats.ledger.delivered, express(&stats));
    ensure!(10 * express > 9 * all, "{express} of {all}");
    weir.stop()
}

/// Counts of a test's flow, and messages that must not be logged.
fn flow_while(
    weir: &Weir,
    (from, to): (&Guest, &Guest),
    rate: u64,
    mut disturb: impl FnMut(u64) -> Result<()>,
) -> Result<()> {
    let sink = Sink::start_on(&to.ns, to.socket(Family::V4, 4000), Some(1))?;
    let source = Source { rate: Rate::pps(rate), core: Some(0), ..Source::to(sink.addr()) };
    let sending = source.start(&from.ns)?;
    let until = Instant::now() + Duration::from_secs(5);
    let mut round = 0;
    // On a busy machine a round takes longer.
    while Instant::now() < until || round <= 10 {
        disturb(round)?;
        round += 1;
    }
    let sent = sending.stop()?;
    // A worker that does not get its core loses frames without room, under a reason; nothing else is
    // lost.
    let lost = || Ok::<_, anyhow::Error>(weir.stats()?.ledger.lost);
    let what = format!("{round} rounds, {sent:?} to have come");
    let came = wait_ok(SOON, &what, || {
        let (came, lost) = (sink.so_far(), lost()?);
        ensure!(came + lost == sent.datagrams, "{came} came, {lost} were lost");
        Ok(())
    });
    let got = sink.finish()?;
    let stats = weir.assert_ledger()?;
    came.with_context(|| format!("{stats:#?}"))?;
    let (twice, late) = (got.duplicates, got.reordered);
    ensure!((twice, late) == (0, 0), "{round} rounds: {twice} twice, {late} late\n{stats:#?}");
    Ok(())
}

#[test]
fn no_frame_overtakes_another_when_the_lane_is_changed() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let before = weir.stats()?;
    flow_while(&weir, (one, two), 5_000, |round| {
        set_lane(&weir, &one.port, if round % 2 == 0 { "scheduled" } else { "auto" })
    })?;
    let after = weir.stats()?;
    let scheduled = |stats: &StatsReport| stats.ledger.delivered - express(stats);
    ensure!(express(&after) > express(&before) + 1000, "{after:#?}");
    ensure!(scheduled(&after) > scheduled(&before) + 1000, "{after:#?}");
    weir.stop()
}

/// The bridge repeatedly forgets a station, floods the frames for it, and learns it again.
#[test]
fn no_frame_overtakes_another_when_the_bridge_learns() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, two)?;
    let count = |of: fn(&StatsReport) -> u64| Ok::<_, anyhow::Error>(of(&weir.stats()?));
    let passed = |stats: &StatsReport| stats.ledger.passed;
    let forget = format!("fdb del {} dev {} master", two.mac_text(), two.port);
    let mut forgotten = 0;
    flow_while(&weir, (one, two), 5_000, |_| {
        // The guest may send something by itself, and is learned at once.
        loop {
            let before = count(express)?;
            wait_ok(SOON, "the express lane", || {
                ensure!(count(express)? > before + 10);
                Ok(())
            })?;
            let before = (count(passed)?, count(express)?);
            bed.host.bridge(&forget)?;
            let mut is_flooded = false;
            wait_ok(SOON, "the bridge", || {
                is_flooded = count(passed)? > before.0 + 10;
                ensure!(is_flooded || count(express)? > before.1 + 1000);
                Ok(())
            })?;
            if is_flooded {
                break;
            }
        }
        ping(&two.ns, one.addr(Family::V4), 1)?;
        forgotten += 1;
        Ok(())
    })?;
    ensure!(forgotten > 10, "forgotten {forgotten} times");
    weir.stop()
}

/// A guest that has the link's rate to itself is left to the gate; two that want more than the link are
/// scheduled, and afterwards the link is the gate's again.
#[test]
fn a_link_with_a_rate_is_scheduled_while_somebody_has_to_wait() -> Result<()> {
    root_or_skip!();
    const RATE: u64 = 20_000_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    weir.patch(&json!({ "ports": { bed.uplink.port.clone(): { "rate": "20Mbit" } } }))?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_express(&weir, one, &bed.uplink)?;
    wait_express(&weir, two, &bed.uplink)?;
    let link = || weir.link(&bed.uplink.port);
    let is = |lane: LaneNow| {
        wait_ok(SOON, &format!("the link to be {lane}"), || {
            let link = link()?;
            ensure!(link.lane == lane, "{link:?}");
            Ok(())
        })
    };
    is(LaneNow::Express)?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 4000))?;
    let flow =
        |flow, rate| Source { flow, size: 1200, rate: Rate::pps(rate), ..Source::to(sink.addr()) };
    // A tenth of the link.
    let before = express(&weir.stats()?);
    let light = Source { count: 500, ..flow(1, 200) }.send(&one.ns)?;
    wait_ok(SOON, "the light flow", || {
        ensure!(sink.so_far() >= light.datagrams);
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    ensure!(express(&stats) - before >= light.datagrams * 9 / 10, "{stats:#?}");
    // Together three times the link's rate.
    let start = Instant::now();
    let floods = [flow(2, 3_000).start(&one.ns)?, flow(3, 3_000).start(&two.ns)?];
    is(LaneNow::Scheduled)?;
    let so_far = sink.so_far();
    wait_ok(SOON, "the link to be full for a while", || {
        ensure!(sink.so_far() > so_far + 2_000, "{}", sink.so_far());
        ensure!(link()?.lane == LaneNow::Scheduled, "{:?}", link()?);
        Ok(())
    })?;
    for flood in floods {
        flood.stop()?;
    }
    wait_ok(SOON, "the queues to drain", || {
        let stats = weir.stats()?;
        let queued = ledger::number(&stats, &bed.uplink.port, |port| port.queued.packets);
        ensure!(queued == 0, "{queued}");
        Ok(())
    })?;
    let took = start.elapsed();
    is(LaneNow::Express)?;
    let got = sink.finish()?;
    let of = |flow| unique(&got, flow);
    let (a, b) = (of(2), of(3));
    // The first has the link to itself until the second has begun.
    ensure!(a.abs_diff(b) * 20 < a + b, "equal weights: {a} and {b}");
    ensure!((got.duplicates, got.reordered) == (0, 0), "{got:?}");
    // With headers, over the whole time: the rate, plus ten milliseconds ahead of it.
    let bits = (a + b) * (1200 + 42) * 8;
    let may = RATE as f64 * (took.as_secs_f64() + 0.010);
    ensure!((bits as f64) < may, "{bits} bits in {took:?}");
    let stats = weir.assert_ledger()?;
    ensure!(link()?.closings > 0, "{stats:#?}");
    weir.stop()
}

/// A guest that keeps to its own rate is left to the gate; one that wants more gets its rate from a
/// worker, and returns to the gate when it wants less.
#[test]
fn a_source_with_a_rate_is_scheduled_while_it_has_to_wait() -> Result<()> {
    root_or_skip!();
    const RATE: u64 = 20_000_000;
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let rate = json!({ "max-rate": "20Mbit", "burst": "16KiB" });
    weir.patch(&json!({ "ports": { one.port.clone(): rate } }))?;
    wait_express(&weir, one, two)?;
    let sink = Sink::start(&two.ns, two.socket(Family::V4, 4000))?;
    let flow = |flow, pps, count| Source {
        flow,
        size: 1200,
        rate: Rate::pps(pps),
        count,
        ..Source::to(sink.addr())
    };
    // A tenth of its rate.
    let before = express(&weir.stats()?);
    let light = flow(1, 200, 500).send(&one.ns)?;
    wait_ok(SOON, "the light flow", || {
        ensure!(sink.so_far() >= light.datagrams);
        Ok(())
    })?;
    let stats = weir.assert_ledger()?;
    ensure!(express(&stats) - before >= light.datagrams * 9 / 10, "{stats:#?}");
    // Three times its rate.
    let (start, before) = (Instant::now(), sink.so_far());
    let flood = flow(2, 6_000, u64::MAX).start(&one.ns)?;
    wait_ok(SOON, "the flood", || {
        ensure!(sink.so_far() > before + 4_000, "{}", sink.so_far());
        Ok(())
    })?;
    flood.stop()?;
    wait_ok(SOON, "the queue to drain", || {
        let queued = ledger::number(&weir.stats()?, &two.port, |port| port.queued.packets);
        ensure!(queued == 0, "{queued}");
        Ok(())
    })?;
    let took = start.elapsed();
    wait_express(&weir, one, two)?;
    let got = sink.finish()?;
    ensure!((got.duplicates, got.reordered) == (0, 0), "{got:?}");
    // With headers: the rate, and the burst in either lane.
    let bits = unique(&got, 2) * (1200 + 42) * 8;
    let may = RATE as f64 * took.as_secs_f64() + 2.0 * 16.0 * 1024.0 * 8.0;
    ensure!((bits as f64) < may, "{bits} bits in {took:?}");
    // What a busy machine did not send in time is not made up for.
    ensure!(bits as f64 > 0.5 * may, "{bits} bits in {took:?}");
    weir.assert_ledger()?;
    weir.stop()
}
