//! Putting one recorded change back, wherever its interface is now. The record may be of weir 1,
//! which also gave veths and taps a qdisc.
//! Invariant: an interface that was replaced, and a qdisc that is the operator's, are left alone.

use std::io;

use nix::libc;
use nix::net::if_::if_nametoindex;

use crate::host::netlink::{Netlink, Request, attributes, text, u32_at};
use crate::host::netns::{self, NetnsId};
use crate::host::state::{Before, Change};

/// By this handle, and as a pfifo, weir's qdisc is known: "we" in ASCII.
const HANDLE: u32 = 0x7765_0000;
// linux/rtnetlink.h, linux/pkt_sched.h
const TC_HEADER_LEN: usize = 20;
const TC_H_ROOT: u32 = 0xffff_ffff;

/// Undoes a change, and says what was done. `own` is the namespace of this thread.
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

/// What undoing a change is, where it fails.
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
    let all = netlink.dump(&Request::new(libc::RTM_GETQDISC, &header(0)))?;
    if !all.iter().any(|(_, payload)| is_ours(payload, ifindex)) {
        return Ok("it has no qdisc of weir's any more".to_owned());
    }
    netlink.call(&Request::new(libc::RTM_DELQDISC, &header(ifindex)))?;
    // The kernel set an empty length when the qdisc was added.
    let length = tx_queue_len.to_ne_bytes();
    let request = Request::about_link(libc::RTM_SETLINK, ifindex);
    netlink.call(&request.attribute(libc::IFLA_TXQLEN, &length))?;
    Ok("weir's qdisc is removed".to_owned())
}

/// About the root qdisc of an interface.
fn header(ifindex: u32) -> [u8; TC_HEADER_LEN] {
    let mut fixed = [0; TC_HEADER_LEN];
    fixed[4..8].copy_from_slice(&ifindex.to_ne_bytes());
    fixed[8..12].copy_from_slice(&HANDLE.to_ne_bytes());
    fixed[12..16].copy_from_slice(&TC_H_ROOT.to_ne_bytes());
    fixed
}

fn is_ours(payload: &[u8], ifindex: u32) -> bool {
    let kind = attributes(payload, TC_HEADER_LEN).find(|(kind, _)| *kind == libc::TCA_KIND);
    [(4, ifindex), (8, HANDLE), (12, TC_H_ROOT)]
        .iter()
        .all(|(at, word)| u32_at(payload, *at) == Some(*word))
        && kind.is_some_and(|(_, value)| text(value) == "pfifo")
}

#[cfg(test)]
mod tests;
