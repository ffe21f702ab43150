//! The VLANs of which a port is a member. Invariant: at most one of them is the PVID.

use std::collections::BTreeMap;

use super::settings::StpState;

/// What a port does in a VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanFlags {
    /// Untagged frames that arrive belong to this VLAN.
    pub pvid: bool,
    /// Frames of this VLAN leave without a tag.
    pub untagged: bool,
    pub state: StpState,
    pub neigh_suppress: bool,
}

impl VlanFlags {
    pub fn new(pvid: bool, untagged: bool) -> Self {
        Self { pvid, untagged, state: StpState::FORWARDING, neigh_suppress: false }
    }
}

/// VLANs `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    pub first: u16,
    pub last: u16,
    pub flags: VlanFlags,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VlanSet(BTreeMap<u16, VlanFlags>);

impl FromIterator<VlanRange> for VlanSet {
    fn from_iter<T: IntoIterator<Item = VlanRange>>(ranges: T) -> Self {
        let mut set = Self::default();
        for range in ranges {
            set.set(range);
        }
        set
    }
}

impl VlanSet {
    pub fn iter(&self) -> impl Iterator<Item = (u16, VlanFlags)> {
        self.0.iter().map(|(vid, flags)| (*vid, *flags))
    }

    pub fn get(&self, vid: u16) -> Option<VlanFlags> {
        self.0.get(&vid).copied()
    }

    pub fn pvid(&self) -> Option<u16> {
        self.iter().find(|(_, flags)| flags.pvid).map(|(vid, _)| vid)
    }

    /// The VLANs whose flags match, in as few ranges as possible.
    pub fn spans(&self, wanted: impl Fn(&VlanFlags) -> bool) -> Vec<(u16, u16)> {
        let mut spans: Vec<(u16, u16)> = Vec::new();
        for (vid, _) in self.iter().filter(|(_, flags)| wanted(flags)) {
            match spans.last_mut() {
                Some((_, last)) if *last + 1 == vid => *last = vid,
                _ => spans.push((vid, vid)),
            }
        }
        spans
    }

    /// Makes the VLANs of a range members, or updates their flags.
    pub fn set(&mut self, range: VlanRange) {
        if range.flags.pvid && range.first <= range.last {
            // The kernel sends nothing about the VLAN that has just ceased to be the PVID.
            self.0.values_mut().for_each(|flags| flags.pvid = false);
        }
        self.0.extend((range.first..=range.last).map(|vid| (vid, range.flags)));
    }

    pub fn remove(&mut self, first: u16, last: u16) {
        self.0.retain(|vid, _| !(first..=last).contains(vid));
    }

    /// The complete membership from a message that carries only PVID and tagging; members keep the rest.
    pub fn with_members(&self, members: &Self) -> Self {
        let mut merged = members.clone();
        for (vid, flags) in &mut merged.0 {
            if let Some(old) = self.get(*vid) {
                *flags = VlanFlags { pvid: flags.pvid, untagged: flags.untagged, ..old };
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests;
