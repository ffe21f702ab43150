//! A guest that holds back all frames sent to it: frames that wait inside it stay charged to the
//! socket that passed them on, and must not keep weir from sending to the others.

use anyhow::{Context, Result, ensure};
use std::net::IpAddr;
use std::time::Duration;
use system_tests::bed::{Family, GUEST_IF, UPLINK_PORT, mac_text};
use system_tests::gate::{self, marked, wait_steered};
use system_tests::traffic::raw::RawSocket;
use system_tests::traffic::{Bulk, BulkSpec, Rate, Sink, Source};
use system_tests::{BedSpec, Guest, Weir, root_or_skip, wait_for};
use weir_api::StatsReport;

/// Sources of floods; one more source has connections.
const FLOODS: usize = 4;
/// Each could fill three fifths of the link.
const RATE: &str = "50Mbit";
const EACH: u64 = 2700;
const SIZE: usize = 1400;
const FREE: Duration = Duration::from_secs(2);
const WINDOW: Duration = Duration::from_secs(6);

/// Each source's bytes on the link so far.
fn on_the_link(stats: &StatsReport, ports: &[String]) -> Vec<f64> {
    let of = |port: &String| {
        let link = stats.port(port).and_then(|port| port.link_to(UPLINK_PORT));
        link.map_or(0.0, |link| link.bytes as f64)
    };
    ports.iter().map(of).collect()
}

/// Each source's bytes on the link in a window, and the total in bits a second.
fn window(weir: &Weir, ports: &[String], time: Duration) -> Result<(Vec<f64>, f64)> {
    let before = weir.stats()?;
    std::thread::sleep(time);
    let after = weir.stats()?;
    let (then, now) = (on_the_link(&before, ports), on_the_link(&after, ports));
    let got: Vec<f64> = now.iter().zip(then).map(|(now, then)| now - then).collect();
    let rate = got.iter().sum::<f64>() * 8e9 / (after.uptime_ns - before.uptime_ns) as f64;
    Ok((got, rate))
}

fn held(guest: &Guest) -> Result<u64> {
    let said = guest.ns.tc("-s qdisc show dev h0")?;
    let (_, rest) = said.split_once("backlog").context("no backlog")?;
    let packets = rest.split_whitespace().nth(1).context("no packets")?;
    Ok(packets.trim_end_matches('p').parse()?)
}

#[test]
fn a_guest_that_holds_frames_back_stops_nobody() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(7).bridge().build()?;
    bed.learn_neighbours()?;
    let weir = gate::start(&bed)?;
    let (up, holder, polite) = (&bed.uplink, bed.guest(5)?, bed.guest(6)?);
    for guest in &bed.guests {
        wait_steered(&weir, guest, up)?;
    }
    weir.cli_ok(&bed, &format!("port set {UPLINK_PORT} --rate {RATE}"))?;
    gate::hold(holder)?;
    // A station behind the holder's bridge; from now on frames for it wait there.
    let behind = [0x02, 0xdd, 0, 0, 0, 1];
    let socket = RawSocket::open_on(&holder.ns, "h1")?;
    socket.send(&marked(behind, [0xff; 6], &[]))?;

    let sources = bed.guests.get(..=FLOODS).context("too few guests")?;
    let (floods, connected) = (&sources[..FLOODS], &sources[FLOODS]);
    let mut sending = Vec::new();
    for guest in floods {
        let to = up.socket(Family::V4, 9);
        let source = Source { rate: Rate::pps(EACH), size: SIZE, ..Source::to(to) };
        sending.push(source.start(&guest.ns)?);
    }
    let to = up.addr(Family::V4);
    let spec = BulkSpec { to, port: 5301, connections: 4, core: None, extra: Vec::new() };
    let mut bulk = Bulk::prepare(&up.ns, spec)?;
    bulk.begin(connected.ns.name())?;
    let sink = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
    let small = Source { rate: Rate::pps(100), ..Source::to(sink.addr()) }.start(&polite.ns)?;
    let ports: Vec<String> = sources.iter().map(|guest| guest.port.clone()).collect();
    wait_for(gate::SOON, "everybody to send", || {
        weir.stats()
            .is_ok_and(|stats| on_the_link(&stats, &ports).iter().all(|bytes| *bytes > 1_000_000.0))
    })?;
    let (_, free) = window(&weir, &ports, FREE)?;

    // Now every one of them sends to the holder as well.
    for guest in floods {
        let (v4, mac) = ("10.0.0.99", mac_text(behind));
        guest
            .ns
            .ip(&format!("neighbour replace {v4} lladdr {mac} dev {GUEST_IF} nud permanent"))?;
        let to = (v4.parse::<IpAddr>()?, 9).into();
        let source = Source { rate: Rate::pps(500), size: SIZE, ..Source::to(to) };
        sending.push(source.start(&guest.ns)?);
    }
    wait_for(gate::SOON, "frames to be held", || held(holder).is_ok_and(|held| held > 500))?;
    let (got, rate) = window(&weir, &ports, WINDOW)?;
    bulk.check()?;
    let sum: f64 = got.iter().sum();
    let shares: Vec<f64> = got.iter().map(|got| got / sum).collect();
    println!("shares {shares:.4?}, {} held, {rate:.0} of {free:.0} bit/s", held(holder)?);
    for (share, port) in shares.iter().zip(&ports) {
        let of_its_own = share * ports.len() as f64;
        ensure!(of_its_own > 0.99, "{port} has {of_its_own:.4} of its share: {shares:.4?}");
    }
    // Half of it would mean that all stop at times; a busy machine takes less.
    ensure!(rate > free * 0.6, "{rate:.0} bit/s in all, {free:.0} before");
    let sent = small.stop()?;
    sink.wait_for(sent.datagrams, gate::SOON)?;
    ensure!(sink.finish()?.unique == sent.datagrams, "a polite sender lost something");
    drop(sending);
    bulk.end()?;
    // Releases the frames that the holder has.
    holder.ns.tc("qdisc del dev h0 root")?;
    weir.assert_ledger()?;
    weir.stop()
}
