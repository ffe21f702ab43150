//! Traffic control on the ports: queueing disciplines, filters, and programs of others at tcx.

use std::collections::BTreeSet;
use std::io;

use aya::programs::tc::TcAttachType;
use aya::programs::{ProgramError, SchedClassifier};
use nix::libc;

use super::{Findings, Ports};
use crate::host::netlink::{Attributes, Netlink, Request, u32_at};

const HEADER_LEN: usize = 20;
// linux/pkt_sched.h
pub(crate) const TC_H_ROOT: u32 = 0xffff_ffff;
const TC_H_CLSACT: u32 = 0xffff_fff1;
const AT_INGRESS: u32 = 0xffff_fff2;
const AT_EGRESS: u32 = 0xffff_fff3;

/// A queueing discipline, or a filter.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Qdisc {
    pub(crate) ifindex: u32,
    pub(crate) handle: u32,
    pub(crate) parent: u32,
    pub(crate) kind: String,
}

pub(crate) fn decode(payload: &[u8]) -> Option<Qdisc> {
    let kind = Attributes::behind(HEADER_LEN, payload).text(libc::TCA_KIND)?;
    let (ifindex, handle) = (u32_at(payload, 4)?, u32_at(payload, 8)?);
    Some(Qdisc { ifindex, handle, parent: u32_at(payload, 12)?, kind })
}

pub(super) fn find(netlink: &mut Netlink, ports: &Ports, into: &mut Findings) {
    let all = netlink.dump(&Request::about_qdisc(libc::RTM_GETQDISC, 0, 0, 0));
    let all = into.look("tc qdisc", all);
    for qdisc in all.iter().filter_map(|(_, payload)| decode(payload)) {
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
    Ok(answers.iter().find_map(|(_, payload)| decode(payload)).map(|filter| filter.kind))
}

/// Programs at tcx that weir did not load.
pub(super) fn find_programs(ports: &Ports, own: &BTreeSet<u32>, into: &mut Findings) {
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
