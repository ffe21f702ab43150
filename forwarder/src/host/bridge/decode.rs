//! Parses rtnetlink's messages about a bridge, its ports and its tables. Invariant: pure. Unknown
//! attributes are skipped, and a malformed message yields nothing.

use std::time::Duration;

use nix::libc;

use super::state::{Address, AddressKey, AddressKind, PortSettings, Seen, Settings, StpState};
use super::state::{VlanFlags, VlanRange, VlanSet, nanoseconds};
use crate::host::netlink::{Attributes, u16_at, u32_at};

const LINK_HEADER_LEN: usize = 16;
const NEIGHBOUR_HEADER_LEN: usize = 12;
const VLAN_HEADER_LEN: usize = 8;

// linux/rtnetlink.h
const RTM_NEWVLAN: u16 = 112;
const RTM_DELVLAN: u16 = 113;

// linux/neighbour.h
const NDA_MASTER: u16 = 9;
const NDA_FLAGS_EXT: u16 = 15;
const NTF_EXT_LEARNED: u8 = 1 << 4;
const NTF_EXT_LOCKED: u32 = 1 << 1;

// linux/if_bridge.h
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_SELF: u16 = 2;
const BRIDGE_VLAN_INFO_PVID: u16 = 1 << 1;
const BRIDGE_VLAN_INFO_UNTAGGED: u16 = 1 << 2;
const BRIDGE_VLAN_INFO_RANGE_BEGIN: u16 = 1 << 3;
const BRIDGE_VLAN_INFO_RANGE_END: u16 = 1 << 4;
const BRIDGE_VLANDB_ENTRY: u16 = 1;
const BRIDGE_VLANDB_ENTRY_INFO: u16 = 1;
const BRIDGE_VLANDB_ENTRY_RANGE: u16 = 2;
const BRIDGE_VLANDB_ENTRY_STATE: u16 = 3;
const BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS: u16 = 9;

/// The unit of times that the kernel reports to user space: 100 ticks a second on every architecture.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The content of one message of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Bridge {
        ifindex: u32,
        settings: Settings,
    },
    /// An interface is a port of a bridge; `vlans` is its membership if the message carries it.
    Port {
        bridge: u32,
        ifindex: u32,
        settings: PortSettings,
        vlans: Option<VlanSet>,
    },
    /// An interface is no longer a port of that bridge or, without `bridge`, of any.
    NotAPort {
        bridge: Option<u32>,
        ifindex: u32,
    },
    /// An interface no longer exists.
    Gone {
        ifindex: u32,
    },
    /// VLANs were added or changed, or are `gone`.
    Vlans {
        ifindex: u32,
        ranges: Vec<VlanRange>,
        gone: bool,
    },
    Address {
        bridge: u32,
        seen: Seen,
    },
    AddressGone {
        bridge: u32,
        key: AddressKey,
        ifindex: u32,
    },
}

/// Parses a message from its kind and the payload behind its header; `None` if it concerns no bridge.
/// `now_ns` is the time at which it was received.
pub fn message(kind: u16, payload: &[u8], now_ns: u64) -> Option<Message> {
    let family = i32::from(*payload.first()?);
    match (kind, family) {
        (libc::RTM_NEWLINK, libc::AF_UNSPEC) => interface(payload),
        (libc::RTM_NEWLINK, libc::AF_BRIDGE) => port_of_a_bridge(payload),
        (libc::RTM_DELLINK, libc::AF_UNSPEC) => {
            Some(Message::Gone { ifindex: u32_at(payload, 4)? })
        }
        (libc::RTM_DELLINK, libc::AF_BRIDGE) => {
            let ifindex = u32_at(payload, 4)?;
            let bridge = Attributes::behind(LINK_HEADER_LEN, payload).u32(libc::IFLA_MASTER);
            // The message about every interface also reports that a bridge is gone.
            let bridge = bridge.filter(|bridge| *bridge != ifindex)?;
            Some(Message::NotAPort { bridge: Some(bridge), ifindex })
        }
        (libc::RTM_NEWNEIGH, libc::AF_BRIDGE) => {
            let (bridge, seen) = address(payload, now_ns)?;
            Some(Message::Address { bridge, seen })
        }
        (libc::RTM_DELNEIGH, libc::AF_BRIDGE) => {
            let (bridge, Seen { address, .. }) = address(payload, now_ns)?;
            let Address { key, ifindex, .. } = address;
            Some(Message::AddressGone { bridge, key, ifindex })
        }
        (RTM_NEWVLAN | RTM_DELVLAN, libc::AF_BRIDGE) => vlans(payload, kind == RTM_DELVLAN),
        _ => None,
    }
}

