//! What the gate may decide in the bridge's place, and why not the rest.
//!
//! A frame is decided by the gate only if the port by which it came and the port by which it leaves
//! are both fully understood; every other frame goes to the bridge. So a reason in here never costs
//! a frame, only time.
//!
//! Invariant: pure; a setting that changes what the bridge does with unicast between two known
//! addresses is either carried out by the gate (what [`PortView`] shows) or is a [`WhyNot`].

mod why_not;

pub use self::why_not::WhyNot;
use super::state::{BridgeState, Port, PortSettings, Settings, StpState, VLAN_PROTOCOL_8021Q};
use weir_core::ForeignRules;

/// First and last VLAN of a range, both included.
pub type VidSpan = (u16, u16);

/// A port as the gate needs to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortView {
    pub ifindex: u32,
    pub name: String,
    pub mac: [u8; 6],
    pub mtu: u32,
    /// Whether frames of this port and to it may be decided by the gate.
    pub offload: Result<(), Vec<WhyNot>>,
    /// Whether the bridge looks at VLANs; without it, every address is in VLAN 0, tags are data,
    /// and the three lists below do not count.
    pub vlan_aware: bool,
    /// The VLAN of untagged frames from here; `None`: they are dropped.
    pub pvid: Option<u16>,
    pub members: Vec<VidSpan>,
    /// The members whose frames leave without a tag.
    pub untagged: Vec<VidSpan>,
    /// Nothing passes between two isolated ports.
    pub isolated: bool,
    /// Unknown sources become known by themselves.
    pub learning: bool,
    /// Only sources that are known at this port may send.
    pub locked: bool,
    /// Frames may leave by the port by which they came; the bridge sends them.
    pub hairpin: bool,
    /// Frames of the spanning tree group must reach the bridge, which shuts the port.
    pub bpdu_guard: bool,
    /// The groups 01:80:c2:00:00:0x that the bridge forwards from here, a bit for each.
    pub group_fwd_mask: u16,
    /// Who is sent what is not known: unicast, groups, broadcast.
    pub flood: bool,
    pub mcast_flood: bool,
    pub bcast_flood: bool,
}

impl PortView {
    /// The VLAN of a frame that arrives with this tag, or without; `None`: the bridge drops it.
    /// How a tag with VID 0 is rewritten depends on both ports: the bridge is to do that.
    pub fn classify(&self, tag: Option<u16>) -> Option<u16> {
        if !self.vlan_aware {
            return Some(0);
        }
        // A tag with VID 0 carries a priority only.
        let vid = tag.filter(|vid| *vid != 0).or(self.pvid)?;
        holds(&self.members, vid).then_some(vid)
    }

    /// Whether frames of this VLAN leave here.
    pub fn is_member(&self, vid: u16) -> bool {
        !self.vlan_aware || holds(&self.members, vid)
    }

    /// The same for a program in the port's driver, which may take a tag out before the program looks.
    pub fn in_driver(mut self) -> Self {
        if self.vlan_aware {
            let mut reasons = self.offload.err().unwrap_or_default();
            reasons.push(WhyNot::UnseenTags { port: self.name.clone() });
            self.offload = Err(reasons);
        }
        self
    }

    /// Whether the gate decides, with rules of the host kept or ignored.
    pub fn is_decided(&self, rules: ForeignRules) -> bool {
        self.reasons(rules).0.is_empty()
    }

    /// What leaves the port to the bridge, and what of it is ignored.
    pub fn reasons(&self, rules: ForeignRules) -> (Vec<&WhyNot>, Vec<&WhyNot>) {
        let reasons = self.offload.as_ref().err().into_iter().flatten();
        reasons.partition(|why| rules == ForeignRules::Bridge || !why.is_foreign())
    }

