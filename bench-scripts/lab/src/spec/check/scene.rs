//! One cell's scene: its VMs, times and weights, and the peers that can play it.
//!
//! Invariant: windows are in order and do not overlap, since a probe runs once for each of them.

use super::vms;
use super::{is_plain, traffic};
use crate::spec::problem::{Checked, Problem, must, require};
use crate::spec::{Kind, Load, PeerKind, Scene, Seat, Step, Topology, Traffic, Vm, Window};

/// More namespaces than any suitable machine could use.
const MOST_VMS: u8 = 100;
/// The minimum of IPv6.
const LEAST_MTU: u32 = 1280;
const MOST_MTU: u32 = 65_535;
const MOST_WEIGHT: u32 = weir_core::Share::MAX_WEIGHT;

pub(super) fn check(scene: &Scene) -> Checked {
    must((1..=MOST_VMS).contains(&scene.vms), "scene.vms", || {
        format!("{} VMs: write a number from 1 to {MOST_VMS}", scene.vms)
    })?;
    above_zero(scene.link, "scene.link", "a rate in Mb/s")?;
    must((LEAST_MTU..=MOST_MTU).contains(&scene.mtu), "scene.mtu", || {
        format!("{} is no MTU here: write {LEAST_MTU} to {MOST_MTU}", scene.mtu)
    })?;
    above_zero(Some(scene.slice), "scene.slice", "a time in seconds")?;
    promises(scene)?;
    let end = windows(&scene.window)?;
    traffic::check(scene, end)?;
    for (index, load) in scene.load.iter().enumerate() {
        check_load(load, scene, end, &format!("scene.load.{index}"))?;
    }
    steps(&scene.step, scene, end)
}

pub(super) fn above_zero(value: Option<f64>, at: &str, what: &str) -> Checked {
    let good = |value: f64| value > 0.0 && value.is_finite();
    must(value.is_none_or(good), at, || {
        format!("{} is not above 0: write {what}", value.unwrap_or_default())
    })
}

fn promises(scene: &Scene) -> Checked {
    for (index, vm) in scene.vm.iter().enumerate() {
        let at = format!("scene.vm.{index}");
        is_vm(vm.number, scene, &format!("{at}.number"))?;
        let before = &scene.vm[..index];
        must(before.iter().all(|other| other.number != vm.number), &at, || {
            format!("VM {} is there twice: write its promises together", vm.number)
        })?;
        promise(vm, &at)?;
    }
    let mins: f64 = scene.vm.iter().filter_map(|vm| vm.min).sum();
    must(scene.link.is_none_or(|link| mins <= link), "scene.vm", || {
        format!("the minimums come to {mins} Mb/s, which the link does not have: lower them")
    })
}

fn promise(vm: &Vm, at: &str) -> Checked {
    weight(vm.weight, &format!("{at}.weight"))?;
    above_zero(vm.min, &format!("{at}.min"), "a rate in Mb/s, or take it out")?;
    above_zero(vm.max, &format!("{at}.max"), "a rate in Mb/s, or take it out")?;
    let in_order = vm.min.zip(vm.max).is_none_or(|(min, max)| min <= max);
    require(in_order, at, "the minimum is above the maximum: lower it")
}

fn weight(weight: u32, at: &str) -> Checked {
    must((1..=MOST_WEIGHT).contains(&weight), at, || {
        format!("{weight} is no weight: write a number from 1 to {MOST_WEIGHT}")
    })
}

pub(super) fn is_vm(number: u8, scene: &Scene, at: &str) -> Checked {
    must((1..=scene.vms).contains(&number), at, || {
        format!("there is no VM {number}: `vms` makes {}, counted from 1", vms(scene.vms))
    })
}

