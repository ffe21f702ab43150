//! weir's own bridge: made from the ports that a file names, found again at the next start, and left in
//! place when weir ends, so that the guests stay connected.
//!
//! Invariant: no other bridge is ever changed, and a failure leaves the host as it was. The bridge's MAC
//! address and MTU do not change when ports come and go.

use std::fs;
use std::io;

use nix::libc;
use nix::net::if_::if_nametoindex;

use super::super::links::{
    GuardError, Link, LinkKind, OWN_BRIDGE, Snapshot, check_port, read_snapshot,
};
use super::super::netlink::{Netlink, Request};

// linux/if_link.h
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_VLAN_DEFAULT_PVID: u16 = 39;
/// 300 s in the kernel's ticks towards user space, as every Linux bridge has it.
const AGEING_TICKS: u32 = 30_000;

/// The alias by which weir recognizes its own bridge; `ip -d link` shows it.
pub const ALIAS: &str = "made by weir";

/// The resulting bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    pub ifindex: u32,
    /// Whether the bridge existed already, from an earlier run.
    pub adopted: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    #[error("a bridge needs at least one port; name one")]
    NoPorts,
    #[error(transparent)]
    Refused(#[from] GuardError),
    #[error(
        "`{name}` is a member of `{master}`; use that bridge (--bridge {master}), or take it out \
         (ip link set dev {name} nomaster)"
    )]
    MemberElsewhere { name: String, master: String },
    #[error(
        "there is a bridge `{OWN_BRIDGE}` that weir did not make; use it (--bridge {OWN_BRIDGE}), or \
         let weir take another name"
    )]
    NotOurs,
    #[error("`{OWN_BRIDGE}` is {0}, not a bridge; let weir take another name for its own")]
    NotABridge(LinkKind),
    #[error("cannot {action}: {error}")]
    Kernel { action: String, error: io::Error },
}

/// Makes the bridge of these ports or adopts it, in this thread's network namespace; with `force` also of
/// the interface of the default route. It blocks for milliseconds.
pub fn make(ports: &[String], force: bool) -> Result<Made, MakeError> {
    let failed = |error| kernel("read the interfaces from the kernel (rtnetlink)", error);
    let mut netlink = Netlink::open().map_err(failed)?;
    let snapshot = read_snapshot(&mut netlink).map_err(failed)?;
    let existing = existing(&snapshot)?;
    let ports = check(&snapshot, ports, force, existing)?;
    let ifindex = existing.map_or_else(|| create(&mut netlink, &ports), Ok)?;
    let adopted = existing.is_some();
    if let Err(error) = establish(&mut netlink, ifindex, &ports, adopted) {
        undo(&mut netlink, ifindex, &ports, adopted);
        return Err(error);
    }
    Ok(Made { ifindex, adopted })
}

fn kernel(action: impl Into<String>, error: io::Error) -> MakeError {
    MakeError::Kernel { action: action.into(), error }
}

/// The bridge of an earlier run.
fn existing(snapshot: &Snapshot) -> Result<Option<u32>, MakeError> {
    let Some(link) = snapshot.by_name(OWN_BRIDGE) else { return Ok(None) };
    if link.kind != LinkKind::Bridge {
        return Err(MakeError::NotABridge(link.kind.clone()));
    }
    if link.alias != ALIAS {
        return Err(MakeError::NotOurs);
    }
    Ok(Some(link.ifindex))
}

/// The ports, if all of them may become members.
fn check<'a>(
    snapshot: &'a Snapshot,
    ports: &[String],
    force: bool,
    bridge: Option<u32>,
) -> Result<Vec<&'a Link>, MakeError> {
    if ports.is_empty() {
        return Err(MakeError::NoPorts);
    }
    let ports = ports.iter().map(|name| {
        // A member of the bridge may carry the default route.
        let is_member = snapshot.by_name(name).is_some_and(|link| link.master.is_some());
        let link = check_port(snapshot, name, force || is_member)?;
        match link.master.filter(|master| Some(*master) != bridge) {
            Some(master) => Err(MakeError::MemberElsewhere {
                name: name.clone(),
                master: snapshot.get(master).map_or(master.to_string(), |link| link.name.clone()),
            }),
            None => Ok(link),
        }
    });
    ports.collect()
}

