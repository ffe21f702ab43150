//! Parses rtnetlink's messages about a bridge, its ports and its tables. Invariant: pure. Unknown
//! attributes are skipped, and a malformed message yields nothing.

mod link;
mod vlans;

use std::time::Duration;

use nix::libc;

use super::state::{Address, AddressKey, AddressKind, PortSettings, Seen, Settings};
use super::state::{VlanRange, VlanSet};
use crate::host::netlink::{Attributes, u16_at, u32_at};

// linux/rtnetlink.h
const RTM_NEWVLAN: u16 = 112;
const RTM_DELVLAN: u16 = 113;

// linux/neighbour.h
const NEIGHBOUR_HEADER_LEN: usize = 12;
const NDA_MASTER: u16 = 9;
const NDA_FLAGS_EXT: u16 = 15;
const NTF_EXT_LEARNED: u8 = 1 << 4;
const NTF_EXT_LOCKED: u32 = 1 << 1;

/// The unit of times that the kernel reports to user space: 100 ticks a second on every architecture.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// The content of one message of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    Bridge {
        ifindex: u32,
        settings: Settings,
    },
    /// An interface is a port of a bridge; `vlans` is its membership if the message carries it.
    Port {
        bridge: u32,
        ifindex: u32,
        settings: PortSettings,
        vlans: Option<VlanSet>,
    },
    /// An interface is no longer a port of that bridge or, without `bridge`, of any.
    NotAPort {
        bridge: Option<u32>,
        ifindex: u32,
    },
    /// An interface no longer exists.
    Gone {
        ifindex: u32,
    },
    /// VLANs were added or changed, or are `gone`.
    Vlans {
        ifindex: u32,
        ranges: Vec<VlanRange>,
        gone: bool,
    },
    Address {
        bridge: u32,
        seen: Seen,
    },
    AddressGone {
        bridge: u32,
        key: AddressKey,
        ifindex: u32,
    },
}

/// Parses a message from its kind and the payload behind its header; `None` if it concerns no bridge.
pub fn message(kind: u16, payload: &[u8]) -> Option<Message> {
    match kind {
        libc::RTM_NEWLINK => link::new(payload),
        libc::RTM_DELLINK => link::deleted(payload),
        libc::RTM_NEWNEIGH => {
            let (bridge, seen) = address(payload)?;
            Some(Message::Address { bridge, seen })
        }
        libc::RTM_DELNEIGH => {
            let (bridge, Seen { address, .. }) = address(payload)?;
            let Address { key, ifindex, .. } = address;
            Some(Message::AddressGone { bridge, key, ifindex })
        }
        RTM_NEWVLAN | RTM_DELVLAN => vlans::message(payload, kind == RTM_DELVLAN),
        _ => None,
    }
}

/// An entry of a bridge's table, and the bridge; `None` for ARP entries, and for the filters of
/// single devices.
fn address(payload: &[u8]) -> Option<(u32, Seen)> {
    if i32::from(*payload.first()?) != libc::AF_BRIDGE {
        return None;
    }
    let state = u16_at(payload, 8)?;
    let flags = *payload.get(10)?;
    let all = Attributes::behind(NEIGHBOUR_HEADER_LEN, payload);
    let kind = if state & libc::NUD_PERMANENT != 0 {
        AddressKind::Local
    } else if state & libc::NUD_NOARP != 0 {
        AddressKind::Static
    } else {
        AddressKind::Learned
    };
    let mac = all.get(libc::NDA_LLADDR)?.try_into().ok()?;
    let address = Address {
        key: AddressKey { mac, vid: all.u16(libc::NDA_VLAN).unwrap_or(0) },
        ifindex: u32_at(payload, 4)?,
        kind,
        extern_learned: flags & NTF_EXT_LEARNED != 0,
        locked: all.u32(NDA_FLAGS_EXT).is_some_and(|flags| flags & NTF_EXT_LOCKED != 0),
    };
    // The four ages are: confirmed, used, updated, references. The third is the time since a frame last
    // came from the address.
    let age = all.get(libc::NDA_CACHEINFO).and_then(|ages| u32_at(ages, 8));
    let age = age.map_or(Duration::ZERO, |ticks| TICK.saturating_mul(ticks));
    Some((all.u32(NDA_MASTER)?, Seen { address, age }))
}

#[cfg(test)]
mod tests;
