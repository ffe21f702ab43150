//! Traffic. Invariant: every seat stands for a place, and results of two kinds of traffic in one window
//! have different names.

use weir_probe::rate::frame_overhead;

use super::is_plain;
use super::scene::{above_zero, is_vm, span};
use crate::spec::problem::{Checked, must, require};
use crate::spec::quantity::{RESERVED, tells_delays, whose};
use crate::spec::{Family, Kind, Probing, Scene, Seat, Topology, Traffic, Window};

const MOST_CONNECTIONS: u32 = 1000;
const MOST_FLOWS: u32 = 1 << 30;
const LEAST_FRAME: u32 = 60;
const ETHERNET: u32 = 14;
/// The bytes that a probe needs: one way, and with the answer.
const LEAST_PROBE: u32 = 40;
const LEAST_ROUND_TRIP: u32 = 64;
/// Flow, number and time of sending.
const LEAST_STAMP: u32 = 16;
/// A longer record is a mistake.
const MOST_RECORD: u32 = 1 << 30;

/// Seconds from one burst to the next.
const MOST_BURST: f64 = 1.0;

pub(super) fn check(scene: &Scene, end: f64) -> Checked {
    for (index, traffic) in scene.traffic.iter().enumerate() {
        let at = format!("scene.traffic.{index}");
        seats(traffic, scene, &at)?;
        span(traffic.start, traffic.stop.unwrap_or(f64::MAX), end, &at)?;
        name(traffic, &at)?;
        must((1..=MOST_CONNECTIONS).contains(&traffic.connections), &at, || {
            format!("{} connections: write 1 to {MOST_CONNECTIONS}", traffic.connections)
        })?;
        rate(traffic, &at)?;
        length(traffic, scene, &at)?;
        timed(traffic, scene, &at)?;
        let probes = traffic.probing == Probing::OneWay || traffic.kind == Kind::Probe;
        require(probes, &at, "only a probe has `probing`: take it out")?;
        let may =
            traffic.kind == Kind::Live && traffic.family == Family::V4 && traffic.to.is_single();
        must((1..=MOST_FLOWS).contains(&traffic.flows), &format!("{at}.flows"), || {
            format!("write a number from 1 to {MOST_FLOWS}")
        })?;
        let what = "only live frames over IPv4 to one place are of several flows: take it out";
        require(traffic.flows == 1 || may, &format!("{at}.flows"), what)?;
        for before in &scene.traffic[..index] {
            told_apart(before, traffic, scene, end, &at)?;
        }
    }
    Ok(())
}

fn seat(seat: Seat, scene: &Scene, at: &str) -> Checked {
    let routers = scene.topology == Topology::Routers;
    let fits = match seat {
        Seat::Vm(_) | Seat::Every => !routers,
        Seat::Uplink => true,
        Seat::Right | Seat::Via(_) | Seat::ViaEvery | Seat::ViaOthers => routers,
        Seat::Host => false,
    };
    must(fits, at, || {
        let (with, valid) = match scene.topology {
            Topology::Vms => ("without", "vm1 …, every, uplink"),
            Topology::Routers => ("with", "uplink, right, via1 …, via-every, via-others"),
        };
        format!("\"{seat}\" is no seat {with} routers: write one of {valid}")
    })?;
    match seat {
        Seat::Vm(number) | Seat::Via(number) => is_vm(number, scene, at),
        _ => Ok(()),
    }
}

fn seats(traffic: &Traffic, scene: &Scene, at: &str) -> Checked {
    let Traffic { from, to, .. } = *traffic;
    seat(from, scene, &format!("{at}.from"))?;
    seat(to, scene, &format!("{at}.to"))?;
    let what = "a way by a router is for `to` only: send from uplink or right";
    require(!from.is_way(), &format!("{at}.from"), what)?;
    let vm = |who| matches!(who, Seat::Vm(_) | Seat::Every);
    let self_sent = from == to || (vm(from) && vm(to) && [from, to].contains(&Seat::Every));
    must(!self_sent, at, || format!("\"{from}\" would send to itself: choose another `to`"))?;
    let back = to.is_way() && from == Seat::Right;
    require(!back, at, "via1 and so on lead to right: send from uplink")
}

fn name(traffic: &Traffic, at: &str) -> Checked {
    let Some(name) = &traffic.name else { return Ok(()) };
    let at = format!("{at}.name");
    must(is_plain(name, "_-"), &at, || {
        format!("\"{name}\" is no name of traffic: use letters, digits, _ and -")
    })?;
    must(Seat::try_from(name.clone()).is_err() && !RESERVED.contains(&name.as_str()), &at, || {
        format!("\"{name}\" is the name of something else: choose another, or leave it out")
    })
}

