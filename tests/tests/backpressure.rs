//! A consumer that stands still: every frame arrives, is refused under a reason, or is counted among
//! the drops of the guest's device.

use anyhow::{Context, Result, ensure};
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF};
use system_tests::consumer::Consumer;
use system_tests::observer::{Keep, Watch};
use system_tests::traffic::{Rate, Source};
use system_tests::{BedSpec, Guest, Weir, WeirSpec, gate, ledger, root_or_skip, wait_for};
use weir_api::client::wait;
use weir_api::{FlowQuery, FlowReport, StatsReport};

const SOON: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_millis(200);
const RATE: u64 = 100_000;
const PORT: u16 = 9000;
/// The reasons under which a packet is refused before weir's worker sees it. All other packets are in
/// their flow.
const BEFORE: [&str; 4] = ["shed", "rx_ring_full", "rx_share", "fill_empty"];
/// The reasons under which the worker refuses a packet before it takes it on.
const REFUSALS: [&str; 2] = ["queue_full", "no_frames"];

/// Floods `to` from `from` while `to` stands still now and then, `stops` times.
fn every_frame_is_accounted_for(weir: &Weir, from: &Guest, to: &Guest, stops: usize) -> Result<()> {
    let watch = Watch::start(to, Keep::None)?;
    let consumer = Consumer::threaded(to, 0)?;
    let before = weir.assert_ledger()?;
    let address = to.socket(Family::V4, PORT);
    // The flood runs on the worker's core, since the other one is the consumer's.
    let source = Source { size: 22, rate: Rate::pps(RATE), core: Some(1), ..Source::to(address) };
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
    let sent = sending.stop()?.datagrams;
    let after = weir.assert_ledger()?;
    let lost =
        |reason: &str| ledger::lost_under(&after, reason) - ledger::lost_under(&before, reason);
    let before_it: u64 = BEFORE.into_iter().map(lost).sum();
    // The flow alone: packets that the guests' kernels send by themselves are flooded to `to`, too.
    let flow = flow(weir, from)?;
    let (taken, delivered) = (flow.counts.frames, flow.counts.delivered);
    let refused: u64 =
        REFUSALS.into_iter().filter_map(|reason| flow.counts.losses.get(reason)).sum();
    // Frames that the device has taken lie in its ring until the consumer takes them. A full ring is
    // the device's loss, since a veth without a qdisc gives no back-pressure.
    let arrived = || watch.from(from).map_or(0, |count| count.frames);
    let dropped = |stats: &StatsReport| {
        ledger::number(stats, &to.port, |port| port.counter("device_dropped"))
    };
    let of_device = dropped(&after) - dropped(&before);
    let all = wait_for(SOON, "what was taken", || arrived() + of_device >= delivered);
    ensure!(
        all.is_ok()
            && of_device > 0
            && arrived() + of_device == delivered
            && taken == delivered + refused
            && sent == taken + before_it,
        "sent {sent}, {before_it} refused before, taken {taken}, refused {refused}, delivered \
         {delivered}, dropped by the device {of_device}, arrived {}\n{flow:#?}\n{after:#?}",
        arrived()
    );
    Ok(())
}

/// weir's counts of the flood.
fn flow(weir: &Weir, from: &Guest) -> Result<FlowReport> {
    let query = FlowQuery { vif: Some(from.port.clone()), ..FlowQuery::default() };
    let flows = wait(weir.client().flows(&query))?;
    let is_flood =
        |flow: &&FlowReport| flow.dst_port == Some(u64::from(PORT)) && flow.proto == "udp";
    let mut floods = flows.flows.iter().filter(is_flood);
    let flood = floods.next().with_context(|| format!("no flood in {flows:#?}"))?;
    ensure!(floods.next().is_none(), "two floods in {flows:#?}");
    Ok(flood.clone())
}

#[test]
fn what_a_guest_that_stands_still_does_not_take_is_counted() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    gate::acquaint(&weir, &bed)?;
    bed.learn_neighbours()?;
    // Only the flood meets the full device.
    for guest in bed.everybody() {
        guest.ns.sysctl(&format!("ipv6/conf/{GUEST_IF}/disable_ipv6"), "1")?;
    }
    every_frame_is_accounted_for(&weir, bed.guest(0)?, bed.guest(1)?, 3)?;
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
    let watch = Watch::start(up, Keep::None)?;
    let to = up.socket(Family::V4, PORT);
    // On the worker's core, too: the other one is held.
    let source = Source { rate: Rate::pps(1000), core: Some(1), ..Source::to(to) };
    let beside = source.start(&other.ns)?;
    one_stop(&weir, bed.guest(0)?, bed.guest(1)?)?;
    let sent = beside.stop()?.datagrams;
    wait_for(SOON, "the other flow's last datagram", || {
        watch.from(other).is_ok_and(|count| count.frames == sent)
    })?;
    weir.assert_ledger()?;
    weir.stop()
}

/// One stop under load; only the flow to the stopped consumer may meet a refusal.
fn one_stop(weir: &Weir, from: &Guest, to: &Guest) -> Result<()> {
    let watch = Watch::start(to, Keep::None)?;
    let consumer = Consumer::threaded(to, 0)?;
    let address = to.socket(Family::V4, PORT);
    let source = Source { size: 22, rate: Rate::pps(20_000), core: Some(1), ..Source::to(address) };
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
