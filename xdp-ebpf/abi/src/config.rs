//! What user space tells the programs: address locks, and where the running kernel keeps the fields of a
//! packet that they read.
//! Invariant: each type turns into a byte or word array without `unsafe` (`to_bytes`, `to_words`),
//! which is how a loader writes it into a map.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Key of the map `MAC_LOCK`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct MacLockKey {
    pub slot: u16,
    pub mac: [u8; 6],
}

const _: () = assert!(size_of::<MacLockKey>() == MacLockKey::LEN);

impl MacLockKey {
    pub const LEN: usize = 8;

    pub fn to_bytes(self) -> [u8; Self::LEN] {
        zerocopy::transmute!(self)
    }
}

/// Key of the map `IP_LOCK`; an IPv4 address stands as `::ffff:a.b.c.d`.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct IpLockKey {
    pub slot: u16,
    pub pad: [u8; 2],
    pub addr: [u8; 16],
}

const _: () = assert!(size_of::<IpLockKey>() == IpLockKey::LEN);

impl IpLockKey {
    pub const LEN: usize = 20;

    pub const fn new(slot: u16, addr: [u8; 16]) -> Self {
        Self { slot, pad: [0; 2], addr }
    }

    pub fn to_bytes(self) -> [u8; Self::LEN] {
        zerocopy::transmute!(self)
    }
}

/// Where the running kernel keeps the fields of a `sk_buff` that the gate reads, by its BTF. All zero:
/// unknown, and then the gate is not loaded.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct SkbOffsets {
    /// `sk_buff::head`.
    pub head: u32,
    /// `sk_buff::end`, an offset from `head`.
    pub end: u32,
    /// The byte of `sk_buff::redirected`, and its bit there.
    pub redirected: u32,
    pub redirected_mask: u32,
    /// `skb_shared_info::gso_type`.
    pub gso_type: u32,
    /// BTF identifier of `skb_shared_info`; 0: nothing here is known.
    pub shinfo_type: u32,
    /// `sk_buff::data`.
    pub data: u32,
    /// `sk_buff::csum_start`, an offset from `head`.
    pub csum_start: u32,
    /// The byte of `sk_buff::ip_summed`, and how far its two bits are shifted there.
    pub ip_summed: u32,
    pub ip_summed_shift: u32,
}

const _: () = assert!(size_of::<SkbOffsets>() == 4 * SkbOffsets::WORDS);

impl SkbOffsets {
    pub const WORDS: usize = 10;

    /// As a loader hands it to the global `SKB_OFFSETS`.
    pub fn to_words(self) -> [u32; Self::WORDS] {
        zerocopy::transmute!(self)
    }

    pub const fn usable(&self) -> bool {
        self.shinfo_type != 0
            && self.redirected_mask != 0
            && self.head != 0
            && self.end != 0
            && self.data != 0
            && self.csum_start != 0
            && self.ip_summed != 0
            && self.ip_summed_shift <= 6
    }
}