fn rate(traffic: &Traffic, at: &str) -> Checked {
    above_zero(traffic.pps, &format!("{at}.pps"), "packets a second, or take it out")?;
    above_zero(traffic.mbit, &format!("{at}.mbit"), "a rate in Mb/s, or take it out")?;
    let both = traffic.pps.and(traffic.mbit).is_some();
    require(!both, at, "it has pps and mbit: take one out")?;
    let (pps, any) = match traffic.kind {
        Kind::Flood | Kind::Probe => (true, true),
        Kind::Live | Kind::Timed => (true, false),
        Kind::Tcp => (false, true),
        Kind::Ask | Kind::Records => (false, false),
    };
    let what = "this kind goes as fast as it can: take mbit out";
    require(any || traffic.mbit.is_none(), at, what)?;
    let what = "this kind has no packets a second: take pps out";
    require(pps || traffic.pps.is_none(), at, what)?;
    let paced = traffic.kind == Kind::Probe && traffic.pps.or(traffic.mbit).is_some();
    let what = "only a probe with pps or mbit comes in bursts: take it out";
    require(traffic.burst == 0.0 || paced, &format!("{at}.burst"), what)?;
    must((0.0..=MOST_BURST).contains(&traffic.burst), &format!("{at}.burst"), || {
        format!("write a time in seconds from 0 to {MOST_BURST}")
    })
}

fn length(traffic: &Traffic, scene: &Scene, at: &str) -> Checked {
    let Traffic { kind, size, frame, .. } = *traffic;
    require(size.and(frame).is_none(), at, "it has size and frame: take one out")?;
    let datagrams = matches!(kind, Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe);
    let what = "TCP makes its frames as it likes: give a size in place of frame";
    require(datagrams || frame.is_none(), at, what)?;
    must(size.is_some() || frame.is_some() || kind == Kind::Tcp, at, || {
        format!("it has no length: give it a size{}", if datagrams { " or a frame" } else { "" })
    })?;
    if !datagrams {
        let good = size.is_none_or(|size| (1..=MOST_RECORD).contains(&size));
        return must(good, &format!("{at}.size"), || format!("write 1 to {MOST_RECORD} bytes"));
    }
    let headers = frame_overhead(traffic.family == Family::V6);
    let most = scene.mtu + ETHERNET;
    let least = match (kind, traffic.probing) {
        (Kind::Probe, Probing::OneWay) => headers + LEAST_PROBE,
        (Kind::Timed, _) => headers + LEAST_STAMP,
        (Kind::Probe, Probing::RoundTrip) => headers + LEAST_ROUND_TRIP,
        _ => headers + 1,
    };
    if let Some(size) = size {
        let (least, most) = (least - headers, most - headers);
        must((least..=most).contains(&size), &format!("{at}.size"), || {
            format!("{size} bytes: write {least} to {most}, which is what a datagram has room for")
        })?;
    }
    let least = least.max(LEAST_FRAME);
    must(frame.is_none_or(|frame| (least..=most).contains(&frame)), &format!("{at}.frame"), || {
        format!("{} bytes: write {least} to {most}", frame.unwrap_or_default())
    })
}

/// Its stamps are found in IPv4, and one flow of a scene is timed.
fn timed(traffic: &Traffic, scene: &Scene, at: &str) -> Checked {
    if traffic.kind != Kind::Timed {
        return Ok(());
    }
    let several = scene.traffic.iter().filter(|other| other.kind == Kind::Timed).count() > 1;
    let alone = traffic.from.is_single() && traffic.to.is_single();
    let one = alone && traffic.connections == 1 && !several;
    let what = "one flow between two seats can be timed, without routers: use probes for more";
    require(one && scene.topology == Topology::Vms, at, what)?;
    let what = "what is timed has family v4 and pps: write them";
    require(traffic.family == Family::V4 && traffic.pps.is_some(), at, what)?;
    let what = "what is timed is sent all the time: take start and stop out";
    require(traffic.start == 0.0 && traffic.stop.is_none(), at, what)
}

/// Two traffics with results in the same window must have different names.
fn told_apart(one: &Traffic, other: &Traffic, scene: &Scene, end: f64, at: &str) -> Checked {
    let within = |traffic: &Traffic, window: &Window| {
        traffic.start < window.to && traffic.stop.unwrap_or(end) > window.from
    };
    if !scene.window.iter().any(|window| within(one, window) && within(other, window)) {
        return Ok(());
    }
    let names = |traffic: &Traffic| {
        let own = traffic.name.clone().into_iter();
        let told = if tells_delays(traffic) { whose(traffic, scene) } else { Vec::new() };
        own.chain(told).collect::<Vec<String>>()
    };
    let others = names(one);
    let twice = names(other).into_iter().find(|name| others.contains(name));
    must(twice.is_none(), at, || {
        let name = twice.unwrap_or_default();
        format!("another traffic of the same window tells of \"{name}\", too: give each a name")
    })
}
