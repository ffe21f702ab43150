//! A guest at the far end of a port, and the veth in between.
//!
//! Invariant: names and addresses follow from a number and its network alone.

use super::{BRIDGE, BedSpec};
use crate::ns::{Ns, ip};
use anyhow::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use weir_core::ids::Mac;

/// The guest's end of every veth.
pub const GUEST_IF: &str = "eth0";

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    #[default]
    V4,
    V6,
}

/// Both families, for tests that do the same over each.
pub const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

fn v4(net: u8, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, net, 0, number)
}

fn v6(net: u8, number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00 + u16::from(net), 0, 0, 0, 0, 0, 0, number.into())
}

/// 10.NET.0.NUMBER and fd0NET::NUMBER.
pub(super) fn address(family: Family, net: u8, number: u8) -> IpAddr {
    if family == Family::V4 { v4(net, number).into() } else { v6(net, number).into() }
}

/// The MAC address of one of a number's four ends, each with a kind of its own.
pub(super) fn mac(kind: u8, number: u8) -> [u8; 6] {
    [0x02, 0, 0, 0, kind, number]
}

pub fn mac_text(mac: [u8; 6]) -> String {
    Mac::new(mac).to_string()
}

/// A line of `ip` that makes a neighbour known for good.
pub(super) fn neighbour(addr: IpAddr, mac: [u8; 6], interface: &str) -> String {
    format!("neighbour replace {addr} lladdr {} dev {interface} nud permanent", mac_text(mac))
}

/// A guest, or the uplink host: a namespace with an interface `eth0`.
#[derive(Debug)]
pub struct Guest {
    pub ns: Ns,
    /// The other end of its veth, in the host.
    pub port: String,
    pub number: u8,
    /// 0 if all are in one network.
    pub net: u8,
}

impl Guest {
    pub(super) fn create(bed: u32, role: &str, port: &str, number: u8, net: u8) -> Result<Self> {
        let ns = Ns::create(bed, role)?;
        Ok(Self { ns, port: port.to_owned(), number, net })
    }

    pub fn mac(&self) -> [u8; 6] {
        mac(0, self.number)
    }

    pub fn mac_text(&self) -> String {
        mac_text(self.mac())
    }

    /// The MAC address of the other end, in the host.
    pub fn port_mac(&self) -> [u8; 6] {
        mac(1, self.number)
    }

    pub fn v4(&self) -> Ipv4Addr {
        v4(self.net, self.number)
    }

    pub fn v6(&self) -> Ipv6Addr {
        v6(self.net, self.number)
    }

    pub fn addr(&self, family: Family) -> IpAddr {
        address(family, self.net, self.number)
    }

    pub fn socket(&self, family: Family, port: u16) -> SocketAddr {
        SocketAddr::new(self.addr(family), port)
    }

    /// Makes its veth and everything at its end of it.
    pub(super) fn plug(&self, host: &Ns, spec: &BedSpec) -> Result<()> {
        self.plug_to(&self.port, GUEST_IF, 0, self.net, host, spec)
    }

    /// A veth to any port, in this network; its ends have MAC addresses of this kind and the next.
    pub(super) fn plug_to(
        &self,
        port: &str,
        interface: &str,
        kind: u8,
        net: u8,
        host: &Ns,
        spec: &BedSpec,
    ) -> Result<()> {
        // The names are the same in every bed, so both ends are made in their namespaces.
        let end = |name: &str, ns: &Ns, kind: u8| {
            let (ns, mac, mtu) = (ns.name(), mac_text(mac(kind, self.number)), spec.mtu);
            format!("{name} netns {ns} mtu {mtu} address {mac} numrxqueues 1 numtxqueues 1")
        };
        let (near, far) = (end(interface, &self.ns, kind), end(port, host, kind + 1));
        ip(&format!("link add {near} type veth peer name {far}"))?;
        let [v4, v6] = FAMILIES.map(|family| address(family, net, self.number));
        self.ns.ip_batch(&[
            // Without a link-local address, nothing is sent that no test has asked for.
            format!("link set {interface} addrgenmode none"),
            format!("address add {v4}/24 dev {interface}"),
            format!("address add {v6}/64 dev {interface} nodad"),
            format!("link set {interface} up"),
        ])?;
        // Nor does a neighbour entry ask again by itself 5 s after its use.
        for family in ["ipv4", "ipv6"] {
            let setting = format!("{family}/neigh/{interface}/delay_first_probe_time");
            self.ns.sysctl(&setting, "600")?;
        }
        if spec.guest_gro {
            self.ns.ethtool(&format!("-K {interface} gro on"))?;
        }
        if spec.is_direct() {
            return Ok(());
        }
        let mut at_host = vec![format!("link set {port} addrgenmode none")];
        if spec.bridge {
            at_host.push(format!("link set {port} master {BRIDGE}"));
        }
        at_host.push(format!("link set {port} up"));
        host.ip_batch(&at_host)
    }
}

#[cfg(test)]
mod tests;