/// An entry of a bridge's table, and the bridge; `None` for the filters of single devices.
fn address(payload: &[u8], now_ns: u64) -> Option<(u32, Seen)> {
    let state = u16_at(payload, 8)?;
    let flags = *payload.get(10)?;
    let all = Attributes::behind(NEIGHBOUR_HEADER_LEN, payload);
    let kind = if state & libc::NUD_PERMANENT != 0 {
        AddressKind::Local
    } else if state & libc::NUD_NOARP != 0 {
        AddressKind::Static
    } else {
        AddressKind::Learned
    };
    let mac = all.get(libc::NDA_LLADDR)?.try_into().ok()?;
    let address = Address {
        key: AddressKey { mac, vid: all.u16(libc::NDA_VLAN).unwrap_or(0) },
        ifindex: u32_at(payload, 4)?,
        kind,
        extern_learned: flags & NTF_EXT_LEARNED != 0,
        locked: all.u32(NDA_FLAGS_EXT).is_some_and(|flags| flags & NTF_EXT_LOCKED != 0),
    };
    // The third of the four ages is the time since a frame last came from the address.
    let age = all.get(libc::NDA_CACHEINFO).and_then(|ages| u32_at(ages, 8));
    let age = age.map_or(Duration::ZERO, |ticks| TICK.saturating_mul(ticks));
    let at_ns = now_ns.saturating_sub(nanoseconds(age));
    Some((all.u32(NDA_MASTER)?, Seen { address, at_ns }))
}

/// A message about any interface. It carries a port's settings, and not its VLANs.
fn interface(payload: &[u8]) -> Option<Message> {
    let (ifindex, flags) = (u32_at(payload, 4)?, u32_at(payload, 8)?);
    let all = Attributes::behind(LINK_HEADER_LEN, payload);
    let info = all.nested(libc::IFLA_LINKINFO);
    let is_bridge = |kind| info.text(kind).as_deref() == Some("bridge");
    if is_bridge(libc::IFLA_INFO_KIND) {
        let settings = Settings {
            name: all.text(libc::IFLA_IFNAME).unwrap_or_default(),
            up: flags & libc::IFF_UP as u32 != 0,
            // This counts all users of promiscuous mode; the flag shows what the administrator set.
            promiscuous: all.u32(libc::IFLA_PROMISCUITY).is_some_and(|users| users != 0),
            ..Settings::default()
        };
        let data = Attributes(info.get(libc::IFLA_INFO_DATA)?);
        return Some(Message::Bridge { ifindex, settings: settings.with(data) });
    }
    let data = info.get(libc::IFLA_INFO_SLAVE_DATA);
    let data = data.filter(|_| is_bridge(libc::IFLA_INFO_SLAVE_KIND));
    Some(port(all, ifindex, data, None).unwrap_or(Message::NotAPort { bridge: None, ifindex }))
}

