//! One cell's scene: its VMs, traffic, times and weights, and the peers that can play it.
//!
//! Invariant: windows are in order and do not overlap, since a probe runs once for each of them; every
//! seat stands for a place, and results of two kinds of traffic in one window have different names.

use weir_probe::rate::frame_overhead;

use super::{is_plain, vms};
use crate::spec::problem::{Checked, each, require};
use crate::spec::quantity::{RESERVED, tells_delays, whose};
use crate::spec::{
    Family, Kind, Load, PeerKind, Probing, Scene, Seat, Topology, Traffic, Vm, Window,
};

/// More namespaces than any suitable machine could use.
const MOST_VMS: u8 = 100;
/// The minimum of IPv6.
const LEAST_MTU: u32 = 1280;
const MOST_MTU: u32 = 65_535;
const MOST_WEIGHT: u32 = weir_core::Share::MAX_WEIGHT;
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

pub(super) fn check(scene: &Scene) -> Checked {
    let Scene { vms, link, mtu, slice, .. } = *scene;
    let what = format!("{vms} VMs: write a number from 1 to {MOST_VMS}");
    require((1..=MOST_VMS).contains(&vms), "vms", what)?;
    above_zero(link, "link", "a rate in Mb/s")?;
    let what = format!("{mtu} is no MTU here: write {LEAST_MTU} to {MOST_MTU}");
    require((LEAST_MTU..=MOST_MTU).contains(&mtu), "mtu", what)?;
    above_zero(Some(slice), "slice", "a time in seconds")?;
    each("vm", &scene.vm, |vm, before| promise(vm, before, scene))?;
    let mins: f64 = scene.vm.iter().filter_map(|vm| vm.min).sum();
    let what =
        format!("the minimums come to {mins} Mb/s, which the link does not have: lower them");
    require(link.is_none_or(|link| mins <= link), "vm", what)?;
    let end = windows(&scene.window)?;
    each("traffic", &scene.traffic, |one, before| traffic(one, before, scene, end))?;
    each("load", &scene.load, |one, _| load(one, scene, end))?;
    steps(scene, end)
}

pub(super) fn above_zero(value: Option<f64>, at: &str, what: &str) -> Checked {
    let good = |value: f64| value > 0.0 && value.is_finite();
    let what = format!("{} is not above 0: write {what}", value.unwrap_or_default());
    require(value.is_none_or(good), at, what)
}

fn promise(vm: &Vm, before: &[Vm], scene: &Scene) -> Checked {
    is_vm(vm.number, scene, "number")?;
    let what = format!("VM {} is there twice: write its promises together", vm.number);
    require(before.iter().all(|other| other.number != vm.number), "", what)?;
    weight(vm.weight, "weight")?;
    above_zero(vm.min, "min", "a rate in Mb/s, or take it out")?;
    above_zero(vm.max, "max", "a rate in Mb/s, or take it out")?;
    let in_order = vm.min.zip(vm.max).is_none_or(|(min, max)| min <= max);
    require(in_order, "", "the minimum is above the maximum: lower it")
}

fn weight(weight: u32, at: &str) -> Checked {
    let what = format!("{weight} is no weight: write a number from 1 to {MOST_WEIGHT}");
    require((1..=MOST_WEIGHT).contains(&weight), at, what)
}

fn is_vm(number: u8, scene: &Scene, at: &str) -> Checked {
    let what = format!("there is no VM {number}: `vms` makes {}, counted from 1", vms(scene.vms));
    require((1..=scene.vms).contains(&number), at, what)
}

/// Returns the end of the last one, which is the end of the cell.
fn windows(all: &[Window]) -> Checked<f64> {
    require(!all.is_empty(), "window", "nothing is measured: add a window")?;
    let mut end = 0.0;
    each("window", all, |Window { name, from, to }, before| {
        let what = format!("\"{name}\" is no name of a window: use letters, digits, _ and -");
        require(is_plain(name, "_-"), "name", what)?;
        let what = format!("the window \"{name}\" is there twice: rename one");
        require(before.iter().all(|other| other.name != *name), "", what)?;
        let what =
            format!("the window \"{name}\" is from {from} to {to} s: let it end after it begins");
        require(from < to && to.is_finite(), "", what)?;
        let what = format!(
            "the window \"{name}\" begins at {from} s, before {end} s: windows follow each other \
             from 0 on"
        );
        require(*from >= end, "", what)?;
        end = *to;
        Ok(())
    })?;
    Ok(end)
}

/// A period of activity: it begins before the cell is over.
fn span(start: f64, stop: f64, end: f64) -> Checked {
    let what =
        format!("it begins at {start} s: write a time from 0 to the end of the windows, {end} s");
    require(start >= 0.0 && start < end, "start", what)?;
    let what = format!("it goes on from {start} to {stop} s: let it stop after its start");
    require(start < stop && stop.is_finite(), "stop", what)
}

