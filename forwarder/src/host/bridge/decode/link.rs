//! RTM_NEWLINK and RTM_DELLINK: about every interface (AF_UNSPEC), and about a bridge and its ports
//! (AF_BRIDGE). Both carry a port's settings; only the second carries its VLANs.

use nix::libc;

use super::super::state::{PortSettings, Settings};
use super::{Message, TICK, vlans};
use crate::host::netlink::{attribute, attributes, text, u16_at, u32_at};

const HEADER_LEN: usize = 16;

// linux/if_link.h
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_VLAN_PROTOCOL: u16 = 8;
const IFLA_BR_TOPOLOGY_CHANGE: u16 = 14;
const IFLA_BR_NF_CALL_IPTABLES: u16 = 36;
const IFLA_BR_NF_CALL_IP6TABLES: u16 = 37;
const IFLA_BR_NF_CALL_ARPTABLES: u16 = 38;
const IFLA_BR_VLAN_STATS_ENABLED: u16 = 41;
const IFLA_BR_VLAN_STATS_PER_PORT: u16 = 45;
const IFLA_BR_MULTI_BOOLOPT: u16 = 46;
const BR_BOOLOPT_MST_ENABLE: u32 = 1 << 2;

const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_PROXYARP: u16 = 10;
const IFLA_BRPORT_PROXYARP_WIFI: u16 = 12;
const IFLA_BRPORT_VLAN_TUNNEL: u16 = 29;
const IFLA_BRPORT_NEIGH_SUPPRESS: u16 = 32;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_BRPORT_BACKUP_PORT: u16 = 34;
const IFLA_BRPORT_LOCKED: u16 = 39;
const IFLA_BRPORT_MAB: u16 = 40;
const IFLA_BRPORT_NEIGH_VLAN_SUPPRESS: u16 = 43;

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
    let mut common = Common {
        ifindex: u32_at(payload, 4)?,
        name: String::new(),
        up: u32_at(payload, 8)? & libc::IFF_UP as u32 != 0,
        promiscuous: false,
        master: None,
        info: None,
        port: None,
        family: None,
    };
    for (attribute, value) in attributes(payload, HEADER_LEN) {
        match attribute {
            libc::IFLA_IFNAME => common.name = text(value),
            libc::IFLA_MASTER => common.master = u32_at(value, 0),
            // This counts the users of promiscuous mode; the flag shows only what the administrator
            // set.
            libc::IFLA_PROMISCUITY => common.promiscuous = u32_at(value, 0)? != 0,
            libc::IFLA_LINKINFO => common.info = Some(value),
            libc::IFLA_PROTINFO => common.port = Some(value),
            libc::IFLA_AF_SPEC => common.family = Some(value),
            _ => {}
        }
    }
    Some(common)
}

fn interface(payload: &[u8]) -> Option<Message> {
    let common = common(payload)?;
    let (mut kind, mut data, mut master_kind, mut port) = (None, None, None, None);
    for (attribute, value) in common.info.into_iter().flat_map(|info| attributes(info, 0)) {
        match attribute {
            libc::IFLA_INFO_KIND => kind = Some(text(value)),
            libc::IFLA_INFO_DATA => data = Some(value),
            libc::IFLA_INFO_SLAVE_KIND => master_kind = Some(text(value)),
            libc::IFLA_INFO_SLAVE_DATA => port = Some(value),
            _ => {}
        }
    }
    let ifindex = common.ifindex;
    if kind.as_deref() == Some("bridge") {
        let settings = bridge_settings(common, data?);
        return Some(Message::Bridge { ifindex, settings });
    }
    let (Some("bridge"), Some(bridge), Some(port)) = (master_kind.as_deref(), common.master, port)
    else {
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

fn bridge_settings(common: Common<'_>, data: &[u8]) -> Settings {
    let Common { name, up, promiscuous, .. } = common;
    let mut settings = Settings { name, up, promiscuous, ..Settings::default() };
    for (attribute, value) in attributes(data, 0) {
        let on = value.first().is_some_and(|byte| *byte != 0);
        let ticks = || u32_at(value, 0).map(|ticks| TICK.saturating_mul(ticks));
        match attribute {
            IFLA_BR_FORWARD_DELAY => set(&mut settings.forward_delay, ticks()),
            IFLA_BR_AGEING_TIME => set(&mut settings.ageing, ticks()),
            IFLA_BR_VLAN_FILTERING => settings.vlan_filtering = on,
            IFLA_BR_VLAN_PROTOCOL => {
                set(&mut settings.vlan_protocol, u16_at(value, 0).map(u16::from_be));
            }
            IFLA_BR_TOPOLOGY_CHANGE => settings.topology_change = on,
            IFLA_BR_NF_CALL_IPTABLES => settings.nf_call_iptables = on,
            IFLA_BR_NF_CALL_IP6TABLES => settings.nf_call_ip6tables = on,
            IFLA_BR_NF_CALL_ARPTABLES => settings.nf_call_arptables = on,
            IFLA_BR_VLAN_STATS_ENABLED => settings.vlan_statistics = on,
            IFLA_BR_VLAN_STATS_PER_PORT => settings.vlan_statistics_per_port = on,
            IFLA_BR_MULTI_BOOLOPT => {
                settings.mst = u32_at(value, 0).unwrap_or(0) & BR_BOOLOPT_MST_ENABLE != 0;
            }
            _ => {}
        }
    }
    settings
}

fn port_settings(common: Common<'_>, data: &[u8]) -> PortSettings {
    let mut settings = PortSettings { name: common.name, ..PortSettings::default() };
    for (attribute, value) in attributes(data, 0) {
        let first = value.first().copied();
        let on = first.is_some_and(|byte| byte != 0);
        match attribute {
            IFLA_BRPORT_STATE => set(&mut settings.stp_state, first.map(Into::into)),
            IFLA_BRPORT_LEARNING => settings.learning = on,
            IFLA_BRPORT_PROXYARP => settings.proxy_arp = on,
            IFLA_BRPORT_PROXYARP_WIFI => settings.proxy_arp_wifi = on,
            IFLA_BRPORT_VLAN_TUNNEL => settings.vlan_tunnel = on,
            IFLA_BRPORT_NEIGH_SUPPRESS => settings.neigh_suppress = on,
            IFLA_BRPORT_ISOLATED => settings.isolated = on,
            IFLA_BRPORT_BACKUP_PORT => settings.backup_port = u32_at(value, 0),
            IFLA_BRPORT_LOCKED => settings.locked = on,
            IFLA_BRPORT_MAB => settings.mab = on,
            IFLA_BRPORT_NEIGH_VLAN_SUPPRESS => settings.neigh_vlan_suppress = on,
            _ => {}
        }
    }
    settings
}

/// Stores a value if the message carried it whole.
fn set<T>(into: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *into = value;
    }
}
