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

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, SchedClassifier};
use nix::libc;

use super::offload::WhyNot;
use super::state::Settings;
use crate::host::links::{Link, read_brief};
use crate::host::netlink::{Attributes, Netlink, Request, u32_at};

const TC_HEADER_LEN: usize = 20;
// linux/pkt_sched.h
pub(crate) const TC_H_ROOT: u32 = 0xffff_ffff;
const TC_H_CLSACT: u32 = 0xffff_fff1;
const AT_INGRESS: u32 = 0xffff_fff2;
const AT_EGRESS: u32 = 0xffff_fff3;

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
            find_qdiscs(&mut netlink, ports, &mut findings);
            let links = findings.look("interfaces", read_brief(&mut netlink));
            judge_vlans(&links, ports, &mut findings);
        }
        Err(error) => findings.unknown.push(format!("rtnetlink: {error}")),
    }
    find_programs(ports, own, &mut findings);
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

/// A queueing discipline, or a filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Qdisc {
    pub(crate) ifindex: u32,
    pub(crate) handle: u32,
    pub(crate) parent: u32,
    pub(crate) kind: String,
}

/// A message of traffic control's.
pub(crate) fn qdisc(payload: &[u8]) -> Option<Qdisc> {
    let kind = Attributes::behind(TC_HEADER_LEN, payload).text(libc::TCA_KIND)?;
    let (ifindex, handle) = (u32_at(payload, 4)?, u32_at(payload, 8)?);
    Some(Qdisc { ifindex, handle, parent: u32_at(payload, 12)?, kind })
}

/// Queueing disciplines of the ports, and filters.
fn find_qdiscs(netlink: &mut Netlink, ports: &Ports, into: &mut Findings) {
    let all = netlink.dump(&Request::about_qdisc(libc::RTM_GETQDISC, 0, 0, 0));
    let all = into.look("tc qdisc", all);
    for qdisc in all.iter().filter_map(|(_, payload)| qdisc(payload)) {
        let port = qdisc.ifindex;
        let Some(name) = ports.get(&port) else { continue };
        // A qdisc that the kernel made has no handle.
        if qdisc.parent == TC_H_ROOT && qdisc.handle != 0 {
            let kind = &qdisc.kind;
            let found = format!("`{name}` has the queueing discipline {kind} (tc qdisc show)");
            into.on_port(port, found, format!("tc qdisc del dev {name} root"));
        }
        // One of this parent only exists to hold filters.
        if qdisc.parent != TC_H_CLSACT {
            continue;
        }
        for (parent, side) in [(AT_INGRESS, "ingress"), (AT_EGRESS, "egress")] {
            // The older `ingress` qdisc answers for either side.
            if qdisc.kind == "ingress" && side == "egress" {
                continue;
            }
            let filters = filters(netlink, port, parent);
            if let Some(kind) = into.look("tc filter", filters) {
                let found = format!("`{name}` has a tc filter ({kind}) at {side}");
                into.on_port(port, found, format!("tc filter del dev {name} {side}"));
            }
        }
    }
}

/// The kind of the first filter there.
fn filters(netlink: &mut Netlink, ifindex: u32, parent: u32) -> io::Result<Option<String>> {
    let request = Request::about_qdisc(libc::RTM_GETTFILTER, ifindex, 0, parent);
    let answers = netlink.dump(&request)?;
    Ok(answers.iter().find_map(|(_, payload)| qdisc(payload)).map(|filter| filter.kind))
}

/// Programs at tcx that weir did not load.
fn find_programs(ports: &Ports, own: &BTreeSet<u32>, into: &mut Findings) {
    for (&port, name) in ports {
        for (at, side) in [(TcAttachType::Ingress, "ingress"), (TcAttachType::Egress, "egress")] {
            let programs = into.look("tcx", programs(name, at));
            for (id, program) in programs.into_iter().filter(|(id, _)| !own.contains(id)) {
                into.on_port(
                    port,
                    format!("`{name}` has the BPF program `{program}` (id {id}) at tcx {side}"),
                    format!("bpftool net detach tcx_{side} dev {name}, or end what attached it"),
                );
            }
        }
    }
}

/// Id and name of each program there.
fn programs(device: &str, at: TcAttachType) -> io::Result<Vec<(u32, String)>> {
    let query = || SchedClassifier::query_tcx(device, at);
    // A program that has just been detached may be listed and then not be found.
    let (_, programs) = query().or_else(|_| query()).map_err(|error| match error {
        ProgramError::SyscallError(error) => error.io_error,
        other => io::Error::other(other),
    })?;
    let named = programs
        .iter()
        .map(|program| (program.id(), program.name_as_str().unwrap_or_default().to_owned()));
    Ok(named.collect())
}

#[cfg(test)]
mod tests;
