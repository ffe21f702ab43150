//! The known state of one bridge: its settings, its ports and their VLANs, and its address table.
//! Invariant: but for its times, the state depends only on the applied messages; one without news yields no
//! change.

mod settings;
mod vlans;

use std::collections::BTreeMap;
use std::time::Duration;

pub use self::settings::{PortSettings, Settings, StpState, VLAN_PROTOCOL_8021Q};
pub use self::vlans::{VlanFlags, VlanRange, VlanSet};
use super::decode::Message;

/// The key by which a bridge finds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    pub mac: [u8; 6],
    /// 0 without VLAN filtering.
    pub vid: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Frames to it are for the host.
    Local,
    /// A user or daemon entered the address; it neither ages nor moves.
    Static,
    /// The address ages and moves, whether it was learned or entered by hand.
    Learned,
}

/// An entry of the address table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub key: AddressKey,
    /// The port that leads to it, or the bridge itself for one of the bridge's own addresses.
    pub ifindex: u32,
    pub kind: AddressKind,
    /// A control plane entered the address and also removes it: it does not age.
    pub extern_learned: bool,
    /// Seen at a locked port and not authorized there.
    pub locked: bool,
}

impl Address {
    /// Whether the bridge forgets it when no frame comes from it.
    pub fn ages(&self) -> bool {
        self.kind == AddressKind::Learned && !self.extern_learned
    }
}

/// An address, and when the bridge last saw a frame from it, as far as weir knows (CLOCK_MONOTONIC). The
/// true time may be later.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub address: Address,
    pub at_ns: u64,
}

/// The time differs a little in every reading and is not compared.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Seen {}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A port of the bridge.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Port {
    pub settings: PortSettings,
    pub vlans: VlanSet,
}

