//! The two devices, by rtnetlink: making, finding and configuring them.
//!
//! Invariant: all of this runs in the network namespace of the calling thread and of its `Netlink`, and
//! every setting can be applied again without effect.

use std::fs;
use std::io;

use nix::libc;

use crate::host::links::{Link, LinkKind, read_link};
use crate::host::netlink::{Netlink, Request};

// linux/veth.h
const VETH_INFO_PEER: u16 = 1;
/// The largest MTU of a veth: superframes pass whole, and a tag in front fits.
const MTU: u32 = 65_535;

/// The interface of that name.
pub(super) fn find(netlink: &mut Netlink, name: &str) -> io::Result<Option<Link>> {
    read_link(netlink, &Request::about_link(libc::RTM_GETLINK, 0).text(libc::IFLA_IFNAME, name))
}

/// Makes both ends, the inner one in the namespace behind `netns_fd`. They are down.
pub(super) fn create(
    netlink: &mut Netlink,
    [outer, inner]: [&str; 2],
    netns_fd: i32,
    queues: u32,
) -> io::Result<()> {
    let end = |kind, name| {
        Request::about_link(kind, 0)
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_MTU, MTU)
            .number(libc::IFLA_NUM_TX_QUEUES, queues)
            .number(libc::IFLA_NUM_RX_QUEUES, queues)
    };
    let peer = end(0, inner).number(libc::IFLA_NET_NS_FD, netns_fd as u32);
    let request = end(libc::RTM_NEWLINK, outer);
    let peer = |data: Request| data.attribute(VETH_INFO_PEER, peer.payload());
    netlink.change(&request.create_link("veth", peer))
}

/// Silences the device, then sets it up: without IPv6 and ARP an interface sends nothing by itself.
pub(super) fn set(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    netlink.set_no_ipv6_address(link.ifindex)?;
    switch_ipv6_off(&link.name)?;
    if link.mtu != MTU {
        netlink.set_mtu(link.ifindex, MTU)?;
    }
    netlink.change(&Request::set_flags(link.ifindex, libc::IFF_UP | libc::IFF_NOARP))
}

/// Turns IPv6 off; no netlink request does that. With `addr_gen_mode` none the interface has no address
/// and solicits nothing; this also keeps it out of multicast groups.
fn switch_ipv6_off(name: &str) -> io::Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim() == "1" => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => fs::write(&path, "1").or_else(|error| match error.kind() {
            // /proc/sys is read-only in a container; without an address the device sends nothing
            // anyway.
            io::ErrorKind::ReadOnlyFilesystem => Ok(()),
            _ => Err(error),
        }),
    }
}

/// Whether an end is a veth with exactly this number of queues, both allocated and in use.
pub(super) fn fits(link: &Link, queues: u32) -> bool {
    let counts = [link.rx_queues, link.tx_queues];
    let in_use = weir_port::ethtool::channels(&link.name);
    link.kind == LinkKind::Veth
        && counts == [queues; 2]
        && in_use.is_ok_and(|(rx, tx, combined)| [rx + combined, tx + combined] == [queues; 2])
}
