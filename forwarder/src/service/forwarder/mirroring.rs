//! What the gate and the native program know of the bridge: its ports and their VLANs, the addresses
//! behind each, and the ports with rules that the gate does not know.
//!
//! Invariant: the gate decides about a port only from what the bridge has reported of it, or leaves its
//! frames to the bridge.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use weir_abi::gate::{UNTAGGED, VLAN_WORDS, Vlans};
use weir_abi::{GatePort, Storm, gate_flags};
use weir_core::addresses::{self, Location};
use weir_core::{Fallback, Mac, Mode, PortId};
use weir_port::clock_monotonic_ns;

use super::roster::{Active, Entry};
use super::{Forwarder, express};
use crate::host::attach::PendingChange;
use crate::host::bridge::foreign::{self, Findings, Ports};
use crate::host::bridge::offload::{PortView, view};
use crate::host::bridge::state::{Address, AddressKey, AddressKind, BridgeState, Change, Port};
use crate::host::links::ExpressPath;
use weir_schema::PortPlan;

/// While rules of the host cannot be read, what was found before holds on for this long.
const FOUND_HOLDS: Duration = Duration::from_secs(10);

/// What is known of rules of the host that the gate would bypass.
#[derive(Debug, Default)]
pub(super) struct HostRules {
    pub(super) found: Findings,
    /// The ports that the last complete look was about, and when that was.
    complete: Option<(BTreeSet<u32>, Instant)>,
}

impl HostRules {
    /// Takes in a look at these ports, and returns what is known after it.
    fn take(&mut self, mut found: Findings, ports: &Ports, now: Instant) -> Findings {
        if found.unknown.is_empty() {
            self.complete = Some((ports.keys().copied().collect(), now));
            return found;
        }
        let recent = self.complete.as_ref().filter(|(_, at)| now - *at < FOUND_HOLDS);
        let is_known = |port: &u32| recent.is_some_and(|(known, _)| known.contains(port));
        found.leave_unknown_to_the_bridge(ports.iter().filter(|(port, _)| !is_known(port)));
        if recent.is_some() { found.and(&self.found) } else { found }
    }
}

impl Forwarder {
    /// Passes on changes of the bridge.
    pub fn apply_bridge_changes(&mut self, changes: &[Change], state: &BridgeState) {
        for change in changes {
            match *change {
                Change::SettingsChanged => self.mirror_ports(state),
                Change::BridgeRemoved => {
                    tracing::warn!(
                        "the bridge was deleted: frames that are left to it are lost; its ports are \
                         served again once it exists again and they are in it"
                    );
                    self.mirror_ports(state);
                    self.gate.table.clear();
                }
                Change::PortChanged { ifindex } => self.mirror_port(ifindex, state),
                Change::AddressSet { address, .. } => self.mirror_address(&address, &mut None),
                Change::AddressRemoved { address } => self.forget_address(address.key),
            }
        }
    }

    /// Confirms that the control side follows the bridge, so that the gate may believe its data. Call
    /// it regularly from the very task that passes on the bridge's changes, so that both stop together.
    pub fn confirm_current(&mut self) {
        self.steering.gate.say_current(clock_monotonic_ns());
    }

    /// Gives the gate all that is known of the bridge, after its ports have changed hands.
    pub fn mirror(&mut self, state: &BridgeState) {
        self.mirror_ports(state);
        let mut changing = None;
        for seen in state.addresses() {
            self.mirror_address(&seen.address, &mut changing);
        }
    }

    fn mirror_ports(&mut self, state: &BridgeState) {
        let foreign = &self.gate.foreign.found;
        let known = |(at, _)| Some((at, view(state, at, foreign.of_port(at))?));
        self.gate.views = state.ports().filter_map(known).collect();
        self.update_gate_ports();
    }

    /// Updates the gate's entries of all served ports.
    pub(super) fn update_gate_ports(&mut self) {
        let served: Vec<u32> = self.roster.active().map(|(_, active)| active.ifindex).collect();
        for ifindex in served {
            self.update_gate_port(ifindex);
        }
    }

    fn mirror_port(&mut self, ifindex: u32, state: &BridgeState) {
        let gate = &mut self.gate;
        match view(state, ifindex, gate.foreign.found.of_port(ifindex)) {
            Some(view) => gate.views.insert(ifindex, view),
            None => gate.views.remove(&ifindex),
        };
        self.update_gate_port(ifindex);
    }

