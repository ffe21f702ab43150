//! VLAN membership: the list inside an AF_BRIDGE link message, and RTM_NEWVLAN, RTM_DELVLAN.

use nix::libc;

use super::super::state::{StpState, VlanFlags, VlanOptions, VlanRange, VlanSet};
use super::Message;
use crate::host::netlink::{Attributes, u16_at, u32_at};

const HEADER_LEN: usize = 8;

// linux/if_bridge.h
const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 1 << 4;
const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;
const BRIDGE_VLANDB_ENTRY_STATE: u16 = 3;
const BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS: u16 = 9;

/// Flags and VID of a `bridge_vlan_info`.
fn info(value: &[u8]) -> Option<(u16, u16)> {
    Some((u16_at(value, 0)?, u16_at(value, 2)?))
}

fn range(first: u16, last: u16, flags: u16, options: VlanOptions) -> VlanRange {
    let pvid = flags & BRIDGE_VLAN_INFO_PVID != 0;
    let untagged = flags & BRIDGE_VLAN_INFO_UNTAGGED != 0;
    VlanRange { first, last, flags: VlanFlags { pvid, untagged, options } }
}

/// Parses a list as link messages carry it: a range is two entries, its first and its last VLAN.
pub(super) fn list<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> VlanSet {
    let mut begin = None;
    let mut ranges = Vec::new();
    for (flags, vid) in entries.into_iter().filter_map(info) {
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            begin = Some(vid);
            continue;
        }
        let first = match begin.take() {
            Some(first) if flags & BRIDGE_VLAN_INFO_RANGE_END != 0 => first,
            _ => vid,
        };
        ranges.push(range(first, vid, flags, VlanOptions::default()));
    }
    ranges.into_iter().collect()
}

pub(super) fn message(payload: &[u8], gone: bool) -> Option<Message> {
    if i32::from(*payload.first()?) != libc::AF_BRIDGE {
        return None;
    }
    let ifindex = u32_at(payload, 4)?;
    let ranges: Vec<_> = Attributes::behind(HEADER_LEN, payload)
        .iter()
        .filter(|(attribute, _)| *attribute == BRIDGE_VLANDB_ENTRY)
        .filter_map(|(_, value)| entry(Attributes(value)))
        .collect();
    // The same messages carry VLAN settings of the whole bridge.
    if ranges.is_empty() {
        return None;
    }
    Some(Message::Vlans { ifindex, ranges, gone })
}

fn entry(entry: Attributes<'_>) -> Option<VlanRange> {
    let byte = |kind| entry.get(kind)?.first().copied();
    let (flags, vid) = info(entry.get(BRIDGE_VLANDB_ENTRY_INFO)?)?;
    let mut options = VlanOptions::default();
    if let Some(state) = byte(BRIDGE_VLANDB_ENTRY_STATE) {
        options.state = StpState(state);
    }
    options.neigh_suppress = byte(BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS).is_some_and(|on| on != 0);
    let last = entry.u16(BRIDGE_VLANDB_ENTRY_RANGE).unwrap_or(vid);
    Some(range(vid, last, flags, options))
}
