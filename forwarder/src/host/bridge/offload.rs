//! Which ports' frames the gate may decide in the bridge's place, and why not the others'.
//!
//! The gate decides a frame if both its ports are fully understood; every other goes to the bridge. So a
//! reason in here never costs a frame, only time.
//!
//! Invariant: pure. A setting that changes what the bridge does with unicast between two known
//! addresses is either carried out by the gate (see [`PortView`]) or is a [`WhyNot`].

use std::fmt;

use super::state::{
    BridgeState, Port, PortSettings, Settings, StpState, VLAN_PROTOCOL_8021Q, VlanFlags,
};
use weir_core::ForeignRules;

/// Why the gate does not decide the frames of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhyNot {
    pub found: String,
    /// What the operator can do so that the gate decides the port's frames.
    pub to_do: String,
    /// It is a rule of the host outside the bridge, which a port may be configured to ignore.
    pub is_foreign: bool,
}

impl fmt::Display for WhyNot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; its frames go by the bridge. To change that: {}", self.found, self.to_do)
    }
}

/// A port as the gate must see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    pub port: Port,
    /// Why the gate may not decide frames from this port and to it; empty if it may.
    pub why_not: Vec<WhyNot>,
    /// Whether the bridge filters by VLAN. If not, every address is in VLAN 0, and tags are data.
    pub vlan_aware: bool,
}

impl PortView {
    /// The port as a program in its driver sees it; the driver may strip a tag before the program runs.
    pub fn in_driver(mut self) -> Self {
        if self.vlan_aware {
            self.why_not.push(because(
                "the bridge filters VLANs, which the driver's program cannot see (mode = \"native\")",
                format!("mode = \"gate\" for `{}`", self.port.settings.name),
            ));
        }
        self
    }

    /// Whether the gate decides, given that rules of the host are kept or ignored.
    pub fn is_decided(&self, rules: ForeignRules) -> bool {
        self.reasons(rules).0.is_empty()
    }

    /// The reasons that leave the port to the bridge, and the reasons that are ignored.
    pub fn reasons(&self, rules: ForeignRules) -> (Vec<&WhyNot>, Vec<&WhyNot>) {
        self.why_not.iter().partition(|why| rules == ForeignRules::Bridge || !why.is_foreign)
    }

    /// The same in words; `None` if the gate decides and ignores nothing.
    pub fn remark(&self, rules: ForeignRules) -> Option<String> {
        let (left, ignored) = self.reasons(rules);
        let left = left.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ignored = ignored.iter().map(|why| why.found.clone()).collect::<Vec<_>>();
        let said: Vec<String> = [("left to the bridge", left), ("ignored, as it is told", ignored)]
            .into_iter()
            .filter(|(_, reasons)| !reasons.is_empty())
            .map(|(what, reasons)| format!("{what}: {}", reasons.join("; ")))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// A port as the gate must see it; `foreign` are reasons from outside the bridge. `None`: it is no port of
/// that bridge, or the bridge is not known yet.
pub fn view(state: &BridgeState, ifindex: u32, foreign: Vec<WhyNot>) -> Option<PortView> {
    let bridge = state.settings()?;
    let port = state.port(ifindex)?;
    let mut why_not = of_bridge(bridge);
    why_not.extend(of_port(bridge, port));
    why_not.extend(foreign);
    Some(PortView { port: port.clone(), why_not, vlan_aware: bridge.vlan_filtering })
}

fn because(found: impl Into<String>, to_do: String) -> WhyNot {
    WhyNot { found: found.into(), to_do, is_foreign: false }
}

/// The reasons that keep every port of a bridge from the gate.
fn of_bridge(bridge: &Settings) -> Vec<WhyNot> {
    let (name, protocol) = (&bridge.name, bridge.vlan_protocol);
    let of = if bridge.vlan_statistics_per_port { "each VLAN of each port" } else { "each VLAN" };
    let set = format!("ip link set dev {name}");
    let reasons = [
        (!bridge.up, "is down".to_owned(), format!("{set} up")),
        (
            bridge.promiscuous,
            "is promiscuous: a program on the host wants to see every frame".to_owned(),
            format!("stop what watches it, or {set} promisc off"),
        ),
        (
            bridge.vlan_filtering && protocol != VLAN_PROTOCOL_8021Q,
            format!("filters VLANs of protocol {protocol:#06x}"),
            format!("{set} type bridge vlan_protocol 802.1Q"),
        ),
        (
            bridge.vlan_filtering && bridge.vlan_statistics,
            format!("counts the frames of {of}"),
            format!("{set} type bridge vlan_stats_enabled 0"),
        ),
        (
            bridge.mst,
            "runs several spanning trees (MST)".to_owned(),
            format!("{set} type bridge mst_enabled 0"),
        ),
    ];
    let reasons = reasons.into_iter().filter(|(holds, ..)| *holds);
    reasons.map(|(_, what, to_do)| because(format!("the bridge `{name}` {what}"), to_do)).collect()
}

fn of_port(bridge: &Settings, port: &Port) -> Vec<WhyNot> {
    let PortSettings { name, stp_state, .. } = &port.settings;
    let mut found = Vec::new();
    if *stp_state != StpState::FORWARDING {
        let to_do = match *stp_state {
            StpState::DISABLED => format!("ip link set dev {name} up, and its other end as well"),
            _ => format!("wait for the spanning tree, or bridge link set dev {name} state 3"),
        };
        found.push(because(format!("`{name}` is in the STP state {stp_state}"), to_do));
    }
    // Each with its name in `bridge link set` and `ip link set type bridge_slave`.
    let switches = [
        (port.settings.neigh_suppress, "neigh_suppress"),
        (port.settings.neigh_vlan_suppress, "neigh_vlan_suppress"),
        (port.settings.proxy_arp, "proxy_arp"),
        (port.settings.proxy_arp_wifi, "proxy_arp_wifi"),
        (port.settings.vlan_tunnel, "vlan_tunnel"),
        (port.settings.mab, "mab"),
    ];
    for (_, switch) in switches.into_iter().filter(|(on, _)| *on) {
        found.push(because(
            format!("`{name}` has {switch} on"),
            format!("ip link set dev {name} type bridge_slave {switch} off"),
        ));
    }
    if port.settings.backup_port.is_some() {
        found.push(because(
            format!("`{name}` has a backup port"),
            format!("ip link set dev {name} type bridge_slave nobackup_port"),
        ));
    }
    let is_odd = |flags: &VlanFlags| flags.state != StpState::FORWARDING || flags.neigh_suppress;
    let odd = port.vlans.iter().find(|(_, flags)| is_odd(flags));
    if let Some((vid, VlanFlags { state, .. })) = odd.filter(|_| bridge.vlan_filtering) {
        let set = format!("bridge vlan set dev {name} vid {vid}");
        found.push(match state {
            StpState::FORWARDING => because(
                format!("`{name}` has neigh_suppress on in VLAN {vid}"),
                format!("{set} neigh_suppress off"),
            ),
            _ => because(
                format!("VLAN {vid} of `{name}` is in the state {state}"),
                format!("{set} state forwarding"),
            ),
        });
    }
    found
}

#[cfg(test)]
mod tests;