fn create(netlink: &mut Netlink, ports: &[&Link]) -> Result<u32, MakeError> {
    let settings = |data: Request| {
        data.number(IFLA_BR_AGEING_TIME, AGEING_TICKS)
            .number(IFLA_BR_STP_STATE, 0)
            // The bridge does not filter VLANs, and a default VLAN would only double the address table.
            .attribute(IFLA_BR_VLAN_DEFAULT_PVID, &0_u16.to_ne_bytes())
    };
    let request = Request::about_link(libc::RTM_NEWLINK, 0).text(libc::IFLA_IFNAME, OWN_BRIDGE);
    let mut request = request.create_link("bridge", settings);
    // A MAC address that was set explicitly does not change with the ports.
    if let Some(link) = ports.first().filter(|link| link.mac != [0; 6]) {
        request = request.attribute(libc::IFLA_ADDRESS, &link.mac);
    }
    let made = netlink.change(&request).and_then(|()| Ok(if_nametoindex(OWN_BRIDGE)?));
    made.map_err(|error| kernel(format!("make the bridge `{OWN_BRIDGE}`"), error))
}

/// Prevents an address from a guest's router advertisement. This file is the only way.
fn refuse_autoconfiguration() {
    for setting in ["accept_ra", "autoconf"] {
        let path = format!("/proc/sys/net/ipv6/conf/{OWN_BRIDGE}/{setting}");
        if let Err(error) = fs::write(&path, "0") {
            tracing::debug!(path, %error, "is not set");
        }
    }
}

/// Makes an interface a member of a bridge; of none with 0.
fn set_master(netlink: &mut Netlink, ifindex: u32, bridge: u32) -> io::Result<()> {
    let request = Request::about_link(libc::RTM_SETLINK, ifindex);
    netlink.change(&request.number(libc::IFLA_MASTER, bridge))
}

/// Sets the bridge up, and makes members of the ports that are in none.
fn establish(
    netlink: &mut Netlink,
    bridge: u32,
    ports: &[&Link],
    adopted: bool,
) -> Result<(), MakeError> {
    if !adopted {
        // The host is reachable by the guests' bridge only if the operator gives it an address.
        netlink
            .change(&Request::about_link(libc::RTM_SETLINK, bridge).text(libc::IFLA_IFALIAS, ALIAS))
            .and_then(|()| netlink.set_no_ipv6_address(bridge))
            .map_err(|error| kernel(format!("make the bridge `{OWN_BRIDGE}`"), error))?;
        refuse_autoconfiguration();
    }
    for link in ports.iter().filter(|link| link.master.is_none()) {
        set_master(netlink, link.ifindex, bridge).map_err(|error| {
            kernel(format!("make `{}` a member of `{OWN_BRIDGE}`", link.name), error)
        })?;
    }
    if !adopted {
        // An MTU that was set explicitly does not follow the ports. Setting the present value has no
        // effect, so another value is set first.
        let mtu = ports.iter().map(|link| link.mtu).min().unwrap_or(1500);
        for mtu in [mtu ^ 1, mtu] {
            netlink.set_mtu(bridge, mtu).map_err(|error| {
                kernel(format!("set the MTU of `{OWN_BRIDGE}` to {mtu}"), error)
            })?;
        }
    }
    netlink
        .change(&Request::set_flags(bridge, libc::IFF_UP))
        .map_err(|error| kernel(format!("set `{OWN_BRIDGE}` up"), error))
}

/// Leaves the host as it was: a bridge that is deleted releases its ports.
fn undo(netlink: &mut Netlink, bridge: u32, ports: &[&Link], adopted: bool) {
    let mut undone = Vec::new();
    if adopted {
        let joined = ports.iter().filter(|link| link.master.is_none());
        undone.extend(joined.map(|l| (l.name.as_str(), set_master(netlink, l.ifindex, 0))));
    } else {
        undone.push((OWN_BRIDGE, netlink.delete_link(bridge)));
    }
    for (name, undone) in undone {
        if let Err(error) = undone {
            tracing::error!(name, %error, "could not be put back");
        }
    }
}

#[cfg(test)]
mod tests;
