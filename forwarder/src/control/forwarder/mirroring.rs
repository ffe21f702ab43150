//! What the gate, and the native program, are told of the bridge: its ports and their VLANs, who is behind which of them, and
//! which of them have rules that the gate does not know.
//!
//! Invariant: the gate decides about a port only what the bridge has said of it, or leaves its
//! frames to the bridge.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Notify;
use weir_abi::gate::{UNTAGGED, VLAN_WORDS, Vlans};
use weir_abi::{GatePort, Storm, gate_flags};
use weir_core::addresses::{self, AddressTable, Location, PortAddresses, UPLINK_QUOTA};
use weir_core::{Mac, PortId};
use weir_port::{AddressWords, clock_monotonic_ns};

use super::Forwarder;
use super::roster::{Active, Entry};
use crate::control::attach::Mode;
use crate::control::bridge::foreign::{self, Device, Findings};
use crate::control::bridge::offload::{PortView, VidSpan, WhyNot, view};
use crate::control::bridge::state::{Address, AddressKey, AddressKind, BridgeState, Change};
use crate::control::plan::{Fallback, PortPlan, Role};

/// Group frames, and frames for unknown addresses, that a guest may send: more than any protocol
/// needs, and too few to be felt by the others.
const STORM_PER_S: u32 = 10_000;
const STORM_BURST: u32 = 4096;

impl Forwarder {
    /// What has changed on the bridge.
    pub fn heed_bridge(&mut self, changes: &[Change], state: &BridgeState) {
        for change in changes {
            match *change {
                Change::SettingsChanged => self.mirror_ports(state),
                Change::BridgeRemoved => {
                    tracing::warn!(
                        "the bridge was deleted: what it forwarded is nobody's now; its ports are \
                         served again when it is there again and they are in it"
                    );
                    self.mirror_ports(state);
                    if let Some(table) = self.table() {
                        table.clear();
                    }
                }
                Change::PortAdded { ifindex }
                | Change::PortChanged { ifindex }
                | Change::PortRemoved { ifindex }
                | Change::VlansChanged { ifindex } => self.mirror_port(ifindex, state),
                Change::AddressAdded { address, .. }
                | Change::AddressMoved { address, .. }
                | Change::AddressChanged { address, .. } => self.mirror_address(&address),
                Change::AddressRemoved { address } => self.forget_address(address.key),
                Change::GroupsChanged { .. } | Change::RoutersChanged => {}
            }
        }
    }

    /// Tells the gate all that is known of the bridge: after its ports have changed hands.
    pub fn mirror(&mut self, state: &BridgeState) {
        if self.gate.is_none() {
            return;
        }
        self.mirror_ports(state);
        for seen in state.addresses() {
            self.mirror_address(&seen.address);
        }
    }

    fn mirror_ports(&mut self, state: &BridgeState) {
        let Some(gate) = &mut self.gate else { return };
        let foreign = &gate.foreign;
        let known = |(at, _)| Some((at, view(state, at, foreign.of_port(at))?));
        gate.views = state.ports().filter_map(known).collect();
        let served: Vec<u32> = self.roster.active().map(|(_, active)| active.ifindex).collect();
        for ifindex in served {
            self.tell_gate(ifindex);
        }
    }

    fn mirror_port(&mut self, ifindex: u32, state: &BridgeState) {
        let Some(gate) = &mut self.gate else { return };
        match view(state, ifindex, gate.foreign.of_port(ifindex)) {
            Some(view) => gate.views.insert(ifindex, view),
            None => gate.views.remove(&ifindex),
        };
        self.tell_gate(ifindex);
    }

    /// A port is served from now on; what it had said before was of another.
    pub(super) fn admit_to_gate(&mut self, plan: &PortPlan, ifindex: u32, port: PortId) {
        self.limit_addresses(plan, port);
        self.tell_gate(ifindex);
        if let Some(gate) = &self.gate {
            gate.newcomers.notify_one();
        }
    }

    /// Says when a port has come: whoever has the bridge's state is to call [`Self::mirror`] then.
    pub fn newcomers(&self) -> Option<Arc<Notify>> {
        self.gate.as_ref().map(|gate| Arc::clone(&gate.newcomers))
    }