    /// Adds a newly served port to the gate; earlier reports of this index concerned another port.
    pub(super) fn add_to_gate(&mut self, plan: &PortPlan, ifindex: u32, port: PortId) {
        self.pin_addresses(plan, port);
        self.update_gate_port(ifindex);
        self.keep_charged(&plan.name);
        self.gate.newcomers.notify_one();
    }

    /// Updates the gate's entry of a served port.
    pub(super) fn update_gate_port(&mut self, ifindex: u32) {
        let found = self.roster.active().find(|(_, active)| active.ifindex == ifindex);
        let Some((entry, active)) = found else { return };
        let (name, slot) = (entry.plan.name.clone(), entry.slot);
        self.gate.table.set_quota(Location::Port(entry.id()), entry.plan.address_quota());
        let view = self.gate.views.get(&ifindex);
        let release = self.plan.release_of(&entry.plan);
        let lanes = express::flags(&entry.plan, release, self.gate.watched);
        let path = self.gate.paths.get(&ifindex);
        let (port, vlans) = gate_port(&entry.plan, lanes, ifindex, active.worker, view, path);
        if let Err(error) = self.steering.gate.set_port(slot, &port, &vlans) {
            tracing::warn!(port = name, "{error}");
        }
    }

    /// Enters an address. If the station was behind a port that weir does not serve, frames sent to it
    /// may still be on their way by the bridge, uncounted; `changing` is held from the first such
    /// address on. A move between two of weir's ports holds no source: a guest can make addresses move
    /// as often as it likes.
    fn mirror_address(&mut self, address: &Address, changing: &mut Option<PendingChange>) {
        let location = match address.kind {
            _ if address.locked => return self.forget_address(address.key),
            AddressKind::Local => Location::Host,
            AddressKind::Static | AddressKind::Learned => {
                let served = self.roster.active_at(address.ifindex);
                served.map_or(Location::Elsewhere, Location::Port)
            }
        };
        let station = station(address.key);
        let before = self.gate.table.location(station);
        if before == Some(Location::Elsewhere) && location != Location::Elsewhere {
            changing.get_or_insert_with(|| self.steering.gate.hold_all());
        }
        self.gate.table.learn(clock_monotonic_ns(), station, location);
    }

    fn forget_address(&mut self, key: AddressKey) {
        self.gate.table.forget(station(key));
    }

    /// Searches for rules of the host that the gate does not know; ports with such rules are left to
    /// the bridge, and so are ports whose rules cannot be read.
    pub async fn look_for_foreign_rules(&mut self, state: &BridgeState) {
        let Some(settings) = state.settings() else { return };
        let settings = settings.clone();
        let port = |(entry, active): (&Entry, &Active)| (active.ifindex, entry.plan.name.clone());
        let ports: Ports = self.roster.active().map(port).collect();
        let own = self.steering.gate_program_ids();
        let look = {
            let ports = ports.clone();
            move || foreign::find(&settings, &ports, &own)
        };
        let Ok(found) = tokio::task::spawn_blocking(look).await else { return };
        let gate = &mut self.gate;
        let found = gate.foreign.take(found, &ports, Instant::now());
        if found == gate.foreign.found {
            return;
        }
        let all = |findings: &Findings| {
            let each = findings.ports.values().flatten().chain(&findings.bridge);
            each.map(|rule| format!("{}; if it is not needed: {}", rule.found, rule.to_do))
                .collect::<BTreeSet<String>>()
        };
        for new in all(&found).difference(&all(&gate.foreign.found)) {
            tracing::warn!("the gate does not know this: {new}");
        }
        gate.foreign.found = found;
        self.mirror_ports(state);
    }

    /// Why a port's frames are left to the bridge, each reason with advice, and the rules that it
    /// ignores.
    pub(super) fn remark(&self, entry: &Entry) -> Option<String> {
        let active = entry.active.as_ref()?;
        match self.gate.views.get(&active.ifindex) {
            Some(view) => seen(&entry.plan, view).remark(entry.plan.foreign_rules),
            None => Some("left to the bridge: it is in none that weir follows".to_owned()),
        }
    }

    /// When the gate last saw a frame from an address at the port where the bridge has it.
    pub fn last_seen_ns(&self, address: &Address) -> Option<u64> {
        let table = &self.gate.table;
        let port = self.roster.active_at(address.ifindex)?;
        let at = station(address.key);
        (table.location(at) == Some(Location::Port(port))).then(|| table.last_seen(at))?
    }