fn load(load: &Load, scene: &Scene, end: f64) -> Checked {
    if let Seat::Vm(number) = load.at {
        is_vm(number, scene, "at")?;
    } else {
        let what = format!("\"{}\" has no load: write vm1 and so on, or host", load.at);
        require(load.at == Seat::Host, "at", what)?;
    }
    span(load.start, load.stop, end)
}

fn steps(scene: &Scene, end: f64) -> Checked {
    each("step", &scene.step, |step, before| {
        let at = step.at;
        let what = format!(
            "a step at {at} s: write them in order, from 0 to the end of the windows, {end} s"
        );
        let earliest = before.last().map_or(0.0, |step| step.at);
        require(at >= earliest && at < end, "at", what)?;
        let count = step.weights.len();
        let what = format!("{count} weights: write one at least, and at most one for each VM");
        require((1..=usize::from(scene.vms)).contains(&count), "weights", what)?;
        step.weights.iter().try_for_each(|one| weight(*one, "weights"))
    })
}

fn traffic(traffic: &Traffic, before: &[Traffic], scene: &Scene, end: f64) -> Checked {
    let Traffic { kind, family, to, probing, flows, connections, .. } = *traffic;
    seats(traffic, scene)?;
    span(traffic.start, traffic.stop.unwrap_or(f64::MAX), end)?;
    if let Some(name) = &traffic.name {
        let what = format!("\"{name}\" is no name of traffic: use letters, digits, _ and -");
        require(is_plain(name, "_-"), "name", what)?;
        let free = Seat::try_from(name.clone()).is_err() && !RESERVED.contains(&name.as_str());
        let what =
            format!("\"{name}\" is the name of something else: choose another, or leave it out");
        require(free, "name", what)?;
    }
    let what = format!("{connections} connections: write 1 to {MOST_CONNECTIONS}");
    require((1..=MOST_CONNECTIONS).contains(&connections), "", what)?;
    rate(traffic)?;
    length(traffic, scene)?;
    if kind == Kind::Timed {
        timed(traffic, scene)?;
    }
    let probes = probing == Probing::OneWay || kind == Kind::Probe;
    require(probes, "", "only a probe has `probing`: take it out")?;
    let what = format!("write a number from 1 to {MOST_FLOWS}");
    require((1..=MOST_FLOWS).contains(&flows), "flows", what)?;
    let may = kind == Kind::Live && family == Family::V4 && to.is_single();
    let what = "only live frames over IPv4 to one place are of several flows: take it out";
    require(flows == 1 || may, "flows", what)?;
    before.iter().try_for_each(|other| told_apart(other, traffic, scene, end))
}

fn seats(traffic: &Traffic, scene: &Scene) -> Checked {
    let Traffic { from, to, .. } = *traffic;
    seat(from, scene, "from")?;
    seat(to, scene, "to")?;
    let what = "a way by a router is for `to` only: send from uplink or right";
    require(!from.is_way(), "from", what)?;
    let vm = |who| matches!(who, Seat::Vm(_) | Seat::Every);
    let self_sent = from == to || (vm(from) && vm(to) && [from, to].contains(&Seat::Every));
    let what = format!("\"{from}\" would send to itself: choose another `to`");
    require(!self_sent, "", what)?;
    let back = to.is_way() && from == Seat::Right;
    require(!back, "", "via1 and so on lead to right: send from uplink")
}

fn seat(seat: Seat, scene: &Scene, at: &str) -> Checked {
    let routers = scene.topology == Topology::Routers;
    let fits = match seat {
        Seat::Vm(_) | Seat::Every => !routers,
        Seat::Uplink => true,
        Seat::Right | Seat::Via(_) | Seat::ViaEvery | Seat::ViaOthers => routers,
        Seat::Host => false,
    };
    let (with, valid) = match scene.topology {
        Topology::Vms => ("without", "vm1 …, every, uplink"),
        Topology::Routers => ("with", "uplink, right, via1 …, via-every, via-others"),
    };
    let what = format!("\"{seat}\" is no seat {with} routers: write one of {valid}");
    require(fits, at, what)?;
    match seat {
        Seat::Vm(number) | Seat::Via(number) => is_vm(number, scene, at),
        _ => Ok(()),
    }
}

fn rate(traffic: &Traffic) -> Checked {
    let Traffic { kind, pps, mbit, burst, .. } = *traffic;
    above_zero(pps, "pps", "packets a second, or take it out")?;
    above_zero(mbit, "mbit", "a rate in Mb/s, or take it out")?;
    require(pps.and(mbit).is_none(), "", "it has pps and mbit: take one out")?;
    let (packets, any) = match kind {
        Kind::Flood | Kind::Probe => (true, true),
        Kind::Live | Kind::Timed => (true, false),
        Kind::Tcp => (false, true),
        Kind::Ask | Kind::Records => (false, false),
    };
    let what = "this kind goes as fast as it can: take mbit out";
    require(any || mbit.is_none(), "", what)?;
    let what = "this kind has no packets a second: take pps out";
    require(packets || pps.is_none(), "", what)?;
    let paced = kind == Kind::Probe && pps.or(mbit).is_some();
    let what = "only a probe with pps or mbit comes in bursts: take it out";
    require(burst == 0.0 || paced, "burst", what)?;
    let what = format!("write a time in seconds from 0 to {MOST_BURST}");
    require((0.0..=MOST_BURST).contains(&burst), "burst", what)
}

