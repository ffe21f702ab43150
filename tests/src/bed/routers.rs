//! Virtual routers instead of guests, each with a vif in the left host's network and one in the right
//! host's; or the host alone instead of all routers.
//!
//! ```text
//!             10.4.0.N  left host          right host  10.3.0.N
//!        10.1.0.200 eth0 │                    │ eth0 10.2.0.201
//!                   nic0 │                    │ nic1
//!                     ───┴────── switch ──────┴───
//!                     lN │                    │ vN
//!          10.1.0.N eth1 └───── router N ─────┘ eth0 10.2.0.N
//! ```
//!
//! The right host has an address for each router, 10.3.0.N, and the left host sends packets for that
//! address to router N; the answers return the same way to 10.4.0.N. The same holds for IPv6, with fd01
//! to fd04. Without routers the host, at the other ends of both veths, routes everything.
//!
//! Invariant: both networks may lie on one switch: all MAC addresses differ, and every neighbour is
//! known from the beginning. The last byte of a router's MAC address, on either side, and of both
//! addresses of a way is the router's number.

use super::guest::{FAMILIES, Family, GUEST_IF, Guest, address, mac, neighbour};
use super::{Bed, Layout, UPLINK_PORT};
use crate::ns::Ns;
use anyhow::{Context, Result};
use std::net::IpAddr;

/// A router's vif towards the left host.
pub const LEFT_IF: &str = "eth1";
/// The right host's end in the host.
pub const RIGHT_PORT: &str = "nic1";
/// The right host's number.
pub(super) const RIGHT: u8 = 201;
/// The host's own number in both networks, if it is the router.
const HOST: u8 = 254;

pub(super) const LEFT_NET: u8 = 1;
pub(super) const RIGHT_NET: u8 = 2;
const TO_RIGHT_NET: u8 = 3;
const TO_LEFT_NET: u8 = 4;

/// The right host's address for traffic through router `number`.
pub fn right_by(number: u8, family: Family) -> IpAddr {
    address(family, TO_RIGHT_NET, number)
}

/// The left host's address for traffic through router `number`, as destination and as source.
pub fn left_by(number: u8, family: Family) -> IpAddr {
    address(family, TO_LEFT_NET, number)
}

/// The port of a router's left vif.
pub(super) fn left_port(number: u8) -> String {
    format!("l{number}")
}

impl Bed {
    /// The left host's next hop for traffic through router `number`.
    pub fn gateway_mac(&self, number: u8) -> [u8; 6] {
        self.gateway_of(&self.uplink, mac(2, number))
    }

    fn gateway_of(&self, end: &Guest, router: [u8; 6]) -> [u8; 6] {
        if self.spec.layout == Layout::HostRouter { end.port_mac() } else { router }
    }

    /// Sets routes, neighbours and forwarding, once all veths exist.
    pub(super) fn connect_routers(&self) -> Result<()> {
        let right = self.right.as_ref().context("there is no right host")?;
        let left = &self.uplink;
        let (mut at_left, mut at_right) = (Vec::new(), Vec::new());
        for number in 1..=self.spec.vms {
            let gateway = self.gateway_mac(number);
            at_left.extend(way(LEFT_NET, number, gateway, left_by, right_by));
            let gateway = self.gateway_of(right, mac(0, number));
            at_right.extend(way(RIGHT_NET, number, gateway, right_by, left_by));
        }
        // The hosts' own addresses are reached through the first router.
        for family in FAMILIES {
            at_left.push(network(family, RIGHT_NET, address(family, LEFT_NET, 1), GUEST_IF));
            at_right.push(network(family, LEFT_NET, address(family, RIGHT_NET, 1), GUEST_IF));
        }
        left.ns.ip_batch(&at_left)?;
        right.ns.ip_batch(&at_right)?;
        if self.spec.layout == Layout::HostRouter {
            return self.connect_host(right);
        }
        for router in &self.guests {
            forward(&router.ns, right, GUEST_IF, left, LEFT_IF)?;
        }
        Ok(())
    }

    fn connect_host(&self, right: &Guest) -> Result<()> {
        let mut lines = Vec::new();
        for (net, port) in [(LEFT_NET, UPLINK_PORT), (RIGHT_NET, RIGHT_PORT)] {
            lines.push(format!("address add {}/24 dev {port}", address(Family::V4, net, HOST)));
            let v6 = address(Family::V6, net, HOST);
            lines.push(format!("address add {v6}/64 dev {port} nodad"));
        }
        self.host.ip_batch(&lines)?;
        if self.spec.guest_gro {
            // These are the addresses of a router's vifs otherwise.
            for port in [UPLINK_PORT, RIGHT_PORT] {
                self.host.ethtool(&format!("-K {port} gro on"))?;
            }
        }
        forward(&self.host, right, RIGHT_PORT, &self.uplink, UPLINK_PORT)
    }
}

/// Sets an end's own address for a way, its neighbour on that way, and the other end behind it.
fn way(
    net: u8,
    number: u8,
    gateway_mac: [u8; 6],
    own: fn(u8, Family) -> IpAddr,
    other: fn(u8, Family) -> IpAddr,
) -> Vec<String> {
    let mut lines = Vec::new();
    for family in FAMILIES {
        let (own, other) = (own(number, family), other(number, family));
        let gateway = address(family, net, number);
        let (bits, quick) = if own.is_ipv4() { (32, "") } else { (128, " nodad") };
        lines.push(format!("address add {own}/{bits} dev {GUEST_IF}{quick}"));
        lines.push(neighbour(gateway, gateway_mac, GUEST_IF));
        lines.push(format!("route add {other} via {gateway} dev {GUEST_IF} src {own}"));
    }
    lines
}

/// Makes a namespace forward between the two hosts.
fn forward(ns: &Ns, right: &Guest, to_right: &str, left: &Guest, to_left: &str) -> Result<()> {
    let mut lines = Vec::new();
    for family in FAMILIES {
        let ends = [(right, to_right, TO_RIGHT_NET), (left, to_left, TO_LEFT_NET)];
        for (host, interface, net) in ends {
            lines.push(neighbour(host.addr(family), host.mac(), interface));
            lines.push(network(family, net, host.addr(family), interface));
        }
    }
    ns.ip_batch(&lines)?;
    for setting in ["all", to_right, to_left] {
        // The routes decide the ways, whatever the machine's own settings are.
        ns.sysctl(&format!("ipv4/conf/{setting}/rp_filter"), "0")?;
    }
    ns.sysctl("ipv4/ip_forward", "1")?;
    ns.sysctl("ipv6/conf/all/forwarding", "1")
}

fn network(family: Family, net: u8, via: IpAddr, interface: &str) -> String {
    let bits = if family == Family::V4 { 24 } else { 64 };
    format!("route add {}/{bits} via {via} dev {interface}", address(family, net, 0))
}
