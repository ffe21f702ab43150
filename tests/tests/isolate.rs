//! Shares of a contended link, by bytes counted at their receiver, and changes of the shares under
//! load.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::{Duration, Instant};
use system_tests::bed::{Bed, Family};
use system_tests::fair::{Sender, rates, worst_percent};
use system_tests::observer::{Keep, Watch};

use system_tests::traffic::{Rate, Sending, Sink, Source};
use system_tests::{BedSpec, Weir, WeirSpec, gate, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(10);
/// Long compared with a queue, so that the ends of a window do not matter.
const WINDOW: Duration = Duration::from_secs(2);
const FLOOD: Rate = Rate::pps(8000);

/// Every guest offers about 90 Mb/s to the uplink host.
fn flood_all(bed: &Bed) -> Result<Vec<Sending>> {
    let to = bed.uplink.socket(Family::V4, 9000);
    let flood = |guest: &system_tests::Guest| {
        Source { size: 1400, rate: FLOOD, ..Source::to(to) }.start(&guest.ns)
    };
    bed.guests.iter().map(flood).collect()
}

/// Starts weir on all ports. The bridge has learned all addresses before a flood begins: a flood for an
/// unknown address goes by no link's queue.
fn start(bed: &Bed, spec: &WeirSpec) -> Result<Weir> {
    let weir = Weir::start(bed, spec)?;
    gate::acquaint(&weir, bed)?;
    bed.learn_neighbours()?;
    Ok(weir)
}

/// Bytes from each guest so far.
fn bytes(bed: &Bed, watch: &Watch) -> Result<Vec<u64>> {
    bed.guests.iter().map(|guest| Ok(watch.from(guest)?.bytes)).collect()
}

/// Each guest's rate in Mb/s in a window that begins when frames of all of them arrive.
fn measured(bed: &Bed, watch: &Watch) -> Result<Vec<f64>> {
    wait_for(SOON, "everybody's flood to be heard", || {
        bytes(bed, watch).is_ok_and(|all| all.iter().all(|bytes| *bytes > 300_000))
    })?;
    let (start, before) = (Instant::now(), bytes(bed, watch)?);
    std::thread::sleep(WINDOW);
    let (after, seconds) = (bytes(bed, watch)?, start.elapsed().as_secs_f64());
    let mbit = |(after, before): (&u64, &u64)| (after - before) as f64 * 8e-6 / seconds;
    Ok(after.iter().zip(&before).map(mbit).collect())
}

/// Checks what each sender is owed, as parts of the arrivals. A busy machine may leave the link
/// unfilled, which is not judged; only its upper bound is.
fn assert_shares(measured: &[f64], link: f64, senders: &[Sender], percent: f64) -> Result<()> {
    let sum: f64 = measured.iter().sum();
    let owed: Vec<f64> = rates(link, senders).iter().map(|rate| rate / link * sum).collect();
    let worst = worst_percent(measured, &owed);
    ensure!(worst <= percent, "{measured:?} is {worst:.1} % off {owed:?} (Mb/s)");
    ensure!(sum <= link * 1.05, "{sum} Mb/s came over a link of {link}");
    Ok(())
}

#[test]
fn two_floods_share_a_link_by_their_weights() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let spec = WeirSpec::default().uplink_rate("50Mbit").port("v2", "weight = 3");
    let weir = start(&bed, &spec)?;
    let watch = Watch::start(&bed.uplink, Keep::None)?;
    let floods = flood_all(&bed)?;
    let measured = measured(&bed, &watch)?;
    drop(floods);
    assert_shares(&measured, 50.0, &[1.0, 3.0].map(Sender::greedy), 5.0)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_minimum_rate_goes_before_weights() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).build()?;
    let spec = WeirSpec::default()
        .uplink_rate("60Mbit")
        .port("v1", "weight = 5")
        .port("v2", "weight = 5")
        .port("v3", "min-rate = \"30Mbit\"");
    let weir = start(&bed, &spec)?;
    let watch = Watch::start(&bed.uplink, Keep::None)?;
    let floods = flood_all(&bed)?;
    let measured = measured(&bed, &watch)?;
    drop(floods);
    let [five, one] = [5.0, 1.0].map(Sender::greedy);
    assert_shares(&measured, 60.0, &[five, five, Sender { min: 30.0, ..one }], 5.0)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_maximum_rate_is_kept_on_a_link_without_a_rate() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &WeirSpec::default().port("v1", "max-rate = \"20Mbit\""))?;
    let watch = Watch::start(&bed.uplink, Keep::None)?;
    let floods = flood_all(&bed)?;
    let measured = measured(&bed, &watch)?;
    drop(floods);
    let [capped, free] = *measured else { anyhow::bail!("{measured:?}") };
    // The burst of 64 KiB is included.
    ensure!(capped <= 20.0 * 1.05 && capped < free, "{measured:?} Mb/s");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn other_weights_hold_from_then_on() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &WeirSpec::default().uplink_rate("50Mbit"))?;
    let watch = Watch::start(&bed.uplink, Keep::None)?;
    let floods = flood_all(&bed)?;
    for weights in [[1, 1], [4, 1], [1, 8]] {
        let [one, two] = weights;
        weir.patch(&json!({"ports": {"v1": {"weight": one}, "v2": {"weight": two}}}))?;
        let senders = weights.map(|weight| Sender::greedy(f64::from(weight)));
        assert_shares(&measured(&bed, &watch)?, 50.0, &senders, 5.0)
            .with_context(|| format!("weights {weights:?}"))?;
    }
    drop(floods);
    weir.assert_ledger()?;
    weir.stop()
}

