//! The entries of a bridge's address table.

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
    /// It ages and moves, whether learned or entered by hand.
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
