//! RTM_NEWLINK and RTM_DELLINK: about every interface (AF_UNSPEC), and about a bridge and its ports
//! (AF_BRIDGE). Both carry a port's settings; only the second carries its VLANs.

use nix::libc;

use super::super::state::{PortSettings, Settings, VlanSet};
use super::{Message, vlans};
use crate::host::netlink::{Attributes, u16_at, u32_at};

const HEADER_LEN: usize = 16;

// linux/if_bridge.h
const IFLA_BRIDGE_FLAGS: u16 = 0;
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BRIDGE_FLAGS_SELF: u16 = 2;

pub(super) fn new(payload: &[u8]) -> Option<Message> {
    match i32::from(*payload.first()?) {
        libc::AF_UNSPEC => interface(payload),
        libc::AF_BRIDGE => of_a_bridge(payload),
        _ => None,
    }
}

pub(super) fn deleted(payload: &[u8]) -> Option<Message> {
    let ifindex = u32_at(payload, 4)?;
    match i32::from(*payload.first()?) {
        libc::AF_UNSPEC => Some(Message::Gone { ifindex }),
        libc::AF_BRIDGE => {
            let bridge = Attributes::behind(HEADER_LEN, payload).u32(libc::IFLA_MASTER);
            // The message about every interface also reports that a bridge is gone.
            let bridge = bridge.filter(|bridge| *bridge != ifindex)?;
            Some(Message::NotAPort { bridge: Some(bridge), ifindex })
        }
        _ => None,
    }
}

fn interface(payload: &[u8]) -> Option<Message> {
    let (ifindex, flags) = (u32_at(payload, 4)?, u32_at(payload, 8)?);
    let all = Attributes::behind(HEADER_LEN, payload);
    let info = all.nested(libc::IFLA_LINKINFO);
    let is_bridge = |kind| info.text(kind).as_deref() == Some("bridge");
    if is_bridge(libc::IFLA_INFO_KIND) {
        let settings = Settings {
            name: all.text(libc::IFLA_IFNAME).unwrap_or_default(),
            up: flags & libc::IFF_UP as u32 != 0,
            // This counts the users of promiscuous mode; the flag shows only what the administrator
            // set.
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

fn of_a_bridge(payload: &[u8]) -> Option<Message> {
    let all = Attributes::behind(HEADER_LEN, payload);
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
    // The list is complete, and absent when it is empty. But a message about another subject, such as
    // CFM, was requested without the list.
    let told = !ranges.is_empty() || !others;
    let vlans = told.then(|| vlans::list(ranges));
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
