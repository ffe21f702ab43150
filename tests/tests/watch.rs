//! The far end's program counts the frames that were sent, and measures plausible times: every figure
//! on isolation rests on this. On a Linux bridge instead of weir.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use system_tests::bed::{Bed, FAMILIES, Family, GUEST_IF, UPLINK_PORT};
use system_tests::observer::{At, By, Keep, Watch};
use system_tests::traffic::{Rate, Sink, Source, ping, tcp};
use system_tests::{BedSpec, Guest, ns, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(30);

fn bed() -> Result<Bed> {
    make(BedSpec::vms(2))
}

fn make(spec: BedSpec) -> Result<Bed> {
    let bed = spec.bridge().build()?;
    bed.learn_neighbours()?;
    for guest in &bed.guests {
        ping(&guest.ns, bed.uplink.addr(Family::V4), 1)?;
    }
    Ok(bed)
}

fn count(up: &Guest, timed: Option<u8>, keep: Keep, at: At) -> Result<Watch> {
    Watch::start_by(By::SourceMac, &up.ns, GUEST_IF, timed, keep, at, 0)
}

#[test]
fn frames_and_bytes_are_counted_by_sender() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    for at in [At::Native, At::Skb, At::Tcx] {
        let watch = count(up, Some(one.number), Keep::Only(one.number), at)?;
        let sink = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
        let source = Source { rate: Rate::pps(5000), ..Source::to(sink.addr()) };
        let sent = Source { size: 22, count: 300, ..source.clone() }.send(&one.ns)?;
        Source { size: 1416, count: 200, flow: 1, ..source }.send(&two.ns)?;
        sink.wait_for(sent.datagrams, SOON)?;
        let counted = |guest, frames, bytes| {
            wait_for(SOON, "the frames to be counted", || {
                watch.from(guest).is_ok_and(|count| (count.frames, count.bytes) == (frames, bytes))
            })
            .with_context(|| format!("{at:?}: {:?} of {}", watch.from(guest), guest.port))
        };
        counted(one, 300, 300 * 64)?;
        counted(two, 200, 200 * 1458)?;
        counted(up, 0, 0)?;
        // It drops the frames of senders that it does not keep.
        let received = sink.finish()?;
        ensure!(received.unique == 300 && received.datagrams == 300, "{received:?}");
        // A frame arrives before its datagram is read, and after it was stamped.
        let delays = watch.delays_ns(0..300)?;
        let slowest = delays.iter().max().copied().unwrap_or(0);
        ensure!(delays.len() == 300, "{at:?}: {} delays", delays.len());
        ensure!(slowest <= received.latency.histogram.max(), "{at:?}: {slowest} ns, {received:?}");
        ensure!(watch.delays_ns(300..400)?.is_empty(), "delays of what was never sent");
    }
    Ok(())
}

#[test]
fn frames_are_counted_by_what_they_are_for() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    // A second address, reached through the same neighbour.
    let others = ["10.0.0.77", "fd00::4d"];
    for (other, (bits, nodad)) in others.into_iter().zip([(32, ""), (128, " nodad")]) {
        up.ns.ip(&format!("address add {other}/{bits} dev {GUEST_IF}{nodad}"))?;
        let neighbour = format!("lladdr {} dev {GUEST_IF} nud permanent", up.mac_text());
        one.ns.ip(&format!("neighbour replace {other} {neighbour}"))?;
    }
    for at in [At::Native, At::Skb, At::Tcx] {
        for (family, other) in FAMILIES.into_iter().zip(others) {
            let by = By::DestinationAddress;
            let watch = Watch::start_by(by, &up.ns, GUEST_IF, None, Keep::Only(77), at, 0)?;
            let sink = Sink::start(&up.ns, (other.parse::<std::net::IpAddr>()?, 0).into())?;
            let to = up.socket(family, sink.addr().port());
            let source = Source { rate: Rate::pps(5000), size: 100, ..Source::to(to) };
            Source { count: 50, ..source.clone() }.send(&one.ns)?;
            Source { to: sink.addr(), count: 30, ..source }.send(&one.ns)?;
            sink.wait_for(30, SOON)?;
            let frames =
                || Ok::<_, anyhow::Error>([watch.of(up.number)?.frames, watch.of(77)?.frames]);
            wait_for(SOON, "the frames to be counted", || frames().is_ok_and(|n| n == [50, 30]))
                .with_context(|| format!("{at:?} {family:?}: {:?}", frames()))?;
        }
    }
    Ok(())
}

/// A queue's sent bytes; it counts each segment's headers.
fn through_queue(bed: &Bed) -> Result<u64> {
    let text =
        ns::output(bed.host.cmd("tc").args(["-j", "-s", "qdisc", "show", "dev", UPLINK_PORT]))?;
    let queues: Value = serde_json::from_str(&text)?;
    queues.pointer("/0/bytes").and_then(Value::as_u64).with_context(|| format!("no bytes: {text}"))
}

#[test]
fn merged_segments_count_with_the_headers_they_had() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    ns::output(bed.host.cmd("tc").args(["qdisc", "add", "dev", UPLINK_PORT, "root", "pfifo"]))?;
    for (at, family) in [At::Skb, At::Tcx].into_iter().flat_map(|at| FAMILIES.map(|it| (at, it))) {
        let watch = count(up, None, Keep::All, at)?;
        let (before, already) = (through_queue(&bed)?, watch.from(one)?);
        let result = tcp(one, up, family, 2, Duration::from_secs(1), &[])?;
        let (queue, counted) = (through_queue(&bed)? - before, watch.from(one)?);
        let frames = counted.frames - already.frames;
        ensure!(frames < result.bytes / 5000, "nothing was merged: {counted:?} {result:?}");
        let off = (counted.bytes - already.bytes).abs_diff(queue) as f64 / queue as f64;
        ensure!(off < 0.002, "{at:?} {family:?}: {counted:?} since {already:?} for {queue} bytes");
        // Nearly all are full ones.
        let segments = (counted.segments - already.segments) as f64;
        let per_segment = queue as f64 / segments;
        ensure!((1400.0..1515.0).contains(&per_segment), "{family:?}: {per_segment} bytes each");
    }
    Ok(())
}

#[test]
fn a_larger_mtu_has_longer_frames_that_are_one() -> Result<()> {
    root_or_skip!();
    let bed = make(BedSpec::vms(1).mtu(1600))?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    let watch = count(up, None, Keep::None, At::Skb)?;
    let to = up.socket(Family::V4, 9000);
    let source = Source { size: 1572, count: 50, rate: Rate::pps(5000), ..Source::to(to) };
    source.send(&one.ns)?;
    wait_for(SOON, "the frames to be counted", || {
        watch.from(one).is_ok_and(|count| (count.segments, count.bytes) == (50, 50 * 1614))
    })
    .with_context(|| format!("{:?}", watch.from(one)))
}
