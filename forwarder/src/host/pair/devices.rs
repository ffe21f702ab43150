//! The two devices, by rtnetlink: made, found, set, deleted.
//!
//! Invariant: everything here is done in the network namespace of the calling thread and of its
//! `Netlink`, and all that is set can be set again without effect.

use std::fs;
use std::io;

use nix::libc;

use crate::host::links::{Link, LinkKind, decode_link};
use crate::host::netlink::{Netlink, Request};

/// As large as a veth takes: superframes pass whole, and a tag in front fits.
pub(super) const MTU: u32 = 65_535;
/// What does as well, should a kernel allow no more.
pub(super) const SMALLEST_MTU: u32 = 9000;

// linux/veth.h, linux/if_link.h
const VETH_INFO_PEER: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;

/// The interface of that name.
pub(super) fn find(netlink: &mut Netlink, name: &str) -> io::Result<Option<Link>> {
    link(netlink, &Request::about_link(libc::RTM_GETLINK, 0).attribute(libc::IFLA_IFNAME, &c(name)))
}

/// The interface with that index.
pub(super) fn get(netlink: &mut Netlink, ifindex: u32) -> io::Result<Option<Link>> {
    link(netlink, &Request::about_link(libc::RTM_GETLINK, ifindex))
}

fn link(netlink: &mut Netlink, request: &Request) -> io::Result<Option<Link>> {
    let answers = match netlink.call(request) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
        answers => answers?,
    };
    Ok(answers.iter().find_map(|(_, payload)| decode_link(payload)))
}

/// Deletes it, and with it the other end; that it is gone already is as good.
pub(super) fn delete(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    match netlink.call(&Request::about_link(libc::RTM_DELLINK, ifindex)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other.map(drop),
    }
}

/// Makes both ends, the inner one in the namespace behind `netns_fd`. They are down.
pub(super) fn create(
    netlink: &mut Netlink,
    [outer, inner]: [&str; 2],
    netns_fd: i32,
    queues: u32,
) -> io::Result<()> {
    let end = |kind, name: &str, mtu: u32| {
        Request::about_link(kind, 0)
            .attribute(libc::IFLA_IFNAME, &c(name))
            .attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())
            .attribute(libc::IFLA_NUM_TX_QUEUES, &queues.to_ne_bytes())
            .attribute(libc::IFLA_NUM_RX_QUEUES, &queues.to_ne_bytes())
    };
    let request = |mtu| {
        let peer = end(0, inner, mtu).attribute(libc::IFLA_NET_NS_FD, &netns_fd.to_ne_bytes());
        let data = Request::new(0, &[]).attribute(VETH_INFO_PEER, peer.payload());
        let info = Request::new(0, &[])
            .attribute(libc::IFLA_INFO_KIND, b"veth\0")
            .attribute(libc::IFLA_INFO_DATA, data.payload());
        end(libc::RTM_NEWLINK, outer, mtu)
            .attribute(libc::IFLA_LINKINFO, info.payload())
            .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
    };
    match netlink.call(&request(MTU)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            netlink.call(&request(SMALLEST_MTU)).map(drop)
        }
        other => other.map(drop),
    }
}

/// Silent, then up: without IPv6 and ARP an interface says nothing of its own accord.
pub(super) fn set(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    let none = Request::new(0, &[]).attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
    let families = Request::new(0, &[]).attribute(libc::AF_INET6 as u16, none.payload());
    let silent = Request::about_link(libc::RTM_SETLINK, link.ifindex)
        .attribute(libc::IFLA_AF_SPEC, families.payload());
    match netlink.call(&silent) {
        // A kernel without IPv6.
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {}
        other => drop(other?),
    }
    switch_ipv6_off(&link.name)?;
    if link.mtu < SMALLEST_MTU {
        set_mtu(netlink, link.ifindex)?;
    }
    let flags = (libc::IFF_UP | libc::IFF_NOARP) as u32;
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&link.ifindex.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..16].copy_from_slice(&flags.to_ne_bytes());
    netlink.call(&Request::new(libc::RTM_SETLINK, &fixed)).map(drop)
}

fn set_mtu(netlink: &mut Netlink, ifindex: u32) -> io::Result<()> {
    let mut request = |mtu: u32| {
        let request = Request::about_link(libc::RTM_SETLINK, ifindex);
        netlink.call(&request.attribute(libc::IFLA_MTU, &mtu.to_ne_bytes())).map(drop)
    };
    request(MTU).or_else(|_| request(SMALLEST_MTU))
}

/// There is no netlink request for it. With `addr_gen_mode` none the interface has no address and
/// solicits nothing; this also keeps it out of multicast groups.
fn switch_ipv6_off(name: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim() == "1" => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => fs::write(&path, "1").or_else(|error| match error.kind() {
            // A container's /proc/sys; without an address there is nothing to say.
            io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            _ => Err(error),
        }),
    }
}

/// Whether an end is a veth with exactly so many queues, made and in use.
pub(super) fn fits(link: &Link, queues: u32) -> bool {
    let counts = [link.rx_queues, link.tx_queues];
    let in_use = weir_port::ethtool::channels(&link.name);
    link.kind == LinkKind::Veth
        && counts == [queues; 2]
        && in_use.is_ok_and(|(rx, tx, combined)| [rx + combined, tx + combined] == [queues; 2])
}

fn c(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}
