//! Parses rtnetlink's messages into what weir keeps of them; unknown attributes are skipped.

use std::net::IpAddr;

use nix::libc;

use super::{Link, LinkKind, Peer, XdpAttached};
use crate::host::netlink::{Attributes, u16_at, u32_at};

// Not in libc: linux/if_link.h.
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;
const IFLA_VLAN_ID: u16 = 1;
pub(super) const IFLA_STATS_LINK_64: u16 = 1;

const LINK_HEADER_LEN: usize = 16;
const ADDRESS_HEADER_LEN: usize = 8;
const ROUTE_HEADER_LEN: usize = 12;
const NEXT_HOP_LEN: usize = 8;
const STATS_HEADER_LEN: usize = 12;
/// The offset of `tx_dropped` in `struct rtnl_link_stats64`.
const TX_DROPPED: usize = 7 * 8;

/// An RTM_NEWLINK of any interface; `None` for a bridge's message about its ports (AF_BRIDGE).
pub(super) fn link(payload: &[u8]) -> Option<Link> {
    if i32::from(*payload.first()?) != libc::AF_UNSPEC {
        return None;
    }
    let flags = u32_at(payload, 8)?;
    let is_set = |flag: libc::c_int| flags & flag as u32 != 0;
    let ethernet = u16_at(payload, 2)? == libc::ARPHRD_ETHER;
    let all = Attributes::behind(LINK_HEADER_LEN, payload);
    let info = all.nested(libc::IFLA_LINKINFO);
    let kind = info.text(libc::IFLA_INFO_KIND);
    let kind = match kind.as_deref() {
        Some("veth") => LinkKind::Veth,
        Some("tun") if ethernet => LinkKind::Tap,
        Some("tun") => LinkKind::Tun,
        Some("bridge") => LinkKind::Bridge,
        Some(other) => LinkKind::Other(other.to_owned()),
        None if is_set(libc::IFF_LOOPBACK) => LinkKind::Loopback,
        None => LinkKind::Physical,
    };
    // The other end of a veth; for other devices the one below.
    let linked = all.u32(libc::IFLA_LINK);
    let netns_id = all.u32(libc::IFLA_LINK_NETNSID).map(|id| id as i32);
    let (mut peer, mut vlan) = (None, None);
    match &kind {
        LinkKind::Veth => peer = linked.map(|ifindex| Peer { ifindex, netns_id }),
        LinkKind::Other(kind) if kind == "vlan" && netns_id.is_none() => {
            let vid = info.nested(libc::IFLA_INFO_DATA).u16(IFLA_VLAN_ID);
            vlan = linked.map(|lower| (lower, vid));
        }
        _ => {}
    }
    Some(Link {
        ifindex: u32_at(payload, 4)?,
        name: all.text(libc::IFLA_IFNAME).unwrap_or_default(),
        alias: all.text(libc::IFLA_IFALIAS).unwrap_or_default(),
        kind,
        mtu: all.u32(libc::IFLA_MTU).unwrap_or_default(),
        up: is_set(libc::IFF_UP),
        carrier: is_set(libc::IFF_LOWER_UP),
        ethernet,
        mac: all.get(libc::IFLA_ADDRESS).and_then(|mac| mac.try_into().ok()).unwrap_or_default(),
        master: all.u32(libc::IFLA_MASTER),
        master_kind: info.text(libc::IFLA_INFO_SLAVE_KIND),
        peer,
        vlan,
        rx_queues: all.u32(libc::IFLA_NUM_RX_QUEUES).unwrap_or(1),
        tx_queues: all.u32(libc::IFLA_NUM_TX_QUEUES).unwrap_or(1),
        xdp: xdp(all.nested(libc::IFLA_XDP)),
        ..Link::default()
    })
}

/// From a message about any interface, its index and that of the interface it is linked to, if any: for
/// a veth, the other end.
pub(super) fn ends(payload: &[u8]) -> [Option<u32>; 2] {
    if payload.first().copied().map(i32::from) != Some(libc::AF_UNSPEC) {
        return [None; 2];
    }
    [u32_at(payload, 4), Attributes::behind(LINK_HEADER_LEN, payload).u32(libc::IFLA_LINK)]
}

fn xdp(list: Attributes<'_>) -> XdpAttached {
    let id = |kind| list.u32(kind).unwrap_or(0);
    XdpAttached {
        native: id(IFLA_XDP_DRV_PROG_ID),
        skb: id(IFLA_XDP_SKB_PROG_ID),
        hardware: id(IFLA_XDP_HW_PROG_ID),
    }
}

/// An address of the host, with its prefix; link-local ones are skipped.
pub(super) fn address(payload: &[u8]) -> Option<(u32, (IpAddr, u8))> {
    let [family, prefix, _, scope, ..] = *payload else { return None };
    if scope == libc::RT_SCOPE_LINK {
        return None;
    }
    let all = Attributes::behind(ADDRESS_HEADER_LEN, payload);
    // On a point-to-point link, IFA_ADDRESS is the other end's address.
    let value = all.get(libc::IFA_LOCAL).or_else(|| all.get(libc::IFA_ADDRESS))?;
    let address = match i32::from(family) {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(value).ok()?),
        libc::AF_INET6 => IpAddr::from(<[u8; 16]>::try_from(value).ok()?),
        _ => return None,
    };
    Some((u32_at(payload, 4)?, (address, prefix)))
}

/// The egress interfaces of a default route of the main table; empty for other routes.
pub(super) fn default_route(payload: &[u8]) -> Vec<u32> {
    let [_, destination_len, _, _, table, _, _, kind, ..] = payload else { return Vec::new() };
    let all = Attributes::behind(ROUTE_HEADER_LEN, payload);
    let table = all.u32(libc::RTA_TABLE).unwrap_or((*table).into());
    if (*destination_len, *kind, table) != (0, libc::RTN_UNICAST, u32::from(libc::RT_TABLE_MAIN)) {
        return Vec::new();
    }
    let mut interfaces = Vec::from_iter(all.u32(libc::RTA_OIF));
    let mut hops = all.get(libc::RTA_MULTIPATH).unwrap_or_default();
    while let (Some(len), Some(ifindex)) = (u16_at(hops, 0), u32_at(hops, 4)) {
        interfaces.push(ifindex);
        let len = usize::from(len).max(NEXT_HOP_LEN).next_multiple_of(4);
        hops = hops.get(len..).unwrap_or_default();
    }
    interfaces
}

/// The number of frames that a device dropped on transmission, from its statistics.
pub(super) fn tx_dropped(payload: &[u8]) -> Option<(u32, u64)> {
    let ifindex = u32_at(payload, 4)?;
    let stats = Attributes::behind(STATS_HEADER_LEN, payload).get(IFLA_STATS_LINK_64)?;
    let dropped = stats.get(TX_DROPPED..TX_DROPPED + 8)?.try_into().ok()?;
    Some((ifindex, u64::from_ne_bytes(dropped)))
}

#[cfg(test)]
mod tests;
