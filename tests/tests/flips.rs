//! A link that changes between the lanes all the time: in either lane no frame of UDP or TCP is lost,
//! and none overtakes another. `WEIR_FLIPS` sets the number of changes.
//!
//! Frames of one connection come from two cores, the sender's and the one that receives an
//! acknowledgement, and are handed over under the socket's lock. With RPS at the ports they are in one
//! CPU's backlog in that order, and so reach the gate in order.

use anyhow::{Result, ensure};
use serde_json::json;
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF, mac_text};
use system_tests::gate::{self, SOON, marked};
use system_tests::traffic::raw::RawSocket;
use system_tests::traffic::{Chunks, Rate, Sink, Source, Stream, ping};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip};
use weir_api::LaneNow;

const FLIPS: u64 = 100;
/// More than the link takes at once, and less than it takes until the next burst.
const BURST: u64 = 60;
/// The number of bursts after which the bridge forgets the stations behind the uplink.
const FORGET: u32 = 7;
/// Eight milliseconds of the link: a chunk closes it.
const CHUNKS: Chunks = Chunks { blocks: 12, every: Duration::from_millis(100), core: Some(0) };
/// Small chunks, each in the present lane.
const DROPS: Chunks = Chunks { blocks: 1, every: Duration::from_millis(10), core: Some(0) };
/// The time for a burst and for the link's way back to the gate.
const LONG: Duration = Duration::from_secs(10);
/// The station behind the guest that holds frames.
const BEHIND: [u8; 6] = [0x02, 0xdd, 0, 0, 0, 1];

fn flips() -> u64 {
    std::env::var("WEIR_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(FLIPS)
}

fn wait_lane(bed: &Bed, weir: &Weir, lane: LaneNow) -> Result<()> {
    wait_ok(LONG, &format!("the link to be {lane}"), || {
        let link = weir.link(&bed.uplink.port)?;
        ensure!(link.lane == lane, "{link:?}");
        Ok(())
    })
}

/// Waits until no frame of a sending port goes by a worker.
fn wait_express_only(weir: &Weir, port: &str) -> Result<()> {
    wait_ok(LONG, &format!("{port} to use the express lane alone"), || {
        let now = || {
            let stats = weir.stats()?;
            let lanes = stats.port(port).map(|port| port.lanes).unwrap_or_default();
            anyhow::Ok((lanes.express.frames, lanes.scheduled.frames))
        };
        let (before, after) = (now()?, now()?);
        ensure!(after.0 > before.0 && after.1 == before.1, "{before:?} before, {after:?} after");
        Ok(())
    })
}

/// Spreads every port's frames over all CPUs, by flow.
fn spread(bed: &Bed) -> Result<()> {
    for port in bed.ports() {
        let line = format!("echo 3 > /sys/class/net/{port}/queues/rx-0/rps_cpus");
        ensure!(bed.host.cmd("sh").args(["-c", &line]).status()?.success(), "no RPS at {port}");
    }
    Ok(())
}

#[test]
fn no_frame_is_lost_or_late_while_a_link_changes_lanes() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(4).bridge().build()?;
    bed.learn_neighbours()?;
    spread(&bed)?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    weir.patch(&json!({ "ports": { bed.uplink.port.clone(): { "rate": "100Mbit" } } }))?;
    let (steady, bursty, other) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    let (holder, up) = (bed.guest(3)?, &bed.uplink);
    gate::hold(holder)?;
    RawSocket::open_on(&holder.ns, "h1")?.send(&marked(BEHIND, [0xff; 6], &[]))?;
    let mac = mac_text(BEHIND);
    let neighbour =
        format!("neighbour replace 10.0.0.99 lladdr {mac} dev {GUEST_IF} nud permanent");
    other.ns.ip(&neighbour)?;
    let held = Source {
        rate: Rate::pps(50),
        ..Source::to(("10.0.0.99".parse::<std::net::IpAddr>()?, 9).into())
    };
    let held = held.start(&other.ns)?;

    let sink = Sink::start(&up.ns, up.socket(Family::V4, 4000))?;
    let flow = |flow| Source { flow, rate: Rate::pps(1_000), ..Source::to(sink.addr()) };
    let steady_one = flow(0).start(&steady.ns)?;
    let connections = [Stream::start(steady, up, CHUNKS)?, Stream::start(other, up, DROPS)?];
    let out_of_order = || up.ns.protocol("TcpExt", "TCPOFOQueue");
    let late_before = out_of_order()?;
    let before = weir.link(&up.port)?.closings;
    let wanted = flips();
    let (mut rounds, mut sent) = (0_u32, 0);
    loop {
        wait_lane(&bed, &weir, LaneNow::Express)?;
        let closed = weir.link(&up.port)?.closings - before;
        if 2 * closed >= wanted && rounds > 2 * FORGET {
            break;
        }
        let burst = Source {
            count: BURST,
            size: 1200,
            rate: Rate::Max,
            ..flow(1 + u16::try_from(rounds)?)
        };
        sent += burst.send(&bursty.ns)?.datagrams;
        rounds += 1;
        if rounds % FORGET == 0 {
            let forget = format!("fdb del {} dev {} master", up.mac_text(), up.port);
            // No frame is at a worker then, where one that must go by the bridge could overtake it.
            let forgotten = || {
                wait_express_only(&weir, &steady.port)?;
                let before = gate::passed(&weir, &steady.port)?;
                bed.host.bridge(&forget)?;
                wait_ok(SOON, "frames by the bridge", || {
                    ensure!(gate::passed(&weir, &steady.port)? > before);
                    Ok(())
                })
            };
            connections[0].while_quiet(|| connections[1].while_quiet(forgotten))?;
            ping(&up.ns, steady.addr(Family::V4), 1)?;
        }
    }
    let steady_sent = steady_one.stop()?;
    sent += steady_sent.datagrams;
    held.stop()?;
    let mut bytes = 0;
    for connection in connections {
        bytes += connection.stop()?;
    }
    let late = out_of_order()? - late_before;
    sink.wait_for(sent, SOON)?;
    let got = sink.finish()?;
    let stats = weir.stats()?;
    println!("{rounds} bursts, {sent} datagrams, {} late, {} twice", got.reordered, got.duplicates);
    let again =
        steady.ns.protocol("Tcp", "RetransSegs")? + other.ns.protocol("Tcp", "RetransSegs")?;
    let lanes = stats.port(&other.port).map(|port| port.lanes).unwrap_or_default();
    let by = (lanes.express.bytes, lanes.scheduled.bytes);
    println!("of one connection, in bytes by the express lane and by a worker: {by:?}");
    ensure!(by.0 > 32_768 && by.1 > 32_768, "{by:?}");
    println!("TCP: {bytes} bytes, {late} segments out of order, {again} sent again");
    let came = (got.datagrams, got.duplicates, got.reordered);
    ensure!(came == (sent, 0, 0), "{came:?} of {sent}\n{stats:#?}");
    ensure!(late == 0, "{late} segments of TCP came out of order\n{stats:#?}");
    ensure!(stats.ledger.lost == 0, "{stats:#?}");
    // Releases the frames that the holder has.
    holder.ns.tc("qdisc del dev h0 root")?;
    weir.assert_ledger()?;
    weir.stop()
}
