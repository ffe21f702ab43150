//! The address table: which station is behind which port. It has one aligned 64-bit word per address,
//! in buckets of a cache line, in an array that user space maps into memory.
//!
//! Invariant: a word is read and written whole, and holds all that is known of one address, so a
//! reader never takes one address's port for another's; only user space writes. (A BPF hash map
//! will not do: it uses a replaced element again at once, while a program still reads it. A key that
//! is compared again after the value is not enough either, on machines that reorder loads.)
//!
//! ```text
//!   key (60 bits) = MAC, VLAN ──seeded bijection──► bucket (14 bits) + tag (46 bits)
//!   word          = tag (46) | port (12) | flags (6); 0: empty
//! ```
//! The mapping from keys to (bucket, tag) is one to one, so an equal tag in the right bucket is the
//! same address: no key needs to be stored or compared.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Buckets of the table.
pub const BUCKETS: u32 = 1 << BUCKET_BITS;
const BUCKET_BITS: u32 = 14;
/// Addresses in a bucket: one cache line.
pub const WAYS: usize = 8;
/// Words of the whole table, as user space maps it.
pub const WORDS: usize = BUCKETS as usize * WAYS;

/// The value of the map `ADDRESSES`.
pub type Bucket = [u64; WAYS];
/// The value of the map `LAST_SEEN`: for each way, when the address was last seen behind its port,
/// on the clock of `bpf_ktime_get_ns`, shifted by [`SEEN_SHIFT`]; 0: never.
pub type Seen = [u32; WAYS];

/// Gives units of about half a second: often enough to keep an address alive, seldom enough that hardly
/// any frame writes.
pub const SEEN_SHIFT: u32 = 29;

const KEY_BITS: u32 = 60;
const KEY_MASK: u64 = (1 << KEY_BITS) - 1;
const TAG_SHIFT: u32 = 18;
const PORT_SHIFT: u32 = 6;
const PORT_MASK: u64 = 0xfff;
const FLAGS_MASK: u64 = 0x3f;

/// Stands for a port of the bridge that weir does not serve: frames for such an address are the
/// bridge's.
pub const ELSEWHERE: u16 = PORT_MASK as u16;

/// Bits of [`Entry::flags`].
pub mod entry_flags {
    /// Set in every entry, so that none is 0.
    pub const VALID: u8 = 1 << 0;
    /// An address of the host itself: the port's own, or the bridge's.
    pub const LOCAL: u8 = 1 << 1;
    /// Never evicted: a lock names the address.
    pub const PINNED: u8 = 1 << 2;
}

/// Random numbers drawn by user space, so that outsiders cannot choose addresses that share a bucket.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Seed {
    pub xor: u64,
    pub multiply: u64,
}

/// The place of an address: its bucket, and its tag there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub bucket: u32,
    tag: u64,
}

/// The key of an address: MAC in the high 48 of 60 bits, VLAN below. A bridge that does not filter
/// VLANs keeps all addresses under VLAN 0.
#[inline(always)]
pub const fn key(mac: u64, vlan: u16) -> u64 {
    (mac << 12 | (vlan & 0xfff) as u64) & KEY_MASK
}

impl Seed {
    /// As a loader hands it to the global `TABLE_SEED`.
    pub fn to_words(self) -> [u64; 2] {
        zerocopy::transmute!(self)
    }

    /// Each step is one to one on 60 bits: exclusive or, multiplication with an odd number, and
    /// exclusive or with the number's own high half.
    #[inline(always)]
    pub const fn place(&self, key: u64) -> Place {
        let mut x = (key ^ self.xor) & KEY_MASK;
        x = x.wrapping_mul(self.multiply | 1) & KEY_MASK;
        x ^= x >> 31;
        x = x.wrapping_mul(0x9e37_79b9_7f4a_7c15) & KEY_MASK;
        x ^= x >> 30;
        Place { bucket: (x >> (KEY_BITS - BUCKET_BITS)) as u32, tag: x & TAG_MASK }
    }
}

const TAG_MASK: u64 = (1 << (KEY_BITS - BUCKET_BITS)) - 1;

/// A word of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(u64);

impl Entry {
    pub const EMPTY: Self = Self(0);

    /// Sets [`entry_flags::VALID`] too, so `flags` need not have it.
    #[inline(always)]
    pub const fn new(place: Place, port: u16, flags: u8) -> Self {
        let flags = (flags | entry_flags::VALID) as u64 & FLAGS_MASK;
        Self(place.tag << TAG_SHIFT | (port as u64 & PORT_MASK) << PORT_SHIFT | flags)
    }

    #[inline(always)]
    pub const fn of_word(word: u64) -> Self {
        Self(word)
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is the entry of the address that stands at `place`, in whose bucket it was found.
    #[inline(always)]
    pub const fn is_of(self, place: Place) -> bool {
        self.0 >> TAG_SHIFT == place.tag && self.0 & entry_flags::VALID as u64 != 0
    }

    #[inline(always)]
    pub const fn port(self) -> u16 {
        (self.0 >> PORT_SHIFT & PORT_MASK) as u16
    }

    #[inline(always)]
    pub const fn flags(self) -> u8 {
        (self.0 & FLAGS_MASK) as u8
    }

    #[inline(always)]
    pub const fn has(self, flags: u8) -> bool {
        self.flags() & flags == flags
    }
}

const _: () = assert!(crate::MAX_PORTS < ELSEWHERE as u32, "a slot fits into twelve bits");
const _: () = assert!(KEY_BITS - BUCKET_BITS + TAG_SHIFT == 64);

#[cfg(test)]
mod tests;
