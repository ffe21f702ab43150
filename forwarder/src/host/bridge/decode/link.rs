//! RTM_NEWLINK and RTM_DELLINK: about every interface (AF_UNSPEC), and about a bridge and its ports
//! (AF_BRIDGE). Both carry a port's settings; only the second carries its VLANs.

use nix::libc;

use super::super::state::{PortSettings, Settings};
use super::{Message, vlans};
use crate::host::netlink::{attribute, attributes, text, u16_at, u32_at};

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
            let bridge = attribute(payload, HEADER_LEN, libc::IFLA_MASTER);
            let bridge = bridge.and_then(|master| u32_at(master, 0));
            // The message about every interface also reports that a bridge is gone.
            let bridge = bridge.filter(|bridge| *bridge != ifindex)?;
            Some(Message::NotAPort { bridge: Some(bridge), ifindex })
        }
        _ => None,
    }
}

/// Attributes that every kind of interface has.
struct Common<'a> {
    ifindex: u32,
    name: String,
    up: bool,
    promiscuous: bool,
    master: Option<u32>,
    info: Option<&'a [u8]>,
    port: Option<&'a [u8]>,
    family: Option<&'a [u8]>,
}

fn common(payload: &[u8]) -> Option<Common<'_>> {
    let find = |wanted| attribute(payload, HEADER_LEN, wanted);
    Some(Common {
        ifindex: u32_at(payload, 4)?,
        name: find(libc::IFLA_IFNAME).map(text).unwrap_or_default(),
        up: u32_at(payload, 8)? & libc::IFF_UP as u32 != 0,
        // This counts the users of promiscuous mode; the flag shows only what the administrator set.
        promiscuous: match find(libc::IFLA_PROMISCUITY) {
            Some(users) => u32_at(users, 0)? != 0,
            None => false,
        },
        master: find(libc::IFLA_MASTER).and_then(|master| u32_at(master, 0)),
        info: find(libc::IFLA_LINKINFO),
        port: find(libc::IFLA_PROTINFO),
        family: find(libc::IFLA_AF_SPEC),
    })
}

fn interface(payload: &[u8]) -> Option<Message> {
    let common = common(payload)?;
    let info = common.info.unwrap_or_default();
    let find = |wanted| attribute(info, 0, wanted);
    let is_bridge = |kind| find(kind).map(text).as_deref() == Some("bridge");
    let ifindex = common.ifindex;
    if is_bridge(libc::IFLA_INFO_KIND) {
        let Common { name, up, promiscuous, .. } = common;
        let settings = Settings { name, up, promiscuous, ..Settings::default() };
        let settings = settings.with(find(libc::IFLA_INFO_DATA)?);
        return Some(Message::Bridge { ifindex, settings });
    }
    let port = find(libc::IFLA_INFO_SLAVE_DATA).filter(|_| is_bridge(libc::IFLA_INFO_SLAVE_KIND));
    let (Some(bridge), Some(port)) = (common.master, port) else {
        return Some(Message::NotAPort { bridge: None, ifindex });
    };
    Some(Message::Port { bridge, ifindex, settings: port_settings(common, port), vlans: None })
}

fn of_a_bridge(payload: &[u8]) -> Option<Message> {
    let common = common(payload)?;
    let ifindex = common.ifindex;
    let mut ranges = Vec::new();
    let mut others = false;
    for (attribute, value) in common.family.into_iter().flat_map(|list| attributes(list, 0)) {
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
    match (common.master, common.port) {
        (Some(bridge), Some(port)) => {
            let settings = port_settings(common, port);
            Some(Message::Port { bridge, ifindex, settings, vlans })
        }
        _ => None,
    }
}

fn port_settings(common: Common<'_>, data: &[u8]) -> PortSettings {
    PortSettings { name: common.name, ..PortSettings::default() }.with(data)
}
