//! The requests by which a bridge is made. Invariant: each does one thing, and waits for it.

use std::fs;
use std::io;

use nix::libc;
use nix::net::if_::if_nametoindex;

use crate::host::netlink::{Netlink, Request, attributes, text};

// linux/if_link.h
const IFLA_IFALIAS: u16 = 20;
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// 300 s in the kernel's ticks towards user space, as every Linux bridge has it.
const AGEING_TICKS: u32 = 30_000;

/// A list of attributes, to stand inside another.
fn nest(list: &[(u16, &[u8])]) -> Vec<u8> {
    let empty = Request::new(0, &[]);
    let nested = list.iter().fold(empty, |nested, (kind, value)| nested.attribute(*kind, value));
    nested.payload().to_vec()
}

/// A bridge with that MAC address; its interface index.
pub(super) fn create(netlink: &mut Netlink, name: &str, mac: [u8; 6]) -> io::Result<u32> {
    let settings = nest(&[
        (IFLA_BR_AGEING_TIME, &AGEING_TICKS.to_ne_bytes()),
        (IFLA_BR_STP_STATE, &0_u32.to_ne_bytes()),
        // It does not filter VLANs, and then a default one only doubles the address table.
        (IFLA_BR_VLAN_DEFAULT_PVID, &0_u16.to_ne_bytes()),
    ]);
    let info = nest(&[(libc::IFLA_INFO_KIND, b"bridge\0"), (libc::IFLA_INFO_DATA, &settings)]);
    let mut request = Request::about_link(libc::RTM_NEWLINK, 0)
        .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
        .attribute(libc::IFLA_IFNAME, format!("{name}\0").as_bytes())
        .attribute(libc::IFLA_LINKINFO, &info);
    if mac != [0; 6] {
        request = request.attribute(libc::IFLA_ADDRESS, &mac);
    }
    netlink.call(&request)?;
    Ok(if_nametoindex(name)?)
}

/// Gives it its alias, and no link-local address when it comes up: it is the guests', and the host
/// is not reached by it unless the operator gives it an address.
pub(super) fn describe(netlink: &mut Netlink, ifindex: u32, alias: &str) -> io::Result<()> {
    let ipv6 = nest(&[(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE])]);
    let families = nest(&[(libc::AF_INET6 as u16, &ipv6)]);
    let named = set(ifindex).attribute(IFLA_IFALIAS, format!("{alias}\0").as_bytes());
    netlink.call(&named)?;
    match netlink.call(&set(ifindex).attribute(libc::IFLA_AF_SPEC, &families)) {
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Against an address from a guest's router advertisement. There is no other way than this file.
pub(super) fn refuse_autoconfiguration(name: &str) {
    for setting in ["accept_ra", "autoconf"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
        if let Err(error) = fs::write(&path, "0") {
            tracing::debug!(path, %error, "is not set");
        }
    }
}

pub(super) fn alias(netlink: &mut Netlink, ifindex: u32) -> io::Result<Option<String>> {
    let answers = netlink.call(&Request::about_link(libc::RTM_GETLINK, ifindex))?;
    Ok(answers.iter().find_map(|(_, payload)| {
        let mut list = attributes(payload, 16);
        list.find(|(kind, _)| *kind == IFLA_IFALIAS).map(|(_, value)| text(value))
    }))
}

/// Makes an interface a member of a bridge; of none with 0.
pub(super) fn set_master(netlink: &mut Netlink, ifindex: u32, bridge: u32) -> io::Result<()> {
    netlink.call(&set(ifindex).attribute(libc::IFLA_MASTER, &bridge.to_ne_bytes())).map(drop)
}

pub(super) fn set_mtu(netlink: &mut Netlink, ifindex: u32, mtu: u32) -> io::Result<()> {
    netlink.call(&set(ifindex).attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())).map(drop)
}

pub(super) fn set_up(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    let up = (libc::IFF_UP as u32).to_ne_bytes();
    fixed[8..12].copy_from_slice(&up);
    fixed[12..16].copy_from_slice(&up);
    netlink.call(&Request::new(libc::RTM_SETLINK, &fixed)).map(drop)
}

pub(super) fn delete(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    netlink.call(&Request::about_link(libc::RTM_DELLINK, ifindex)).map(drop)
}

fn set(ifindex: u32) -> Request {
    Request::about_link(libc::RTM_SETLINK, ifindex)
}
