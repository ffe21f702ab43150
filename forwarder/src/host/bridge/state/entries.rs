//! The entries of a bridge's two tables: addresses, and groups.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// By what a bridge finds an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressKey {
    pub mac: [u8; 6],
    /// 0 without VLAN filtering.
    pub vid: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// Frames to it are for the host.
    Local,
    /// Entered by somebody; it neither ages nor moves.
    Static,
    /// It ages and moves, whoever entered it.
    Learned,
}

/// An entry of the address table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub key: AddressKey,
    /// The port behind which it is, or the bridge itself for one of the bridge's own addresses.
    pub ifindex: u32,
    pub kind: AddressKind,
    /// Entered by a control plane, which also removes it: it does not age.
    pub extern_learned: bool,
    /// A device says that it forwards to it in hardware.
    pub offloaded: bool,
    /// Frames from elsewhere do not move it.
    pub sticky: bool,
    /// Seen at a locked port and not authorised there.
    pub locked: bool,
}

impl Address {
    /// Whether the bridge forgets it when no frame comes from it.
    pub fn ages(&self) -> bool {
        self.kind == AddressKind::Learned && !self.extern_learned
    }
}

/// An address as it was at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub address: Address,
    /// How long ago the bridge had seen a frame from it when it spoke of it.
    pub age: Duration,
}

/// The age differs in every reading, and is no difference.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Seen {}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupAddress {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Mac([u8; 6]),
}

/// By what a bridge finds the members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    pub group: GroupAddress,
    /// Of a membership that is for one sender only.
    pub source: Option<IpAddr>,
    pub vid: u16,
}

/// A port's membership of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMember {
    pub key: GroupKey,
    /// The port, or the bridge itself if the host is a member.
    pub ifindex: u32,
    /// Entered by somebody; it does not age.
    pub permanent: bool,
    /// Frames of this source are not wanted.
    pub blocked: bool,
}
