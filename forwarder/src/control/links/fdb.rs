//! What the kernel's bridges have learned: hints for weir's own table, so that a takeover does not
//! begin by flooding. Invariant: a hint may be wrong or missing; nothing depends on it.

use std::io;

use nix::libc;

use crate::control::netlink::{Netlink, Request, attributes, u16_at, u32_at};

const HEADER_LEN: usize = 12;
const NDA_MASTER: u16 = 9;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FdbKind {
    /// The port's own address: frames to it belong to the host.
    Local,
    /// Entered by the administrator.
    Static,
    Learned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdbEntry {
    pub mac: [u8; 6],
    /// 0: untagged.
    pub vlan: u16,
    /// The bridge port behind which the address is.
    pub ifindex: u32,
    pub bridge: u32,
    pub kind: FdbKind,
}

pub(super) fn read(netlink: &mut Netlink) -> io::Result<Vec<FdbEntry>> {
    let mut fixed = [0; HEADER_LEN];
    fixed[0] = libc::AF_BRIDGE as u8;
    let answers = netlink.dump(&Request::new(libc::RTM_GETNEIGH, &fixed))?;
    Ok(answers.iter().filter_map(|(_, payload)| decode(payload)).collect())
}

/// An entry of a bridge's table; `None` for ARP entries, and for the filters of single devices.
pub(super) fn decode(payload: &[u8]) -> Option<FdbEntry> {
    if i32::from(*payload.first()?) != libc::AF_BRIDGE {
        return None;
    }
    let ifindex = u32_at(payload, 4)?;
    let state = u16_at(payload, 8)?;
    let (mut mac, mut vlan, mut bridge) = (None, 0, None);
    for (attribute, value) in attributes(payload, HEADER_LEN) {
        match attribute {
            libc::NDA_LLADDR => mac = value.try_into().ok(),
            libc::NDA_VLAN => vlan = u16_at(value, 0)?,
            NDA_MASTER => bridge = u32_at(value, 0),
            _ => {}
        }
    }
    let kind = if state & libc::NUD_PERMANENT != 0 {
        FdbKind::Local
    } else if state & libc::NUD_NOARP != 0 {
        FdbKind::Static
    } else {
        FdbKind::Learned
    };
    Some(FdbEntry { mac: mac?, vlan, ifindex, bridge: bridge?, kind })
}