/// One difference between the old state and the new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    SettingsChanged,
    /// The bridge no longer exists, and nothing else is known of it.
    BridgeRemoved,
    /// A port came or went, or its settings or VLANs changed.
    PortChanged {
        ifindex: u32,
    },
    /// An address is new, has moved, or its kind or flags changed. `before`: the port that had it.
    AddressSet {
        address: Address,
        before: Option<u32>,
    },
    AddressRemoved {
        address: Address,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeState {
    ifindex: u32,
    settings: Option<Settings>,
    ports: BTreeMap<u32, Port>,
    addresses: BTreeMap<AddressKey, Seen>,
}

impl BridgeState {
    /// An empty state of the bridge with that interface index.
    pub fn new(ifindex: u32) -> Self {
        Self { ifindex, settings: None, ports: BTreeMap::new(), addresses: BTreeMap::new() }
    }

    pub fn ifindex(&self) -> u32 {
        self.ifindex
    }

    /// `None`: the bridge does not exist, or no message about it has arrived.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    pub fn ports(&self) -> impl Iterator<Item = (u32, &Port)> {
        self.ports.iter().map(|(ifindex, port)| (*ifindex, port))
    }

    pub fn port(&self, ifindex: u32) -> Option<&Port> {
        self.ports.get(&ifindex)
    }

    pub fn addresses(&self) -> impl Iterator<Item = &Seen> {
        self.addresses.values()
    }

    pub fn address(&self, key: AddressKey) -> Option<&Address> {
        self.addresses.get(&key).map(|seen| &seen.address)
    }

    /// The bridge has just been told of a frame from the address, about which it sends no message.
    pub fn refreshed(&mut self, key: AddressKey, now_ns: u64) {
        if let Some(seen) = self.addresses.get_mut(&key) {
            seen.at_ns = now_ns;
        }
    }

    /// Applies a message and returns the changes; none if it concerns another subject.
    pub fn apply(&mut self, message: Message) -> Vec<Change> {
        let mut changes = Vec::new();
        match message {
            Message::Bridge { ifindex, settings } if ifindex == self.ifindex => {
                if self.settings.as_ref() != Some(&settings) {
                    self.settings = Some(settings);
                    changes.push(Change::SettingsChanged);
                }
            }
            Message::Port { bridge, ifindex, settings, vlans } if bridge == self.ifindex => {
                if self.port(ifindex).is_none_or(|port| port.settings != settings) {
                    self.ports.entry(ifindex).or_default().settings = settings;
                    changes.push(Change::PortChanged { ifindex });
                }
                if let Some(vlans) = vlans {
                    let merge = |held: &mut VlanSet| *held = held.with_members(&vlans);
                    changes.extend(self.edit_vlans(ifindex, merge));
                }
            }
            // It is a port of another bridge now.
            Message::Port { ifindex, .. } => self.remove_port(ifindex, &mut changes),
            Message::NotAPort { bridge, ifindex } => {
                if bridge.is_none_or(|bridge| bridge == self.ifindex) {
                    self.remove_port(ifindex, &mut changes);
                }
            }
            Message::Gone { ifindex } if ifindex == self.ifindex => {
                if self.settings.is_some() {
                    *self = Self::new(ifindex);
                    changes.push(Change::BridgeRemoved);
                }
            }
            Message::Gone { ifindex } => self.remove_port(ifindex, &mut changes),
            Message::Vlans { ifindex, ranges, gone } => {
                changes.extend(self.edit_vlans(ifindex, |held| {
                    for range in ranges {
                        if gone { held.remove(range.first, range.last) } else { held.set(range) }
                    }
                }));
            }
            Message::Address { bridge, seen } if bridge == self.ifindex => {
                let old = self.addresses.insert(seen.address.key, seen);
                changes.extend(address_set(old.as_ref(), &seen));
            }
            Message::AddressGone { bridge, key, ifindex } if bridge == self.ifindex => {
                // An address that has moved meanwhile is not gone.
                if self.address(key).is_some_and(|held| held.ifindex == ifindex)
                    && let Some(Seen { address, .. }) = self.addresses.remove(&key)
                {
                    changes.push(Change::AddressRemoved { address });
                }
            }
            // These are of another bridge.
            Message::Bridge { .. } | Message::Address { .. } | Message::AddressGone { .. } => {}
        }
        changes
    }

    /// The changes between `self` and a later reading of the same bridge.
    pub fn changes_to(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.settings.is_some() && new.settings.is_none() {
            return vec![Change::BridgeRemoved];
        }
        if self.settings != new.settings {
            changes.push(Change::SettingsChanged);
        }
        // A port appears before its table entries, and vanishes after them.
        let changed = |(ifindex, port): &(&u32, &Port)| self.ports.get(ifindex) != Some(*port);
        let changed = new.ports.iter().filter(changed);
        changes.extend(changed.map(|(ifindex, _)| Change::PortChanged { ifindex: *ifindex }));
        let vanished = self.addresses.iter().filter(|(key, _)| !new.addresses.contains_key(key));
        changes.extend(vanished.map(|(_, old)| Change::AddressRemoved { address: old.address }));
        let there = new.addresses.iter();
        changes.extend(there.filter_map(|(key, seen)| address_set(self.addresses.get(key), seen)));
        let gone = self.ports.keys().filter(|ifindex| !new.ports.contains_key(ifindex));
        changes.extend(gone.map(|ifindex| Change::PortChanged { ifindex: *ifindex }));
        changes
    }

    /// The kernel removes a port's table entries; its messages about them may come later or be lost.
    fn remove_port(&mut self, ifindex: u32, changes: &mut Vec<Change>) {
        if self.ports.remove(&ifindex).is_none() {
            return;
        }
        self.addresses.retain(|_, seen| {
            let stays = seen.address.ifindex != ifindex;
            changes.extend((!stays).then_some(Change::AddressRemoved { address: seen.address }));
            stays
        });
        changes.push(Change::PortChanged { ifindex });
    }

    fn edit_vlans(&mut self, ifindex: u32, edit: impl FnOnce(&mut VlanSet)) -> Option<Change> {
        let port = self.ports.get_mut(&ifindex)?;
        let before = port.vlans.clone();
        edit(&mut port.vlans);
        (port.vlans != before).then_some(Change::PortChanged { ifindex })
    }
}

/// The change that an entry of the address table brings, if it is news.
fn address_set(old: Option<&Seen>, Seen { address, .. }: &Seen) -> Option<Change> {
    let old = old.map(|old| old.address);
    let before = old.map(|old| old.ifindex);
    (old != Some(*address)).then_some(Change::AddressSet { address: *address, before })
}

#[cfg(test)]
mod tests;
