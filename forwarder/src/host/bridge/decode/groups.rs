//! RTM_NEWMDB and RTM_DELMDB: members of groups, and ports behind which routers are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::state::{GroupAddress, GroupKey, GroupMember};
use super::Message;
use crate::host::netlink::{attributes, u16_at, u32_at};

const HEADER_LEN: usize = 8;

// linux/if_bridge.h
const MDBA_MDB: u16 = 1;
const MDBA_ROUTER: u16 = 2;
const MDBA_MDB_ENTRY: u16 = 1;
const MDBA_MDB_ENTRY_INFO: u16 = 1;
const MDBA_ROUTER_PORT: u16 = 1;
const MDBA_MDB_EATTR_SOURCE: u16 = 4;
const MDB_PERMANENT: u8 = 1;
const MDB_FLAGS_BLOCKED: u8 = 1 << 3;
/// `struct br_mdb_entry`; attributes follow it.
const ENTRY_LEN: usize = 28;
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;

pub(super) fn message(payload: &[u8], new: bool) -> Option<Message> {
    // The family is not looked at: a dump leaves it out.
    let bridge = u32_at(payload, 4)?;
    let (mut members, mut routers) = (Vec::new(), Vec::new());
    for (attribute, value) in attributes(payload, HEADER_LEN) {
        match attribute {
            MDBA_MDB => {
                let entries = attributes(value, 0).filter(|(kind, _)| *kind == MDBA_MDB_ENTRY);
                let infos = entries.flat_map(|(_, entry)| attributes(entry, 0));
                let infos = infos.filter(|(kind, _)| *kind == MDBA_MDB_ENTRY_INFO);
                members.extend(infos.filter_map(|(_, info)| member(info)));
            }
            MDBA_ROUTER => {
                let ports = attributes(value, 0).filter(|(kind, _)| *kind == MDBA_ROUTER_PORT);
                routers.extend(ports.filter_map(|(_, port)| u32_at(port, 0)));
            }
            _ => {}
        }
    }
    if members.is_empty() && routers.is_empty() {
        return None;
    }
    Some(if new {
        Message::Groups { bridge, members, routers }
    } else {
        Message::GroupsGone { bridge, members, routers }
    })
}

fn member(info: &[u8]) -> Option<GroupMember> {
    let ifindex = u32_at(info, 0)?;
    let permanent = *info.get(4)? & MDB_PERMANENT != 0;
    let blocked = *info.get(5)? & MDB_FLAGS_BLOCKED != 0;
    let vid = u16_at(info, 6)?;
    let group = match u16::from_be(u16_at(info, 24)?) {
        ETH_P_IP => GroupAddress::V4(v4(info.get(8..12)?)?),
        ETH_P_IPV6 => GroupAddress::V6(v6(info.get(8..24)?)?),
        _ => GroupAddress::Mac(info.get(8..14)?.try_into().ok()?),
    };
    let source = attributes(info, ENTRY_LEN)
        .find(|(attribute, _)| *attribute == MDBA_MDB_EATTR_SOURCE)
        .and_then(|(_, value)| v4(value).map(IpAddr::V4).or_else(|| v6(value).map(IpAddr::V6)));
    let key = GroupKey { group, source, vid };
    Some(GroupMember { key, ifindex, permanent, blocked })
}

fn v4(value: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from)
}

fn v6(value: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(value).ok().map(Ipv6Addr::from)
}