fn length(traffic: &Traffic, scene: &Scene) -> Checked {
    let Traffic { kind, size, frame, .. } = *traffic;
    require(size.and(frame).is_none(), "", "it has size and frame: take one out")?;
    let datagrams = matches!(kind, Kind::Flood | Kind::Live | Kind::Timed | Kind::Probe);
    let what = "TCP makes its frames as it likes: give a size in place of frame";
    require(datagrams || frame.is_none(), "", what)?;
    let or_frame = if datagrams { " or a frame" } else { "" };
    let what = format!("it has no length: give it a size{or_frame}");
    require(size.or(frame).is_some() || kind == Kind::Tcp, "", what)?;
    if !datagrams {
        let good = size.is_none_or(|size| (1..=MOST_RECORD).contains(&size));
        return require(good, "size", format!("write 1 to {MOST_RECORD} bytes"));
    }
    let headers = frame_overhead(traffic.family == Family::V6);
    let payload = match (kind, traffic.probing) {
        (Kind::Probe, Probing::OneWay) => LEAST_PROBE,
        (Kind::Probe, Probing::RoundTrip) => LEAST_ROUND_TRIP,
        (Kind::Timed, _) => LEAST_STAMP,
        _ => 1,
    };
    let (least, most) = (headers + payload, scene.mtu + ETHERNET);
    if let Some(size) = size {
        let (least, most) = (payload, most - headers);
        let what =
            format!("{size} bytes: write {least} to {most}, which is what a datagram has room for");
        require((least..=most).contains(&size), "size", what)?;
    }
    let least = least.max(LEAST_FRAME);
    let what = format!("{} bytes: write {least} to {most}", frame.unwrap_or_default());
    require(frame.is_none_or(|frame| (least..=most).contains(&frame)), "frame", what)
}

/// Its stamps are found in IPv4, and one flow of a scene is timed.
fn timed(traffic: &Traffic, scene: &Scene) -> Checked {
    let several = scene.traffic.iter().filter(|other| other.kind == Kind::Timed).count() > 1;
    let alone = traffic.from.is_single() && traffic.to.is_single();
    let one = alone && traffic.connections == 1 && !several;
    let what = "one flow between two seats can be timed, without routers: use probes for more";
    require(one && scene.topology == Topology::Vms, "", what)?;
    let what = "what is timed has family v4 and pps: write them";
    require(traffic.family == Family::V4 && traffic.pps.is_some(), "", what)?;
    let what = "what is timed is sent all the time: take start and stop out";
    require(traffic.start == 0.0 && traffic.stop.is_none(), "", what)
}

/// Two traffics with results in the same window must have different names.
fn told_apart(one: &Traffic, other: &Traffic, scene: &Scene, end: f64) -> Checked {
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
    let what = format!(
        "another traffic of the same window tells of \"{}\", too: give each a name",
        twice.as_deref().unwrap_or_default()
    );
    require(twice.is_none(), "", what)
}

/// Whether the peer can play the scene at all.
pub(super) fn check_peer(kind: PeerKind, scene: &Scene) -> Checked {
    let routers = scene.topology == Topology::Routers;
    match kind {
        PeerKind::Weir | PeerKind::Bridge | PeerKind::Htb => Ok(()),
        PeerKind::Linux => {
            let what = "linux stands for virtual routers: write topology = \"routers\" in [scene]";
            require(routers, "", what)
        }
        PeerKind::Redirect
        | PeerKind::Bare
        | PeerKind::Ovs
        | PeerKind::Testpmd
        | PeerKind::Direct => {
            let name = format!("{kind:?}").to_lowercase();
            let behind = if routers { " behind routers" } else { "" };
            let what = format!(
                "{name} connects one VM and the uplink host, and here are {}{behind}: leave this \
                 peer out, by a variant's `peers` perhaps",
                vms(scene.vms)
            );
            require(scene.vms == 1 && !routers, "", what)?;
            let what = format!("{name} goes past every queue: leave this peer out, or the `link`");
            require(scene.link.is_none() || kind == PeerKind::Direct, "", what)
        }
        PeerKind::Sender => {
            let deaf = |traffic: &Traffic| matches!(traffic.kind, Kind::Flood | Kind::Live);
            let alone = scene.vms == 1 && !routers && scene.link.is_none();
            let what = "sender is one VM without a receiver: it has floods and live frames only, no \
                        link and no routers. Leave this peer out";
            require(alone && scene.traffic.iter().all(deaf), "", what)
        }
    }
}
