//! Rules of the host that the bridge honours and the gate does not know. Frames that the gate decided
//! would bypass them.
//!
//! - nftables: chains of the bridge family, and of devices (`netdev`, and `inet` at ingress)
//! - iptables, ip6tables, arptables, and nftables of those families, where br_netfilter hands them
//!   bridged frames; ebtables
//! - tc: filters at ingress and egress, queueing disciplines; tcx programs of others
//! - VLAN devices on a port, which take their frames before the bridge sees them
//!
//! Invariant: read only, without the help of other programs. A feature that this kernel lacks yields no
//! findings; a check that fails is reported.

mod netfilter;
pub(crate) mod tc;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use nix::libc;

use super::super::links::{Link, read_brief};
use super::super::netlink::Netlink;
use super::offload::WhyNot;
use super::state::Settings;

/// Names of interfaces, by index.
pub type Ports = BTreeMap<u32, String>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// Findings that hold for every port of the bridge.
    pub bridge: Vec<WhyNot>,
    pub ports: BTreeMap<u32, Vec<WhyNot>>,
    /// Checks that failed, with the error.
    pub unknown: Vec<String>,
}

impl Findings {
    /// Everything that keeps the frames of a port from the gate.
    pub fn of_port(&self, ifindex: u32) -> Vec<WhyNot> {
        let port = self.ports.get(&ifindex).into_iter().flatten();
        self.bridge.iter().chain(port).cloned().collect()
    }

    /// Leaves these ports to the bridge if a check failed: there may be rules.
    pub fn leave_unknown_to_the_bridge<'a>(
        &mut self,
        ports: impl Iterator<Item = (&'a u32, &'a String)>,
    ) {
        for (&port, name) in ports {
            for unknown in self.unknown.clone() {
                let found = format!("rules of the host that cannot be read ({unknown})");
                self.on_port(port, found, format!("foreign-rules = \"ignore\" for `{name}`"));
            }
        }
    }

    /// Adds what was found earlier.
    pub fn and(mut self, earlier: &Self) -> Self {
        let add = |to: &mut Vec<WhyNot>, from: &[WhyNot]| {
            let new: Vec<WhyNot> = from.iter().filter(|rule| !to.contains(rule)).cloned().collect();
            to.extend(new);
        };
        add(&mut self.bridge, &earlier.bridge);
        for (port, rules) in &earlier.ports {
            add(self.ports.entry(*port).or_default(), rules);
        }
        self
    }

    fn on_bridge(&mut self, found: String, to_do: String) {
        self.bridge.push(WhyNot { found, to_do, is_foreign: true });
    }

    fn on_port(&mut self, port: u32, found: String, to_do: String) {
        let rules = self.ports.entry(port).or_default();
        rules.push(WhyNot { found, to_do, is_foreign: true });
    }

    /// The answer to one of the checks; nothing if the kernel lacks the feature.
    fn look<T: Default>(&mut self, at: &str, answer: io::Result<T>) -> T {
        answer.unwrap_or_else(|error| {
            let missing = [
                libc::EOPNOTSUPP,
                libc::EPROTONOSUPPORT,
                libc::EAFNOSUPPORT,
                libc::ENOENT,
                libc::EINVAL,
            ];
            if !error.raw_os_error().is_some_and(|code| missing.contains(&code)) {
                self.unknown.push(format!("{at}: {error}"));
            }
            T::default()
        })
    }
}

/// Checks a bridge and some of its ports, in this thread's network namespace; `own` holds the ids of weir's
/// own programs. Blocks for milliseconds.
pub fn find(bridge: &Settings, ports: &Ports, own: &BTreeSet<u32>) -> Findings {
    let mut findings = Findings::default();
    let chains = findings.look("nftables", netfilter::chains());
    netfilter::judge_chains(&chains, ports, &mut findings);
    netfilter::judge_host(&netfilter::read_host(bridge), &chains, &mut findings);
    match Netlink::open() {
        Ok(mut netlink) => {
            tc::find(&mut netlink, ports, &mut findings);
            let links = findings.look("interfaces", read_brief(&mut netlink));
            judge_vlans(&links, ports, &mut findings);
        }
        Err(error) => findings.unknown.push(format!("rtnetlink: {error}")),
    }
    tc::find_programs(ports, own, &mut findings);
    findings
}

/// VLAN devices on a port: their frames never reach the bridge.
fn judge_vlans(links: &[Link], ports: &Ports, into: &mut Findings) {
    for link in links {
        let Some((lower, vid)) = link.vlan else { continue };
        let Some(name) = ports.get(&lower) else { continue };
        let vid = vid.map_or(String::new(), |vid| format!(" of VLAN {vid}"));
        let found = format!(
            "the {} device `{}` takes the frames{vid} that come in by `{name}`",
            link.kind, link.name
        );
        into.on_port(lower, found, format!("ip link del {}", link.name));
    }
}

#[cfg(test)]
mod tests;
