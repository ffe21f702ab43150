//! Parses rtnetlink's messages into what weir keeps of them; unknown attributes are skipped.

use std::net::IpAddr;

use nix::libc;

use super::{Link, LinkKind, Peer, XdpAttached};
use crate::host::netlink::{attribute, attributes, text, u16_at, u32_at};

// Not in libc: linux/if_link.h, linux/if_arp.h.
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
pub(crate) const IFLA_IFALIAS: u16 = 20;
const IFLA_VLAN_ID: u16 = 1;
const ARPHRD_ETHER: u16 = 1;

const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
const ROUTE_HEADER_LEN: usize = 12;
const NEXT_HOP_LEN: usize = 8;

/// An RTM_NEWLINK of any interface; `None` for a bridge's message about its ports (AF_BRIDGE).
pub(super) fn link(payload: &[u8]) -> Option<Link> {
    if i32::from(*payload.first()?) != libc::AF_UNSPEC {
        return None;
    }
    let flags = u32_at(payload, 8)?;
    let ethernet = u16_at(payload, 2)? == ARPHRD_ETHER;
    let mut link = Link {
        ifindex: u32_at(payload, 4)?,
        up: flags & libc::IFF_UP as u32 != 0,
        carrier: flags & libc::IFF_LOWER_UP as u32 != 0,
        ethernet,
        rx_queues: 1,
        tx_queues: 1,
        ..Link::default()
    };
    let (mut lower, mut lower_netns, mut kind, mut data) = (None, None, None, None);
    for (attribute, value) in attributes(payload, LINK_HEADER_LEN) {
        match attribute {
            libc::IFLA_IFNAME => link.name = text(value),
            IFLA_IFALIAS => link.alias = text(value),
            libc::IFLA_MTU => link.mtu = u32_at(value, 0)?,
            libc::IFLA_ADDRESS => link.mac = value.try_into().unwrap_or_default(),
            libc::IFLA_MASTER => link.master = u32_at(value, 0),
            libc::IFLA_LINK => lower = u32_at(value, 0),
            libc::IFLA_LINK_NETNSID => lower_netns = u32_at(value, 0).map(|id| id as i32),
            libc::IFLA_NUM_RX_QUEUES => link.rx_queues = u32_at(value, 0)?,
            libc::IFLA_NUM_TX_QUEUES => link.tx_queues = u32_at(value, 0)?,
            libc::IFLA_XDP => link.xdp = xdp(value),
            libc::IFLA_LINKINFO => {
                for (attribute, value) in attributes(value, 0) {
                    match attribute {
                        libc::IFLA_INFO_KIND => kind = Some(text(value)),
                        libc::IFLA_INFO_DATA => data = Some(value),
                        libc::IFLA_INFO_SLAVE_KIND => link.master_kind = Some(text(value)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link.kind = match kind.as_deref() {
        Some("veth") => LinkKind::Veth,
        Some("tun") if ethernet => LinkKind::Tap,
        Some("tun") => LinkKind::Tun,
        Some("bridge") => LinkKind::Bridge,
        Some(other) => LinkKind::Other(other.to_owned()),
        None if flags & libc::IFF_LOOPBACK as u32 != 0 => LinkKind::Loopback,
        None => LinkKind::Physical,
    };
    match kind.as_deref() {
        Some("veth") => {
            link.peer = lower.map(|ifindex| Peer { ifindex, netns_id: lower_netns });
        }
        // For other devices IFLA_LINK names the lower device.
        Some("vlan") if lower_netns.is_none() => {
            let vid = data.and_then(|data| u16_at(attribute(data, 0, IFLA_VLAN_ID)?, 0));
            link.vlan = lower.map(|lower| (lower, vid));
        }
        _ => {}
    }
    Some(link)
}

/// From a message about any interface, its index and that of the interface it is linked to, if any: for
/// a veth, the other end.
pub(super) fn ends(payload: &[u8]) -> [Option<u32>; 2] {
    if payload.first().copied().map(i32::from) != Some(libc::AF_UNSPEC) {
        return [None; 2];
    }
    let linked = attribute(payload, LINK_HEADER_LEN, libc::IFLA_LINK);
    [u32_at(payload, 4), linked.and_then(|value| u32_at(value, 0))]
}

fn xdp(value: &[u8]) -> XdpAttached {
    let id = |kind| attribute(value, 0, kind).and_then(|id| u32_at(id, 0)).unwrap_or(0);
    XdpAttached {
        native: id(IFLA_XDP_DRV_PROG_ID),
        skb: id(IFLA_XDP_SKB_PROG_ID),
        hardware: id(IFLA_XDP_HW_PROG_ID),
    }
}

/// An address of the host, with its prefix; link-local ones are skipped.
pub(super) fn address(payload: &[u8]) -> Option<(u32, (IpAddr, u8))> {
    let family = i32::from(*payload.first()?);
    let prefix = *payload.get(1)?;
    let scope = *payload.get(3)?;
    let ifindex = u32_at(payload, 4)?;
    let mut found = None;
    for (attribute, value) in attributes(payload, ADDRESS_HEADER_LEN) {
        let address = match family {
            libc::AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
            libc::AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
            _ => None,
        };
        match attribute {
            // On a point-to-point link, IFA_ADDRESS is the other end's address.
            libc::IFA_LOCAL => found = address,
            libc::IFA_ADDRESS if found.is_none() => found = address,
            _ => {}
        }
    }
    let link_local = scope == libc::RT_SCOPE_LINK;
    found.filter(|_| !link_local).map(|address| (ifindex, (address, prefix)))
}

/// The egress interfaces of a default route of the main table; empty for other routes.
pub(super) fn default_route(payload: &[u8]) -> Vec<u32> {
    let [_, destination_len, _, _, table, _, _, kind, ..] = payload else { return Vec::new() };
    if *destination_len != 0 || *kind != libc::RTN_UNICAST {
        return Vec::new();
    }
    let mut table = u32::from(*table);
    let mut interfaces = Vec::new();
    for (attribute, value) in attributes(payload, ROUTE_HEADER_LEN) {
        match attribute {
            libc::RTA_TABLE => table = u32_at(value, 0).unwrap_or(table),
            libc::RTA_OIF => interfaces.extend(u32_at(value, 0)),
            libc::RTA_MULTIPATH => {
                let mut hops = value;
                while let (Some(len), Some(ifindex)) = (u16_at(hops, 0), u32_at(hops, 4)) {
                    interfaces.push(ifindex);
                    let len = usize::from(len).max(NEXT_HOP_LEN).next_multiple_of(4);
                    hops = hops.get(len..).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
    if table == u32::from(libc::RT_TABLE_MAIN) { interfaces } else { Vec::new() }
}

#[cfg(test)]
mod tests;