    /// The same in words; none where the gate decides and ignores nothing.
    pub fn remark(&self, rules: ForeignRules) -> Option<String> {
        let (left, ignored) = self.reasons(rules);
        let left = left.iter().map(ToString::to_string).collect::<Vec<_>>();
        let ignored = ignored.iter().map(|why| why.found()).collect::<Vec<_>>();
        let said: Vec<String> = [("left to the bridge", left), ("ignored, as it is told", ignored)]
            .into_iter()
            .filter(|(_, reasons)| !reasons.is_empty())
            .map(|(what, reasons)| format!("{what}: {}", reasons.join("; ")))
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    /// Whether they leave without a tag.
    pub fn is_untagged(&self, vid: u16) -> bool {
        self.vlan_aware && holds(&self.untagged, vid)
    }
}

fn holds(spans: &[VidSpan], vid: u16) -> bool {
    let at = spans.partition_point(|(_, last)| *last < vid);
    spans.get(at).is_some_and(|(first, _)| *first <= vid)
}

/// Whether the gate may carry a frame of VLAN `vid` from one port to the other. What it may not,
/// it hands to the bridge, which drops it if that is right.
pub fn may_carry(from: &PortView, to: &PortView, vid: u16) -> bool {
    from.offload.is_ok()
        && to.offload.is_ok()
        && from.ifindex != to.ifindex
        && !(from.isolated && to.isolated)
        && from.is_member(vid)
        && to.is_member(vid)
}

/// A port of a bridge as the gate needs to see it; `foreign` are reasons from outside the bridge.
/// `None`: it is not a port of that bridge, or the bridge is not known yet.
pub fn view(state: &BridgeState, ifindex: u32, foreign: Vec<WhyNot>) -> Option<PortView> {
    let bridge = state.settings()?;
    let port = state.port(ifindex)?;
    let settings = &port.settings;
    let mut why_not = of_bridge(bridge);
    why_not.extend(of_port(bridge, port));
    why_not.extend(foreign);
    Some(PortView {
        ifindex,
        name: settings.name.clone(),
        mac: settings.mac,
        mtu: settings.mtu,
        offload: if why_not.is_empty() { Ok(()) } else { Err(why_not) },
        vlan_aware: bridge.vlan_filtering,
        pvid: port.vlans.pvid(),
        members: port.vlans.spans(|_| true),
        untagged: port.vlans.spans(|flags| flags.untagged),
        isolated: settings.isolated,
        learning: settings.learning,
        locked: settings.locked,
        hairpin: settings.hairpin,
        bpdu_guard: settings.bpdu_guard,
        group_fwd_mask: bridge.group_fwd_mask | settings.group_fwd_mask,
        flood: settings.flood,
        mcast_flood: settings.mcast_flood,
        bcast_flood: settings.bcast_flood,
    })
}

/// What keeps every port of a bridge from the gate.
pub fn of_bridge(bridge: &Settings) -> Vec<WhyNot> {
    let name = || bridge.name.clone();
    let mut found = Vec::new();
    if !bridge.up {
        found.push(WhyNot::BridgeDown { bridge: name() });
    }
    if bridge.promiscuous {
        found.push(WhyNot::Promiscuous { bridge: name() });
    }
    if bridge.vlan_filtering && bridge.vlan_protocol != VLAN_PROTOCOL_8021Q {
        found.push(WhyNot::VlanProtocol { bridge: name(), protocol: bridge.vlan_protocol });
    }
    if bridge.vlan_filtering && bridge.vlan_statistics {
        found.push(WhyNot::VlanStatistics {
            bridge: name(),
            per_port: bridge.vlan_statistics_per_port,
        });
    }
    if bridge.mst {
        found.push(WhyNot::SpanningTrees { bridge: name() });
    }
    found
}

fn of_port(bridge: &Settings, port: &Port) -> Vec<WhyNot> {
    let PortSettings { stp_state, backup_port, .. } = port.settings;
    let name = || port.settings.name.clone();
    let mut found = Vec::new();
    if stp_state != StpState::Forwarding {
        found.push(WhyNot::StpState { port: name(), state: stp_state });
    }
    // Each with the word by which `bridge link set` and `ip link set type bridge_slave` know it.
    let switches = [
        (port.settings.neigh_suppress, "neigh_suppress"),
        (port.settings.neigh_vlan_suppress, "neigh_vlan_suppress"),
        (port.settings.proxy_arp, "proxy_arp"),
        (port.settings.proxy_arp_wifi, "proxy_arp_wifi"),
        (port.settings.vlan_tunnel, "vlan_tunnel"),
        (port.settings.mab, "mab"),
    ];
    for (_, switch) in switches.into_iter().filter(|(on, _)| *on) {
        found.push(WhyNot::Switch { port: name(), switch });
    }
    if backup_port.is_some() {
        found.push(WhyNot::BackupPort { port: name() });
    }
    if bridge.vlan_filtering {
        let odd = port.vlans.ranges().iter().find(|range| {
            let options = range.flags.options;
            options.state != StpState::Forwarding || options.neigh_suppress
        });
        found.extend(odd.map(|range| WhyNot::VlanOption {
            port: name(),
            vid: range.first,
            state: range.flags.options.state,
        }));
    }
    found
}

#[cfg(test)]
mod tests;
