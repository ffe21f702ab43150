//! The two devices, by rtnetlink: making, finding and configuring them.
//!
//! Invariant: all of this runs in the network namespace of the calling thread and of its `Netlink`, and
//! every setting can be applied again without effect.

use std::fs;
use std::io;

use nix::libc;

use crate::host::links::{Link, LinkKind, read_link};
use crate::host::netlink::{Netlink, Request};

/// The largest MTU of a veth: superframes pass whole, and a tag in front fits.
pub(super) const MTU: u32 = 65_535;
/// An MTU that is enough if the kernel allows no more.
pub(super) const SMALLEST_MTU: u32 = 9000;

// linux/veth.h
const VETH_INFO_PEER: u16 = 1;

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
    let end = |request: Request, name: &str, mtu: u32| {
        request
            .text(libc::IFLA_IFNAME, name)
            .number(libc::IFLA_MTU, mtu)
            .number(libc::IFLA_NUM_TX_QUEUES, queues)
            .number(libc::IFLA_NUM_RX_QUEUES, queues)
    };
    let request = |mtu| {
        let peer = end(Request::about_link(0, 0), inner, mtu)
            .attribute(libc::IFLA_NET_NS_FD, &netns_fd.to_ne_bytes());
        end(Request::about_link(libc::RTM_NEWLINK, 0), outer, mtu)
            .nest(libc::IFLA_LINKINFO, |info| {
                info.text(libc::IFLA_INFO_KIND, "veth").nest(libc::IFLA_INFO_DATA, |data| {
                    data.attribute(VETH_INFO_PEER, peer.payload())
                })
            })
            .flags(libc::NLM_F_CREATE | libc::NLM_F_EXCL)
    };
    match netlink.change(&request(MTU)) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            netlink.change(&request(SMALLEST_MTU))
        }
        made => made,
    }
}

/// Silences the device, then sets it up: without IPv6 and ARP an interface sends nothing by itself.
pub(super) fn set(netlink: &mut Netlink, link: &Link) -> io::Result<()> {
    netlink.set_no_ipv6_address(link.ifindex)?;
    switch_ipv6_off(&link.name)?;
    if link.mtu < SMALLEST_MTU {
        let larger = netlink.set_mtu(link.ifindex, MTU);
        larger.or_else(|_| netlink.set_mtu(link.ifindex, SMALLEST_MTU))?;
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
