//! The kernel's view of the interfaces' bridges, read as the gate would read it.

use std::collections::{BTreeMap, BTreeSet};

use aya::programs::loaded_programs;
use weir_abi::maps;

use super::finding::{Level, Report};
use crate::host::attach::is_named;
use crate::host::bridge::foreign::{self, Ports};
use crate::host::bridge::offload::{PortView, view};
use crate::host::bridge::watch;
use crate::host::links::Link;
use crate::host::netlink::Netlink;

/// Ports of bridges by interface index.
pub(super) type Views = BTreeMap<u32, PortView>;

/// Reads the bridges of these interfaces. A failed reading is a finding.
pub(super) fn read<'a>(
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
