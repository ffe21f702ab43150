//! The changes that lead from one state to another: after a resync the bridge is read afresh, and
//! whoever follows it hears only what is different.

use super::{BridgeState, Change, Port, Seen};

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
        // A port appears before, and vanishes after, what the table says of it.
        let changed = |(ifindex, port): &(&u32, &Port)| self.ports.get(ifindex) != Some(*port);
        let changed = new.ports.iter().filter(changed);
        changes.extend(changed.map(|(ifindex, _)| Change::PortChanged { ifindex: *ifindex }));
        let vanished = self.addresses.iter().filter(|(key, _)| !new.addresses.contains_key(key));
        changes.extend(vanished.filter_map(|(_, old)| address(Some(old), None)));
        let there = new.addresses.iter();
        changes
            .extend(there.filter_map(|(key, seen)| address(self.addresses.get(key), Some(seen))));
        let gone = self.ports.keys().filter(|ifindex| !new.ports.contains_key(ifindex));
        changes.extend(gone.map(|ifindex| Change::PortChanged { ifindex: *ifindex }));
        changes
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