/// A bridge's message about one of its ports, with its VLANs.
fn port_of_a_bridge(payload: &[u8]) -> Option<Message> {
    let all = Attributes::behind(LINK_HEADER_LEN, payload);
    let mut ranges = Vec::new();
    let mut others = false;
    for (attribute, value) in all.nested(libc::IFLA_AF_SPEC).iter() {
        match attribute {
            // A NIC describes its internal switch with messages that look alike.
            IFLA_BRIDGE_FLAGS if u16_at(value, 0)? & BRIDGE_FLAGS_SELF != 0 => return None,
            IFLA_BRIDGE_VLAN_INFO => ranges.push(value),
            _ => others = true,
        }
    }
    // The list is absent when it is empty, and in a message about another subject, such as CFM.
    let told = !ranges.is_empty() || !others;
    let vlans = told.then(|| vlan_list(ranges));
    port(all, u32_at(payload, 4)?, all.get(libc::IFLA_PROTINFO), vlans)
}

/// A port of a bridge whose settings are in `data`.
fn port(
    all: Attributes<'_>,
    ifindex: u32,
    data: Option<&[u8]>,
    vlans: Option<VlanSet>,
) -> Option<Message> {
    let bridge = all.u32(libc::IFLA_MASTER)?;
    let name = all.text(libc::IFLA_IFNAME).unwrap_or_default();
    let settings = PortSettings { name, ..PortSettings::default() }.with(Attributes(data?));
    Some(Message::Port { bridge, ifindex, settings, vlans })
}

/// Flags and VID of a `bridge_vlan_info`.
fn vlan_info(value: &[u8]) -> Option<(u16, u16)> {
    Some((u16_at(value, 0)?, u16_at(value, 2)?))
}

fn vlan_range(first: u16, last: u16, flags: u16) -> VlanRange {
    let pvid = flags & BRIDGE_VLAN_INFO_PVID != 0;
    let untagged = flags & BRIDGE_VLAN_INFO_UNTAGGED != 0;
    VlanRange { first, last, flags: VlanFlags::new(pvid, untagged) }
}

/// Parses a list as link messages carry it: a range is two entries, its first and its last VLAN.
fn vlan_list<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> VlanSet {
    let mut begin = None;
    let mut ranges = Vec::new();
    for (flags, vid) in entries.into_iter().filter_map(vlan_info) {
        if flags & BRIDGE_VLAN_INFO_RANGE_BEGIN != 0 {
            begin = Some(vid);
            continue;
        }
        let first = match begin.take() {
            Some(first) if flags & BRIDGE_VLAN_INFO_RANGE_END != 0 => first,
            _ => vid,
        };
        ranges.push(vlan_range(first, vid, flags));
    }
    ranges.into_iter().collect()
}

/// RTM_NEWVLAN or RTM_DELVLAN; `None` for VLAN settings of the whole bridge.
fn vlans(payload: &[u8], gone: bool) -> Option<Message> {
    let ifindex = u32_at(payload, 4)?;
    let ranges: Vec<_> = Attributes::behind(VLAN_HEADER_LEN, payload)
        .iter()
        .filter(|(attribute, _)| *attribute == BRIDGE_VLANDB_ENTRY)
        .filter_map(|(_, value)| vlan_entry(Attributes(value)))
        .collect();
    (!ranges.is_empty()).then_some(Message::Vlans { ifindex, ranges, gone })
}

fn vlan_entry(entry: Attributes<'_>) -> Option<VlanRange> {
    let byte = |kind| entry.get(kind)?.first().copied();
    let (flags, vid) = vlan_info(entry.get(BRIDGE_VLANDB_ENTRY_INFO)?)?;
    let last = entry.u16(BRIDGE_VLANDB_ENTRY_RANGE).unwrap_or(vid);
    let mut range = vlan_range(vid, last, flags);
    if let Some(state) = byte(BRIDGE_VLANDB_ENTRY_STATE) {
        range.flags.state = StpState(state);
    }
    range.flags.neigh_suppress = byte(BRIDGE_VLANDB_ENTRY_NEIGH_SUPPRESS).is_some_and(|on| on != 0);
    Some(range)
}

#[cfg(test)]
mod tests;
