//! Undoes one recorded change, wherever its interface is now. The record may be of weir 1, which also
//! gave veths and taps a qdisc. Invariant: a replaced interface, and a qdisc of the operator's, are
//! left alone.

use std::io;

use nix::libc;
use nix::net::if_::if_nametoindex;

use crate::host::bridge::foreign::tc::{self, Qdisc, TC_H_ROOT};
use crate::host::netlink::{Netlink, Request};
use crate::host::netns::{self, NetnsId};
use crate::host::state::{Before, Change};

/// Identifies weir's qdisc, together with its kind pfifo: "we" in ASCII.
const HANDLE: u32 = 0x7765_0000;

/// Undoes a change, and describes what was done. `own` is the namespace of this thread.
pub(super) fn put_back(change: &Change, own: NetnsId) -> io::Result<String> {
    if change.netns == own {
        return put_back_here(change);
    }
    match netns::by_identity(change.netns) {
        Some(netns) => netns.enter(|| put_back_here(change))?,
        None => Ok(GONE.to_owned()),
    }
}

const GONE: &str = "it is gone, and what was changed with it";

/// Describes the undoing of a change, for when it fails.
pub(super) fn action(change: &Change) -> String {
    match &change.before {
        Before::Feature { feature, .. } => format!("put {feature} back"),
        Before::NoQdisc { .. } => "remove the qdisc".to_owned(),
    }
}

fn put_back_here(change: &Change) -> io::Result<String> {
    let there = if_nametoindex(change.name.as_str()).is_ok_and(|index| index == change.ifindex);
    if !there {
        return Ok(GONE.to_owned());
    }
    match &change.before {
        Before::Feature { feature, on } => {
            weir_port::ethtool::set_feature(&change.name, feature, *on)?;
            Ok(format!("{feature} is {} again", if *on { "on" } else { "off" }))
        }
        Before::NoQdisc { tx_queue_len } => remove_qdisc(change.ifindex, *tx_queue_len),
    }
}

fn remove_qdisc(ifindex: u32, tx_queue_len: u32) -> io::Result<String> {
    let mut netlink = Netlink::open()?;
    let all = netlink.dump(&Request::about_qdisc(libc::RTM_GETQDISC, 0, 0, 0))?;
    let kind = "pfifo".to_owned();
    let ours = Qdisc { ifindex, handle: HANDLE, parent: TC_H_ROOT, kind };
    if !all.iter().any(|(_, payload)| tc::decode(payload).as_ref() == Some(&ours)) {
        return Ok("it has no qdisc of weir's any more".to_owned());
    }
    netlink.change(&Request::about_qdisc(libc::RTM_DELQDISC, ifindex, HANDLE, TC_H_ROOT))?;
    // The kernel set an empty length when the qdisc was added.
    let request = Request::about_link(libc::RTM_SETLINK, ifindex);
    netlink.change(&request.number(libc::IFLA_TXQLEN, tx_queue_len))?;
    Ok("weir's qdisc is removed".to_owned())
}
