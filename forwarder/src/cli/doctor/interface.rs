//! One interface as a port: its present state, and what prevents it from being one. Its bridge is read as
//! the gate would read it.

use std::collections::{BTreeMap, BTreeSet};

use aya::programs::loaded_programs;
use weir_abi::maps;

use super::finding::{Level, Report};
use crate::host::attach::{is_named, occupant};
use crate::host::bridge::foreign::{self, Ports};
use crate::host::bridge::offload::{PortView, view};
use crate::host::bridge::watch;
use crate::host::links::{Link, LinkKind, Snapshot};
use crate::host::netlink::Netlink;
use weir_core::{ForeignRules, Mode};
use weir_schema::PortPlan;

const MAX_QUEUES: u32 = weir_abi::MAX_QUEUES;
const TSO: [&str; 2] = ["tx-tcp-segmentation", "tx-tcp6-segmentation"];

/// The facts, besides the interface, that a check needs.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) views: &'a Views,
    /// Whether a weir runs.
    pub(super) alive: bool,
    /// The operator's plan for it.
    pub(super) plan: Option<&'a PortPlan>,
}

impl Case<'_> {
    fn is_native(&self) -> bool {
        self.plan.is_some_and(|plan| plan.mode == Mode::Native)
    }
}

pub(super) fn examine(case: &Case<'_>, link: &Link, report: &mut Report) {
    report.section(&link.name);
    device(link, report);
    bridge(case, link, report);
    gate(case, link, report);
    native(case, link, report);
    program(case, link, report);
    let features = weir_port::ethtool::features(&link.name).unwrap_or_default();
    superframes(link, &features, report);
}

fn device(link: &Link, report: &mut Report) {
    let mut text = link.kind.to_string();
    if let Some(driver) = link.driver.as_ref().filter(|driver| **driver != text) {
        text += &format!(", driver {driver}");
    }
    text += &format!(", MTU {}, {} rx and {} tx", link.mtu, link.rx_queues, link.tx_queues);
    text += if link.rx_queues.max(link.tx_queues) == 1 { " queue" } else { " queues" };
    if let Some(speed) = link.speed_mbit.filter(|_| link.kind == LinkKind::Physical) {
        text += &format!(", {speed} Mb/s");
    }
    match (link.up, link.carrier) {
        (true, true) => report.add(Level::Ok, "device", text),
        (true, false) => report.add(Level::Note, "device", text + "; no carrier"),
        (false, _) => report.with_fix(
            Level::Note,
            "device",
            text + "; down",
            format!("ip link set dev {} up", link.name),
        ),
    }
}

fn bridge(case: &Case<'_>, link: &Link, report: &mut Report) {
    let Some(bridge) = link.bridge().and_then(|bridge| case.snapshot.get(bridge)) else {
        let text = "in none; with a file whose ports are not all in one, weir makes weir0 of them";
        if link.addresses.is_empty() && !link.is_default_route {
            let fix = format!("ip link set dev {} master BRIDGE", link.name);
            report.with_fix(Level::Note, "bridge", text, fix);
        } else {
            // The command alone would cut the host off.
            let text = format!("{text}; a bridge has to take over its addresses and routes");
            report.add(Level::Note, "bridge", text);
        }
        return;
    };
    let text = format!("in {}, which carries the traffic when weir does not", bridge.name);
    report.add(Level::Ok, "bridge", text);
    let smallest = case.snapshot.ports_of(bridge.ifindex).min_by_key(|port| port.mtu);
    if let Some(smallest) = smallest.filter(|smallest| smallest.mtu < link.mtu) {
        report.with_fix(
            Level::Note,
            "mtu",
            format!(
                "frames above {} bytes cannot leave by {}: lost as mtu_exceeded",
                smallest.mtu, smallest.name
            ),
            format!("ip link set dev {} mtu {}, and in the guest", link.name, smallest.mtu),
        );
    }
}