/// A flow of 0.8 Mb/s, below any share it is given, beside a flood on 50 Mb/s, while `change` makes
/// changes: every datagram of it arrives, in order.
fn a_light_flow_notices_nothing(
    spec: &WeirSpec,
    change: impl Fn(&Bed, &Weir, u32) -> Result<()>,
) -> Result<()> {
    let bed = BedSpec::vms(2).build()?;
    let weir = start(&bed, &spec.clone().uplink_rate("50Mbit"))?;
    let (light, heavy) = (bed.guest(0)?, bed.guest(1)?);
    let watch = Watch::start(&bed.uplink, Keep::Only(light.number))?;
    let sink = Sink::start(&bed.uplink.ns, bed.uplink.socket(Family::V4, 0))?;
    let to = bed.uplink.socket(Family::V4, 9000);
    let flood = Source { size: 1400, rate: FLOOD, ..Source::to(to) }.start(&heavy.ns)?;
    let came = || watch.from(heavy).is_ok_and(|count| count.frames > 100);
    wait_for(SOON, "the flood to be heard", came)?;
    let source = Source { size: 450, rate: Rate::pps(200), ..Source::to(sink.addr()) };
    let sending = source.start(&light.ns)?;
    for step in 0..20 {
        let so_far = sink.so_far();
        change(&bed, &weir, step).with_context(|| format!("weir said:\n{}", weir.said()))?;
        sink.wait_for(so_far + 10, SOON)?;
    }
    let sent = sending.stop()?;
    sink.wait_for(sent.datagrams, SOON).with_context(|| format!("of {}", sent.datagrams))?;
    let received = sink.finish()?;
    drop(flood);
    let in_order = received.duplicates == 0 && received.reordered == 0;
    ensure!(
        received.unique == sent.datagrams && in_order,
        "of {} came {}, {} twice, {} late",
        sent.datagrams,
        received.unique,
        received.duplicates,
        received.reordered
    );
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn re_weighting_by_patch_loses_and_reorders_nothing() -> Result<()> {
    root_or_skip!();
    a_light_flow_notices_nothing(&WeirSpec::default(), |_, weir, step| {
        let (one, two) = (1 + step % 7, 30 - step);
        weir.patch(&json!({"ports": {"v1": {"weight": one}, "v2": {"weight": two}}})).map(drop)
    })
}

#[test]
fn re_weighting_by_command_loses_and_reorders_nothing() -> Result<()> {
    root_or_skip!();
    a_light_flow_notices_nothing(&WeirSpec::default(), |bed, weir, step| {
        let words = match step % 4 {
            0 => "port set v1 --weight 7 --min-rate 5Mbit",
            1 => "port set v2 --weight 30 --max-rate 30Mbit",
            2 => "port set v1 --weight 2 --min-rate none",
            _ => "port set v2 --max-rate none --queue 256KiB",
        };
        weir.cli_ok(bed, words).map(drop)
    })
}

#[test]
fn another_link_rate_loses_and_reorders_nothing() -> Result<()> {
    root_or_skip!();
    a_light_flow_notices_nothing(&WeirSpec::default(), |bed, weir, step| {
        let rate = ["20Mbit", "80Mbit", "40Mbit", "50Mbit"].into_iter().cycle().nth(step as usize);
        weir.cli_ok(bed, &format!("port set nic0 --rate {}", rate.context("a rate")?)).map(drop)
    })
}

#[test]
fn another_policy_loses_and_reorders_nothing() -> Result<()> {
    root_or_skip!();
    // Without `fifo`, which isolates no source: the light flow would rightly lose to the flood.
    a_light_flow_notices_nothing(&WeirSpec::default(), |bed, weir, step| {
        let policy = if step % 2 == 0 { "wrr" } else { "drr" };
        weir.cli_ok(bed, &format!("set scheduler.policy {policy}")).map(drop)
    })
}

#[test]
fn another_release_policy_loses_and_reorders_nothing() -> Result<()> {
    root_or_skip!();
    let spec =
        WeirSpec::default().section("container", "timeout = \"5ms\"\nwork-conserving = false");
    a_light_flow_notices_nothing(&spec, |bed, weir, step| {
        let policy = ["fixed", "adaptive", "eager"].into_iter().cycle().nth(step as usize);
        let policy = policy.context("a policy")?;
        weir.cli_ok(bed, &format!("port set v1 --release {policy}"))?;
        weir.cli_ok(bed, &format!("set container.release {policy}")).map(drop)
    })
}