    /// Tells the gate of a port that is served.
    pub(super) fn tell_gate(&mut self, ifindex: u32) {
        let found = self.roster.active().find(|(_, active)| active.ifindex == ifindex);
        let Some((entry, active)) = found else { return };
        let Some(gate) = &self.gate else { return };
        let (name, slot) = (entry.plan.name.clone(), entry.slot);
        let (port, vlans) = gate_port(&entry.plan, active, gate.views.get(&ifindex));
        if let Err(error) = self.steering.gate().set_port(slot, &port, &vlans) {
            tracing::warn!(port = name, "{error}");
        }
    }

    fn mirror_address(&mut self, address: &Address) {
        let location = match address.kind {
            _ if address.locked => return self.forget_address(address.key),
            AddressKind::Local => Location::Host,
            AddressKind::Static | AddressKind::Learned => {
                let served = self.roster.active_at(address.ifindex);
                served.map_or(Location::Elsewhere, Location::Port)
            }
        };
        if let Some(table) = self.table() {
            table.learn(clock_monotonic_ns(), station(address.key), location);
        }
    }

    fn forget_address(&mut self, key: AddressKey) {
        if let Some(table) = self.table() {
            table.forget(station(key));
        }
    }

    /// Looks for rules of the host that the gate does not know; ports that have some are left to the
    /// bridge.
    pub async fn look_for_foreign_rules(&mut self, state: &BridgeState) {
        let (Some(settings), true) = (state.settings(), self.gate.is_some()) else { return };
        let settings = settings.clone();
        let device = |(entry, active): (&Entry, &Active)| Device {
            ifindex: active.ifindex,
            name: entry.plan.name.clone(),
        };
        let ports: Vec<Device> = self.roster.active().map(device).collect();
        let own = self.steering.gate_program_ids();
        let found =
            tokio::task::spawn_blocking(move || foreign::find(&settings, &ports, &own)).await;
        let (Ok(found), Some(gate)) = (found, &mut self.gate) else { return };
        if found == gate.foreign {
            return;
        }
        let all = |findings: &Findings| {
            let each = findings.ports.values().flatten().chain(&findings.bridge);
            each.map(ToString::to_string).collect::<BTreeSet<String>>()
        };
        for new in all(&found).difference(&all(&gate.foreign)) {
            tracing::warn!("left to the bridge: {new}");
        }
        gate.foreign = found;
        self.mirror_ports(state);
    }

    /// Why a port's frames are left to the bridge, each reason with what to do; none where they are
    /// not.
    pub(super) fn left_to_bridge(&self, active: &Active) -> Vec<String> {
        let Some(gate) = &self.gate else { return Vec::new() };
        match gate.views.get(&active.ifindex) {
            Some(view) => why_not(active.mode, view).iter().map(ToString::to_string).collect(),
            None => vec!["it is not a port of the bridge that weir follows".to_owned()],
        }
    }

    /// When the gate last saw a frame from an address at the port where the bridge has it.
    pub fn last_seen_ns(&self, address: &Address) -> Option<u64> {
        let table = self.gate.as_ref()?.table.as_ref()?;
        let port = self.roster.active_at(address.ifindex)?;
        let at = station(address.key);
        (table.location(at) == Some(Location::Port(port))).then(|| table.last_seen(at))?
    }

    /// A port's addresses in the gate's table.
    pub(super) fn addresses_of(&self, port: PortId) -> PortAddresses {
        let table = self.gate.as_ref().and_then(|gate| gate.table.as_ref());
        table.map(|table| table.port(Location::Port(port))).unwrap_or_default()
    }

    /// Nobody is behind a port that is gone.
    pub(super) fn forget_gate_addresses(&mut self, port: PortId) {
        if let Some(table) = self.table() {
            table.remove_port(port);
        }
    }

    /// What a port's addresses are held to, from its promises: to be said when it is served.
    fn limit_addresses(&mut self, plan: &PortPlan, port: PortId) {
        let Some(table) = self.table() else { return };
        if plan.role == Role::Uplink {
            table.set_quota(Location::Port(port), UPLINK_QUOTA);
        }
        for &mac in &plan.mac_lock {
            // Of the VLANs that a trunk has, the gate finds the bridge's entries as they come.
            let address = addresses::Address { mac: Mac::from(mac), vlan: 0 };
            if let Err(error) = table.pin(clock_monotonic_ns(), address, port) {
                tracing::warn!(port = plan.name, "{error}");
            }
        }
    }