/// The same reasons as `weir port list` gives.
fn gate(case: &Case<'_>, link: &Link, report: &mut Report) {
    let Some(view) = case.views.get(&link.ifindex).cloned() else { return };
    let view = if case.is_native() { view.in_driver() } else { view };
    let (left, ignored) =
        view.reasons(case.plan.map_or(ForeignRules::Bridge, |plan| plan.foreign_rules));
    for why in &ignored {
        report.add(Level::Note, "gate", format!("ignored, as the file says: {}", why.found));
    }
    for why in &left {
        let text = format!("left to the bridge: {}", why.found);
        report.with_fix(Level::Warn, "gate", text, why.to_do.clone());
    }
    if left.is_empty() {
        report.add(Level::Ok, "gate", "decides what the bridge would do with its frames");
    }
}

fn native(case: &Case<'_>, link: &Link, report: &mut Report) {
    let queues = if link.rx_queues > MAX_QUEUES {
        format!("; frames beyond queue {} take the kernel's path", MAX_QUEUES - 1)
    } else {
        String::new()
    };
    match weir_port::probe::xdp_query(link.ifindex) {
        Ok(can) if can.native() => {
            let long = if can.multi_buffer() { "" } else { ", but for frames longer than a page" };
            let text = format!("mode \"native\" is possible{long}{queues}");
            report.add(Level::Ok, "native", text);
        }
        Ok(_) => {
            let level = if case.is_native() { Level::Fail } else { Level::Note };
            let text = "mode \"native\" is not possible: the driver has no XDP";
            report.add(level, "native", text);
        }
        Err(error) => {
            let text = format!("the kernel does not tell what the driver can: {error}");
            report.add(Level::Note, "native", text);
        }
    }
}

fn program(case: &Case<'_>, link: &Link, report: &mut Report) {
    if link.xdp.program().is_none() {
        return;
    }
    let Some(occupant) = occupant(link.ifindex, &link.name) else { return };
    if occupant.is_weir() && case.alive {
        let text = format!("weir's, id {}, {}", occupant.program_id, occupant.mode);
        report.add(Level::Ok, "program", text);
    } else if case.is_native() {
        let text = format!("another XDP program is in the way: {}", occupant.summary());
        report.with_fix(Level::Fail, "program", text, occupant.fix());
    } else {
        let text = format!("an XDP program has its frames before the gate: {}", occupant.summary());
        report.add(Level::Note, "program", text);
    }
}

fn superframes(link: &Link, features: &[(String, bool)], report: &mut Report) {
    if features.iter().any(|(name, on)| TSO.contains(&name.as_str()) && !on) {
        report.with_fix(
            Level::Note,
            "tso",
            "off, or for one IP version only: superframes are cut before they leave here",
            format!("ethtool -K {} tso on", link.name),
        );
    }
}

/// Ports of bridges by interface index.
pub(super) type Views = BTreeMap<u32, PortView>;

/// Reads the bridges of these interfaces. A failed reading is a finding.
pub(super) fn read_bridges<'a>(
    links: impl Iterator<Item = &'a Link>,
    has_gates: bool,
    report: &mut Report,
) -> Views {
    let mut by_bridge: BTreeMap<u32, Ports> = BTreeMap::new();
    for link in links {
        if let Some(bridge) = link.bridge() {
            by_bridge.entry(bridge).or_default().insert(link.ifindex, link.name.clone());
        }
    }
    let own = if has_gates { gates() } else { BTreeSet::new() };
    let mut views = Views::new();
    for (bridge, ports) in by_bridge {
        let read = Netlink::open().and_then(|mut netlink| watch::read(&mut netlink, bridge));
        let state = match read {
            Ok(state) => state,
            Err(error) => {
                report.add(Level::Warn, "bridge", format!("cannot be read: {error}"));
                continue;
            }
        };
        let Some(settings) = state.settings() else { continue };
        let mut foreign = foreign::find(settings, &ports, &own);
        foreign.leave_unknown_to_the_bridge(ports.iter());
        let view = |at| Some((at, view(&state, at, foreign.of_port(at))?));
        views.extend(ports.into_keys().filter_map(view));
    }
    views
}

/// Ids of weirs' programs at the ports, of dead weirs and running ones.
fn gates() -> BTreeSet<u32> {
    let own = [maps::GATE, maps::CHARGE];
    let programs = loaded_programs().flatten();
    let gates = programs.filter(|program| is_named(program.name_as_str(), &own));
    gates.map(|program| program.id()).collect()
}

#[cfg(test)]
mod tests;
