//! The changes that lead from one state to another: after a resync the bridge is read afresh, and
//! whoever follows it hears only what is different.

use std::collections::BTreeMap;

use super::{BridgeState, Change, Seen};

impl BridgeState {
    /// What happened between `self` and a later reading of the same bridge.
    pub fn changes_to(&self, new: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.settings.is_some() && new.settings.is_none() {
            return vec![Change::BridgeRemoved];
        }
        if self.settings != new.settings {
            changes.push(Change::SettingsChanged);
        }
        let (bridge, own) = (self.ifindex, self.own_vlans != new.own_vlans);
        changes.extend(own.then_some(Change::VlansChanged { ifindex: bridge }));
        // Ports appear before, and vanish after, what the tables say of them.
        for (ifindex, port) in &new.ports {
            let ifindex = *ifindex;
            let before = self.ports.get(&ifindex);
            match before {
                None => changes.push(Change::PortAdded { ifindex }),
                Some(old) if old.settings != port.settings => {
                    changes.push(Change::PortChanged { ifindex });
                }
                Some(_) => {}
            }
            let same = before.map_or(port.vlans.is_empty(), |old| old.vlans == port.vlans);
            changes.extend((!same).then_some(Change::VlansChanged { ifindex }));
        }
        each(&self.addresses, &new.addresses, |_, old, new| {
            changes.extend(address(old, new));
        });
        each(&self.groups, &new.groups, |key, old, new| {
            changes.extend((old != new).then_some(Change::GroupsChanged { key: *key }));
        });
        changes.extend((self.routers != new.routers).then_some(Change::RoutersChanged));
        let gone = self.ports.keys().filter(|ifindex| !new.ports.contains_key(ifindex));
        changes.extend(gone.map(|ifindex| Change::PortRemoved { ifindex: *ifindex }));
        changes
    }
}

/// Calls `visit` for every key that one of the two has; those of `old` that vanished first.
fn each<K: Ord, V>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    mut visit: impl FnMut(&K, Option<&V>, Option<&V>),
) {
    for (key, value) in old.iter().filter(|(key, _)| !new.contains_key(key)) {
        visit(key, Some(value), None);
    }
    for (key, value) in new {
        visit(key, old.get(key), Some(value));
    }
}

/// What happened to an entry of the address table.
pub(super) fn address(old: Option<&Seen>, new: Option<&Seen>) -> Option<Change> {
    match (old, new) {
        (None, None) => None,
        (Some(old), None) => Some(Change::AddressRemoved { address: old.address }),
        (None, Some(Seen { address, age })) => {
            Some(Change::AddressAdded { address: *address, age: *age })
        }
        (Some(Seen { address: old, .. }), Some(Seen { address, age })) => {
            let (address, age) = (*address, *age);
            if old.ifindex != address.ifindex {
                Some(Change::AddressMoved { address, from: old.ifindex, age })
            } else if *old != address {
                Some(Change::AddressChanged { address, age })
            } else {
                None
            }
        }
    }
}