    /// Enters the addresses that a port is locked to, when it is served.
    fn pin_addresses(&mut self, plan: &PortPlan, port: PortId) {
        let table = &mut self.gate.table;
        for &mac in &plan.mac_lock {
            // For the VLANs of a trunk, the gate takes the bridge's entries as they come.
            let address = addresses::Address { mac, vlan: 0 };
            if let Err(error) = table.pin(clock_monotonic_ns(), address, port) {
                tracing::warn!(port = plan.name, "{error}");
            }
        }
    }

    /// Retries addresses that the table has refused, or does not believe yet.
    pub fn review_addresses(&mut self, state: &BridgeState) {
        let (mut due, mut changing) = (Vec::new(), None);
        self.gate.table.retry(clock_monotonic_ns(), &mut due);
        for station in due {
            let key = AddressKey { mac: station.mac.octets(), vid: station.vlan };
            match state.address(key) {
                Some(address) => self.mirror_address(address, &mut changing),
                None => self.forget_address(key),
            }
        }
    }
}

fn station(key: AddressKey) -> addresses::Address {
    addresses::Address { mac: Mac::new(key.mac), vlan: key.vid }
}

/// A port of the bridge as its deciding program sees it. Evaluated when the gate is updated, not when
/// the bridge reports: a port may be served only after that.
fn seen<'v>(plan: &PortPlan, view: &'v PortView) -> Cow<'v, PortView> {
    match plan.mode {
        Mode::Native => Cow::Owned(view.clone().in_driver()),
        Mode::Gate => Cow::Borrowed(view),
    }
}

/// The gate's entry of a port: its promises, the bridge's view of it, and how frames can be handed to
/// it; `lanes` are the flags from [`express`].
fn gate_port(
    plan: &PortPlan,
    lanes: u32,
    ifindex: u32,
    worker: usize,
    view: Option<&PortView>,
    path: Option<&ExpressPath>,
) -> (GatePort, Vlans) {
    let mut flags = lanes;
    let mut set = |on: bool, flag: u32| flags |= if on { flag } else { 0 };
    set(plan.fallback == Fallback::Drop, gate_flags::FALLBACK_DROP);
    set(!plan.mac_lock.is_empty(), gate_flags::MAC_LOCK);
    set(!plan.ip_lock.is_empty(), gate_flags::IP_LOCK);
    set(plan.passes_reserved(), gate_flags::RESERVED_OK);
    let mut pvid = 0;
    let mut vlans = [0; VLAN_WORDS];
    if let Some(view) = view {
        set(seen(plan, view).is_decided(plan.foreign_rules), gate_flags::OFFLOAD);
        set(view.vlan_aware, gate_flags::VLAN_AWARE);
        let Port { settings, vlans: member_of } = &view.port;
        set(settings.isolated, gate_flags::ISOLATED);
        set(!settings.learning, gate_flags::NO_LEARNING);
        set(settings.locked, gate_flags::LOCKED);
        pvid = member_of.pvid().unwrap_or(0);
        set_bits(&mut vlans, 0, &member_of.spans(|_| true));
        set_bits(&mut vlans, UNTAGGED, &member_of.spans(|flags| flags.untagged));
    }
    let queue = u16::try_from(worker).unwrap_or(u16::MAX);
    let port = GatePort::new(ifindex, flags, pvid, queue, storm(plan.storm_per_s()));
    let own = express::per_byte(plan.max_rate);
    let port = port
        .with_rate(express::per_byte(plan.rate))
        .with_own_rate(own, express::ahead_ns(own, plan.burst.bytes));
    (path.map_or(port, |path| path.apply_to(port)), vlans)
}

/// A limit in frames per second, in the gate's form: the frames of 0.41 s, 4096 at 10,000 a second, may
/// all come at once.
fn storm(per_s: u32) -> Storm {
    let Some(frame_ns) = PER_S_NS.checked_div(per_s) else { return Storm::default() };
    let burst = u64::from(per_s) * 4096 / 10_000;
    Storm { frame_ns: frame_ns.max(1), burst: u32::try_from(burst).unwrap_or(u32::MAX).max(64) }
}

const PER_S_NS: u32 = 1_000_000_000;

fn set_bits(vlans: &mut Vlans, from: usize, spans: &[(u16, u16)]) {
    for vid in spans.iter().flat_map(|(first, last)| *first..=*last) {
        if let Some(word) = vlans.get_mut(from + usize::from(vid / 64)) {
            *word |= 1 << (vid % 64);
        }
    }
}

#[cfg(test)]
mod tests;
