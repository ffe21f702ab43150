//! The entries of a bridge's address table.

use std::time::Duration;

/// The key by which a bridge finds an address.
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
    /// A user or daemon entered the address; it neither ages nor moves.
    Static,
    /// The address ages and moves, whether it was learned or entered by hand.
    Learned,
}

/// An entry of the address table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    pub key: AddressKey,
    /// The port that leads to it, or the bridge itself for one of the bridge's own addresses.
    pub ifindex: u32,
    pub kind: AddressKind,
    /// A control plane entered the address and also removes it: it does not age.
    pub extern_learned: bool,
    /// Seen at a locked port and not authorized there.
    pub locked: bool,
}

impl Address {
    /// Whether the bridge forgets it when no frame comes from it.
    pub fn ages(&self) -> bool {
        self.kind == AddressKind::Learned && !self.extern_learned
    }
}

/// An address at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub address: Address,
    /// The time since the bridge had seen a frame from it, when the message was sent.
    pub age: Duration,
}

/// The age differs in every reading and is not compared.
impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Seen {}
