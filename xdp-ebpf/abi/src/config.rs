//! What user space tells the program: per-port settings, address locks, who is behind which port,
//! kernel struct offsets.
//! Invariant: each type turns into a byte or word array without `unsafe` (`to_bytes`, `to_words`),
//! which is how a loader writes it into a map.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A port, by ifindex in the map `PORTS`.
// Aligned so that the program compares each address with one 64-bit load.
#[repr(C, align(8))]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct PortConfig {
    pub slot: u16,
    /// [`port_flags`].
    pub flags: u16,
    pub pad0: [u8; 4],
    /// The device's own address: frames to it belong to the host. Zero: none.
    pub host_mac: [u8; 6],
    pub pad1: [u8; 2],
    /// Address of the bridge the device is in, likewise. Zero: none.
    pub bridge_mac: [u8; 6],
    pub pad2: [u8; 2],
}

const _: () = assert!(size_of::<PortConfig>() == PortConfig::LEN);

impl PortConfig {
    pub const LEN: usize = 24;

    pub const fn new(slot: u16, flags: u16, host_mac: [u8; 6], bridge_mac: [u8; 6]) -> Self {
        Self { slot, flags, pad0: [0; 4], host_mac, pad1: [0; 2], bridge_mac, pad2: [0; 2] }
    }

    pub fn to_bytes(self) -> [u8; Self::LEN] {
        zerocopy::transmute!(self)
    }

    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        zerocopy::transmute!(bytes)
    }
}

/// Bits of [`PortConfig::flags`].
pub mod port_flags {
    /// With no socket in the slot, drop instead of leaving the frame to the kernel.
    pub const FALLBACK_DROP: u16 = 1 << 0;
    /// Attached in skb (generic) mode: superframes may arrive.
    pub const SKB_MODE: u16 = 1 << 1;
    /// Only sources in `MAC_LOCK`.
    pub const MAC_LOCK: u16 = 1 << 2;
    /// Only sources in `IP_LOCK`.
    pub const IP_LOCK: u16 = 1 << 3;
    /// In a kernel bridge: group frames are left to it; it floods them and the host hears them.
    pub const BRIDGED: u16 = 1 << 4;
}

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

/// Key of the map `FDB`: an address and the VLAN it was heard in.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct FdbKey {
    pub mac: [u8; 6],
    /// As in [`Meta::vlan`](crate::Meta::vlan), which is what user space learns by.
    pub vlan: u16,
}

const _: () = assert!(size_of::<FdbKey>() == FdbKey::LEN);

impl FdbKey {
    pub const LEN: usize = 8;

    /// Of `vlan` only the identifier counts, the low 12 bits.
    #[inline(always)]
    pub const fn new(mac: [u8; 6], vlan: u16) -> Self {
        Self { mac, vlan: vlan & 0x0fff }
    }

    pub fn to_bytes(self) -> [u8; Self::LEN] {
        zerocopy::transmute!(self)
    }
}

/// Where the running kernel keeps what the program reads of a superframe, from its BTF. All zero:
/// unknown, superframes are not told from long frames.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GsoOffsets {
    /// Not 0: the rest is set.
    pub valid: u32,
    /// `xdp_buff::data_hard_start`.
    pub hard_start: u32,
    /// `xdp_buff::frame_sz`.
    pub frame_sz: u32,
    /// `SKB_DATA_ALIGN(sizeof(struct skb_shared_info))`.
    pub shinfo_len: u32,
    /// `skb_shared_info::gso_size`.
    pub gso_size: u32,
    /// `skb_shared_info::gso_type`.
    pub gso_type: u32,
    /// BTF identifier of `skb_shared_info` where the object's placeholders have been linked to the
    /// kernel's functions (see [`kfunc`](crate::kfunc)); 0: they have not.
    pub shinfo_type: u32,
}

const _: () = assert!(size_of::<GsoOffsets>() == 4 * GsoOffsets::WORDS);

impl GsoOffsets {
    pub const WORDS: usize = 7;
    /// Bytes the program copies: of `xdp_buff` from `hard_start` on, of `skb_shared_info` from its
    /// beginning.
    pub const REACH: u32 = 32;

    /// As a loader hands it to the global `GSO_OFFSETS`.
    pub fn to_words(self) -> [u32; Self::WORDS] {
        zerocopy::transmute!(self)
    }

    /// Whether the program can use them: aligned fields within its reach, a plausible size.
    #[inline(always)]
    pub const fn usable(&self) -> bool {
        self.valid != 0
            && self.hard_start <= self.frame_sz
            && self.frame_sz - self.hard_start <= Self::REACH - 4
            && self.gso_size <= Self::REACH - 2
            && self.gso_type <= Self::REACH - 4
            && (self.frame_sz - self.hard_start).is_multiple_of(4)
            && self.gso_size.is_multiple_of(2)
            && self.gso_type.is_multiple_of(4)
            && self.shinfo_len >= Self::REACH
            && self.shinfo_len <= 4096
    }
}

/// Where the running kernel keeps what the gate reads of a `sk_buff`, from its BTF. All zero:
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
