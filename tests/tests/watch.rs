//! The far end's program counts what the senders sent, and takes times that can be: what every
//! figure on isolation rests on. On a Linux bridge in weir's place.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use system_tests::bed::{Bed, Family, UPLINK_PORT};
use system_tests::observer::{At, Keep, Watch};
use system_tests::traffic::{Pace, Sink, Source, ping, tcp};
use system_tests::{BedSpec, ns, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(5);

fn bed() -> Result<Bed> {
    let bed = BedSpec::vms(2).bridge().build()?;
    bed.learn_neighbours()?;
    for guest in &bed.guests {
        ping(&guest.ns, bed.uplink.addr(Family::V4), 1)?;
    }
    Ok(bed)
}

#[test]
fn frames_and_bytes_are_counted_by_sender() -> Result<()> {
    root_or_skip!();
    let bed = bed()?;
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    for at in [At::Native, At::Skb] {
        let watch = Watch::start(up, Some(one), Keep::Only(one.number), at)?;
        let sink = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
        let source = Source { pace: Pace::Rate(5000), ..Source::to(sink.addr()) };
        let sent = Source { size: 22, count: 300, ..source.clone() }.send(&one.ns)?;
        Source { size: 1416, count: 200, flow: 1, ..source }.send(&two.ns)?;
        sink.wait_for(sent.frames, SOON)?;
        let counted = |guest, frames, bytes| {
            wait_for(SOON, "the frames to be counted", || {
                watch.from(guest).is_ok_and(|count| (count.frames, count.bytes) == (frames, bytes))
            })
            .with_context(|| format!("{at:?}: {:?} of {}", watch.from(guest), guest.port))
        };
        counted(one, 300, 300 * 64)?;
        counted(two, 200, 200 * 1458)?;
        counted(up, 0, 0)?;
        // Whom it is not to keep, it drops.
        let received = sink.finish()?;
        ensure!(received.unique(0) == 300 && received.frames == 300, "{received:?}");
        // A frame is there before its datagram is read, and after it was stamped.
        let delays = watch.delays_ns(0..300)?;
        let slowest = delays.iter().max().copied().unwrap_or(0);
        ensure!(delays.len() == 300, "{at:?}: {} delays", delays.len());
        ensure!(slowest <= received.latency_ns.max(), "{at:?}: {slowest} ns, {received:?}");
        ensure!(watch.delays_ns(300..400)?.is_empty(), "delays of what was never sent");
    }
    Ok(())
}

/// What a queue has sent; it counts each segment's headers.
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
    let watch = Watch::start(up, None, Keep::All, At::Skb)?;
    let before = through_queue(&bed)?;
    let result = tcp(one, up, Family::V4, 2, Duration::from_secs(1), &[])?;
    let (queue, counted) = (through_queue(&bed)? - before, watch.from(one)?);
    ensure!(counted.frames < result.bytes / 5000, "nothing was merged: {counted:?} {result:?}");
    let off = counted.bytes.abs_diff(queue) as f64 / queue as f64;
    ensure!(off < 0.002, "{counted:?} for {queue} bytes on the link");
    Ok(())
}
