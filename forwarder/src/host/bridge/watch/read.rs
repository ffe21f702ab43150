//! Everything the kernel knows of one bridge, read once. Invariant: read only.

use std::io;

use nix::libc;

use super::super::decode;
use super::super::state::BridgeState;
use crate::host::netlink::{Netlink, Request};

// Not in libc: linux/rtnetlink.h, linux/if_link.h
const RTM_GETVLAN: u16 = 114;

/// An interface's header, with the filter that the kernel applies: only members of `bridge`.
fn members_of(kind: u16, family: libc::c_int, bridge: u32) -> Request {
    let mut fixed = [0; 16];
    fixed[0] = family as u8;
    Request::new(kind, &fixed).number(libc::IFLA_MASTER, bridge)
}

/// A bridge that does not exist has no settings.
pub(crate) fn read(netlink: &mut Netlink, bridge: u32) -> io::Result<BridgeState> {
    let mut state = BridgeState::new(bridge);
    let mut apply = |answers: Vec<(u16, Vec<u8>)>| {
        for (kind, payload) in answers {
            if let Some(message) = decode::message(kind, &payload) {
                state.apply(message);
            }
        }
    };
    let without_statistics = |request: Request| {
        request.number(libc::IFLA_EXT_MASK, libc::RTEXT_FILTER_SKIP_STATS as u32)
    };
    let itself = Request::about_link(libc::RTM_GETLINK, bridge);
    match netlink.call(&without_statistics(itself)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(state),
        answers => apply(answers?),
    }
    let ports = members_of(libc::RTM_GETLINK, libc::AF_UNSPEC, bridge);
    apply(netlink.dump(&without_statistics(ports))?);
    let mut all_bridges = [0; 8];
    all_bridges[0] = libc::AF_BRIDGE as u8;
    match netlink.dump(&Request::new(RTM_GETVLAN, &all_bridges)) {
        // A kernel may have been built without VLANs.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        answers => apply(answers?),
    }
    apply(netlink.dump(&members_of(libc::RTM_GETNEIGH, libc::AF_BRIDGE, bridge))?);
    Ok(state)
}
