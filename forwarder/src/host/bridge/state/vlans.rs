//! The VLANs of which a port is a member.
//! Invariant: the ranges are sorted, disjoint and as few as possible, so that equal memberships
//! compare equal; at most one VLAN is the PVID.

use super::settings::StpState;

/// The flags of a VLAN at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanFlags {
    /// Untagged frames that arrive belong to this VLAN.
    pub pvid: bool,
    /// Frames of this VLAN leave without a tag.
    pub untagged: bool,
    pub options: VlanOptions,
}

/// Settings of a VLAN at a port beyond its membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanOptions {
    pub state: StpState,
    pub neigh_suppress: bool,
}

impl Default for VlanOptions {
    fn default() -> Self {
        Self { state: StpState::FORWARDING, neigh_suppress: false }
    }
}

/// VLANs `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VlanRange {
    pub first: u16,
    pub last: u16,
    pub flags: VlanFlags,
}

impl VlanRange {
    fn part(&self, first: u16, last: u16) -> Option<Self> {
        let (first, last) = (first.max(self.first), last.min(self.last));
        (first <= last).then_some(Self { first, last, flags: self.flags })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VlanSet {
    ranges: Vec<VlanRange>,
}

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
    pub fn ranges(&self) -> &[VlanRange] {
        &self.ranges
    }

    pub fn get(&self, vid: u16) -> Option<VlanFlags> {
        let at = self.ranges.partition_point(|range| range.last < vid);
        self.ranges.get(at).filter(|range| range.first <= vid).map(|range| range.flags)
    }

    pub fn pvid(&self) -> Option<u16> {
        self.ranges.iter().find(|range| range.flags.pvid).map(|range| range.first)
    }

    /// The VLANs whose flags match, in as few ranges as possible.
    pub fn spans(&self, wanted: impl Fn(&VlanFlags) -> bool) -> Vec<(u16, u16)> {
        let mut spans: Vec<(u16, u16)> = Vec::new();
        for range in self.ranges.iter().filter(|range| wanted(&range.flags)) {
            match spans.last_mut() {
                Some((_, last)) if *last + 1 == range.first => *last = range.last,
                _ => spans.push((range.first, range.last)),
            }
        }
        spans
    }

    /// Makes the VLANs of a range members, or updates their flags.
    pub fn set(&mut self, range: VlanRange) {
        if range.first > range.last {
            return;
        }
        if range.flags.pvid {
            // The kernel sends nothing about the VLAN that has just ceased to be the PVID.
            for other in &mut self.ranges {
                other.flags.pvid = false;
            }
        }
        self.cut(range.first, range.last);
        self.ranges.push(range);
        self.tidy();
    }

    pub fn remove(&mut self, first: u16, last: u16) {
        self.cut(first, last);
        self.tidy();
    }

    /// The complete membership from a message that carries no options: VLANs that were members before
    /// keep theirs from `self`.
    pub fn with_members(&self, members: &Self) -> Self {
        let mut merged = members.clone();
        let plain = VlanOptions::default();
        for old in self.ranges.iter().filter(|range| range.flags.options != plain) {
            for mut part in members.ranges.iter().filter_map(|new| new.part(old.first, old.last)) {
                part.flags.options = old.flags.options;
                merged.set(part);
            }
        }
        merged
    }

    fn cut(&mut self, first: u16, last: u16) {
        let outside = |range: &VlanRange| {
            let below = first.checked_sub(1).and_then(|end| range.part(0, end));
            let above = last.checked_add(1).and_then(|start| range.part(start, u16::MAX));
            below.into_iter().chain(above)
        };
        self.ranges = self.ranges.iter().flat_map(outside).collect();
    }

    fn tidy(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.first);
        self.ranges.dedup_by(|next, range| {
            let joins = range.last.checked_add(1) == Some(next.first) && range.flags == next.flags;
            if joins {
                range.last = next.last;
            }
            joins
        });
    }
}

#[cfg(test)]
mod tests;
