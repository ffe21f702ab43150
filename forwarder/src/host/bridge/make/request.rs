//! The requests by which a bridge is made. Invariant: each does one thing, and waits for it.

use std::fs;
use std::io;

use nix::libc;
use nix::net::if_::if_nametoindex;

use crate::host::links::IFLA_IFALIAS;
use crate::host::netlink::{Netlink, Request};

// linux/if_link.h
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
/// 300 s in the kernel's ticks towards user space, as every Linux bridge has it.
const AGEING_TICKS: u32 = 30_000;

/// Makes a bridge with that MAC address; returns its interface index.
pub(super) fn create(netlink: &mut Netlink, name: &str, mac: [u8; 6]) -> io::Result<u32> {
    let settings = |data: Request| {
        data.number(IFLA_BR_AGEING_TIME, AGEING_TICKS)
            .number(IFLA_BR_STP_STATE, 0)
            // The bridge does not filter VLANs, and a default VLAN would only double the address table.
            .attribute(IFLA_BR_VLAN_DEFAULT_PVID, &0_u16.to_ne_bytes())
    };
    let mut request = Request::about_link(libc::RTM_NEWLINK, 0)
        .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .text(libc::IFLA_IFNAME, name)
        .nest(libc::IFLA_LINKINFO, |info| {
            info.text(libc::IFLA_INFO_KIND, "bridge").nest(libc::IFLA_INFO_DATA, settings)
        });
    if mac != [0; 6] {
        request = request.attribute(libc::IFLA_ADDRESS, &mac);
    }
    netlink.change(&request)?;
    Ok(if_nametoindex(name)?)
}

/// Sets the bridge's alias, and keeps it from making a link-local address when it comes up. The bridge
/// belongs to the guests, and the host is not reachable by it unless the operator gives it an address.
pub(super) fn describe(netlink: &mut Netlink, ifindex: u32, alias: &str) -> io::Result<()> {
    netlink.change(&set(ifindex).text(IFLA_IFALIAS, alias))?;
    netlink.set_no_ipv6_address(ifindex)
}

/// Prevents an address from a guest's router advertisement. This file is the only way.
pub(super) fn refuse_autoconfiguration(name: &str) {
    for setting in ["accept_ra", "autoconf"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
        if let Err(error) = fs::write(&path, "0") {
            tracing::debug!(path, %error, "is not set");
        }
    }
}

/// Makes an interface a member of a bridge; of none with 0.
pub(super) fn set_master(netlink: &mut Netlink, ifindex: u32, bridge: u32) -> io::Result<()> {
    netlink.change(&set(ifindex).number(libc::IFLA_MASTER, bridge))
}

fn set(ifindex: u32) -> Request {
    Request::about_link(libc::RTM_SETLINK, ifindex)
}
