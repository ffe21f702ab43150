//! What the table is made of, and the memory that the gate reads, as the writer sees it.

use crate::{Mac, PortId};

/// Addresses in a bucket: the gate reads one cache line.
pub const WAYS: usize = 8;

/// A station's address. A bridge that does not filter VLANs keeps all its addresses under VLAN 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    pub mac: Mac,
    pub vlan: u16,
}

impl Address {
    /// The MAC in the high 48 of 60 bits, the VLAN below.
    pub(super) const fn key(self) -> u64 {
        self.mac.to_u64() << 12 | (self.vlan & 0xfff) as u64
    }

    pub(super) const fn of_key(key: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = (key >> 12).to_be_bytes();
        Self { mac: Mac::new([a, b, c, d, e, f]), vlan: (key & 0xfff) as u16 }
    }

    /// Whether it is a unicast address other than zero, with a valid VLAN.
    pub(super) fn is_station(self) -> bool {
        !self.mac.is_multicast() && self.mac != Mac::ZERO && self.vlan <= 0xfff
    }
}

/// Where a station is, according to the bridge.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Location {
    Port(PortId),
    /// Behind a port of the bridge that weir does not serve.
    Elsewhere,
    /// An address of the host itself: the bridge's, or a port's own.
    Host,
}

/// A place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct At {
    pub bucket: usize,
    /// Below [`WAYS`].
    pub way: usize,
}

/// The contents of a word of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    pub address: Address,
    pub location: Location,
    /// A lock names the address.
    pub pinned: bool,
}

/// The memory that readers see concurrently, and the format of its words.
pub trait Words {
    fn buckets(&self) -> usize;

    /// The bucket of an address, below [`buckets`](Self::buckets). Outsiders must not be able to choose
    /// addresses that share a bucket.
    fn bucket(&self, address: Address) -> usize;

    /// Replaces a whole word in one store, so that no reader sees half of it. `None` empties it.
    fn store(&mut self, at: At, word: Option<Word>);

    /// When a frame from the address stored at this place last arrived at the port stored with it; 0: never.
    /// The clock is that of the table's `now`; the time may be up to a second too early.
    fn last_seen(&self, at: At) -> u64;

    /// Makes [`last_seen`](Self::last_seen) 0.
    fn reset_seen(&mut self, at: At);
}