/// Returns the end of the last one, which is the end of the cell.
fn windows(all: &[Window]) -> Result<f64, Problem> {
    require(!all.is_empty(), "scene.window", "nothing is measured: add a window")?;
    let mut end = 0.0;
    for (index, window) in all.iter().enumerate() {
        let Window { name, from, to } = window;
        let at = format!("scene.window.{index}");
        must(is_plain(name, "_-"), &format!("{at}.name"), || {
            format!("\"{name}\" is no name of a window: use letters, digits, _ and -")
        })?;
        must(all[..index].iter().all(|other| other.name != *name), &at, || {
            format!("the window \"{name}\" is there twice: rename one")
        })?;
        must(from < to && to.is_finite(), &at, || {
            format!("the window \"{name}\" is from {from} to {to} s: let it end after it begins")
        })?;
        must(*from >= end, &at, || {
            format!(
                "the window \"{name}\" begins at {from} s, before {end} s: windows follow each \
                 other from 0 on"
            )
        })?;
        end = *to;
    }
    Ok(end)
}

/// A period of activity: it begins before the cell is over.
pub(super) fn span(start: f64, stop: f64, end: f64, at: &str) -> Checked {
    must(start >= 0.0 && start < end, &format!("{at}.start"), || {
        format!("it begins at {start} s: write a time from 0 to the end of the windows, {end} s")
    })?;
    must(start < stop && stop.is_finite(), &format!("{at}.stop"), || {
        format!("it goes on from {start} to {stop} s: let it stop after its start")
    })
}

fn check_load(load: &Load, scene: &Scene, end: f64, at: &str) -> Checked {
    let place = format!("{at}.at");
    match load.at {
        Seat::Vm(number) => is_vm(number, scene, &place)?,
        _ => must(load.at == Seat::Host, &place, || {
            format!("\"{}\" has no load: write vm1 and so on, or host", load.at)
        })?,
    }
    span(load.start, load.stop, end, at)
}

fn steps(all: &[Step], scene: &Scene, end: f64) -> Checked {
    let mut before = 0.0;
    for (index, step) in all.iter().enumerate() {
        let at = format!("scene.step.{index}");
        must(step.at >= before && step.at < end, &format!("{at}.at"), || {
            format!(
                "a step at {} s: write them in order, from 0 to the end of the windows, {end} s",
                step.at
            )
        })?;
        before = step.at;
        let place = format!("{at}.weights");
        let count = step.weights.len();
        must((1..=usize::from(scene.vms)).contains(&count), &place, || {
            format!("{count} weights: write one at least, and at most one for each VM")
        })?;
        for one in &step.weights {
            weight(*one, &place)?;
        }
    }
    Ok(())
}

/// Whether the peer can play the scene at all.
pub(super) fn check_peer(kind: PeerKind, scene: &Scene, at: &str) -> Checked {
    let routers = scene.topology == Topology::Routers;
    match kind {
        PeerKind::Weir | PeerKind::Bridge | PeerKind::Htb => Ok(()),
        PeerKind::Linux => {
            let what = "linux stands for virtual routers: write topology = \"routers\" in [scene]";
            require(routers, at, what)
        }
        PeerKind::Redirect
        | PeerKind::Bare
        | PeerKind::Ovs
        | PeerKind::Testpmd
        | PeerKind::Direct => {
            let name = format!("{kind:?}").to_lowercase();
            must(scene.vms == 1 && !routers, at, || {
                let routers = if routers { " behind routers" } else { "" };
                format!(
                    "{name} connects one VM and the uplink host, and here are {}{routers}: leave \
                     this peer out, by a variant's `peers` perhaps",
                    vms(scene.vms)
                )
            })?;
            must(scene.link.is_none() || kind == PeerKind::Direct, at, || {
                format!("{name} goes past every queue: leave this peer out, or the `link`")
            })
        }
        PeerKind::Sender => {
            let deaf = |traffic: &Traffic| matches!(traffic.kind, Kind::Flood | Kind::Live);
            let alone = scene.vms == 1 && !routers && scene.link.is_none();
            let what = "sender is one VM without a receiver: it has floods and live frames only, no \
                        link and no routers. Leave this peer out";
            require(alone && scene.traffic.iter().all(deaf), at, what)
        }
    }
}