    /// Looks again at what the table has refused, or does not believe yet.
    pub fn review_addresses(&mut self, state: &BridgeState) {
        let mut due = Vec::new();
        let Some(table) = self.table() else { return };
        table.retry(clock_monotonic_ns(), &mut due);
        for station in due {
            let key = AddressKey { mac: station.mac.octets(), vid: station.vlan };
            match state.address(key) {
                Some(address) => self.mirror_address(address),
                None => self.forget_address(key),
            }
        }
    }

    fn table(&mut self) -> Option<&mut AddressTable<AddressWords>> {
        self.gate.as_mut()?.table.as_mut()
    }
}

fn station(key: AddressKey) -> addresses::Address {
    addresses::Address { mac: Mac::from(key.mac), vlan: key.vid }
}

/// Why a port's frames are left to the bridge.
fn why_not(mode: Mode, view: &PortView) -> Vec<WhyNot> {
    let mut reasons = view.offload.clone().err().unwrap_or_default();
    if mode == Mode::Native && view.vlan_aware {
        reasons.push(WhyNot::UnseenTags { port: view.name.clone() });
    }
    reasons
}

/// What the gate is told of a port: what it was promised, and what the bridge says of it.
fn gate_port(plan: &PortPlan, active: &Active, view: Option<&PortView>) -> (GatePort, Vlans) {
    let mut flags = 0;
    let mut set = |on: bool, flag: u32| flags |= if on { flag } else { 0 };
    set(plan.fallback == Fallback::Drop, gate_flags::FALLBACK_DROP);
    set(!plan.mac_lock.is_empty(), gate_flags::MAC_LOCK);
    set(!plan.ip_lock.is_empty(), gate_flags::IP_LOCK);
    set(plan.role == Role::Uplink, gate_flags::RESERVED_OK);
    let mut pvid = 0;
    let mut vlans = [0; VLAN_WORDS];
    if let Some(view) = view {
        set(why_not(active.mode, view).is_empty(), gate_flags::OFFLOAD);
        set(view.vlan_aware, gate_flags::VLAN_AWARE);
        set(view.isolated, gate_flags::ISOLATED);
        set(!view.learning, gate_flags::NO_LEARNING);
        set(view.locked, gate_flags::LOCKED);
        pvid = view.pvid.unwrap_or(0);
        set_bits(&mut vlans, 0, &view.members);
        set_bits(&mut vlans, UNTAGGED, &view.untagged);
    }
    let storm = match plan.role {
        // What comes from outside is for everybody here.
        Role::Uplink => Storm::default(),
        Role::Vif => Storm { frame_ns: PER_S_NS / STORM_PER_S, burst: STORM_BURST },
    };
    let queue = u16::try_from(active.worker).unwrap_or(u16::MAX);
    (GatePort::new(active.ifindex, flags, pvid, queue, storm), vlans)
}

const PER_S_NS: u32 = 1_000_000_000;

fn set_bits(vlans: &mut Vlans, from: usize, spans: &[VidSpan]) {
    for vid in spans.iter().flat_map(|(first, last)| *first..=*last) {
        if let Some(word) = vlans.get_mut(from + usize::from(vid / 64)) {
            *word |= 1 << (vid % 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_may_hide_tags_decides_nothing_where_vlans_count() {
        let plain = PortView {
            ifindex: 1,
            name: "nic0".into(),
            mac: [0; 6],
            mtu: 1500,
            offload: Ok(()),
            vlan_aware: false,
            pvid: None,
            members: Vec::new(),
            untagged: Vec::new(),
            isolated: false,
            learning: true,
            locked: false,
            hairpin: false,
            bpdu_guard: false,
            group_fwd_mask: 0,
            flood: true,
            mcast_flood: true,
            bcast_flood: true,
        };
        let filters = PortView { vlan_aware: true, ..plain.clone() };
        assert_eq!(why_not(Mode::Native, &plain), []);
        assert_eq!(why_not(Mode::Gate, &filters), []);
        let reason = why_not(Mode::Native, &filters).first().unwrap().to_string();
        assert!(reason.starts_with("the bridge filters VLANs") && reason.contains("`nic0`"));
    }
}
