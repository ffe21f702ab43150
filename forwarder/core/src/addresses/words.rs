//! What the table is made of, and the memory that the gate reads, as the writer sees it.

use crate::{Mac, PortId};

/// Addresses in a bucket: the gate reads a cache line.
pub const WAYS: usize = 8;

/// A station's address. A bridge that does not filter VLANs keeps all under VLAN 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Address {
    pub mac: Mac,
    pub vlan: u16,
}

impl Address {
    /// MAC in the high 48 of 60 bits, VLAN below.
    pub(super) const fn key(self) -> u64 {
        self.mac.to_u64() << 12 | (self.vlan & 0xfff) as u64
    }

    pub(super) const fn of_key(key: u64) -> Self {
        let [_, _, a, b, c, d, e, f] = (key >> 12).to_be_bytes();
        Self { mac: Mac::new([a, b, c, d, e, f]), vlan: (key & 0xfff) as u16 }
    }

    /// Not a group address, nor an impossible one.
    pub(super) fn is_station(self) -> bool {
        !self.mac.is_multicast() && self.mac != Mac::ZERO && self.vlan <= 0xfff
    }
}

/// Where a station is, as the bridge says.
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

/// What a word of the table says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    pub address: Address,
    pub location: Location,
    /// A lock names the address.
    pub pinned: bool,
}

/// The memory that readers see meanwhile, and the format of its words.
pub trait Words {
    fn buckets(&self) -> usize;

    /// The bucket of an address, below [`buckets`](Self::buckets). Outsiders must not be able to
    /// choose addresses that share one.
    fn bucket(&self, address: Address) -> usize;

    /// Replaces a word whole, in one store that no reader sees half of. `None` empties it.
    fn store(&mut self, at: At, word: Option<Word>);

    /// When a frame with the address that is at this place came in by the port that stands with it;
    /// 0: never. On the clock of the table's `now`; up to a second earlier than it was will do.
    fn last_seen(&self, at: At) -> u64;

    /// Makes [`last_seen`](Self::last_seen) 0.
    fn reset_seen(&mut self, at: At);
}
