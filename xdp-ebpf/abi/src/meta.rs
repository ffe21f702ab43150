//! The metadata header that the program writes in front of a frame.
//! Invariant: the metadata describe the frame as it stands behind them, checksum included.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{ABI_VERSION, Verdict, gso_kind};

/// Length of [`Meta`]; the kernel wants a multiple of 4, at most 32 on older drivers.
pub const META_LEN: usize = 32;

/// Stands immediately in front of a steered frame; of a chain, in front of its first buffer only.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Meta {
    /// `bpf_ktime_get_ns` at ingress, comparable with `CLOCK_MONOTONIC`.
    pub ingress_ns: u64,
    /// Stable per 5-tuple and VLAN; not symmetric.
    pub flow_hash: u32,
    /// Whole frame, all buffers of its chain.
    pub len: u32,
    /// Slot of the ingress port.
    pub port: u16,
    /// Slot of the egress port, or [`NO_EGRESS`].
    pub egress: u16,
    /// [`meta_flags`].
    pub flags: u16,
    /// Offset of what IP carries; 0: none, or a fragment.
    pub l4_off: u16,
    /// Payload bytes per segment; 0: not a superframe.
    pub gso_size: u16,
    /// VLAN identifier of the outer tag; 0: untagged.
    pub vlan: u16,
    /// Offset of the IP or ARP header; 0: none.
    pub l3_off: u8,
    /// [`gso_kind`](crate::gso_kind).
    pub gso_type: u8,
    /// [`ABI_VERSION`] of the program.
    pub abi: u16,
}

/// In [`Meta::egress`]: no port is named.
pub const NO_EGRESS: u16 = u16::MAX;

const _: () = assert!(size_of::<Meta>() == META_LEN && align_of::<Meta>() == 8);
const _: () = assert!(cfg!(target_endian = "little"), "words and fields stand in the same order");

impl Default for Meta {
    /// The metadata of no frame: all zero, and without an egress port.
    fn default() -> Self {
        Self { abi: 0, ..Self::new(&Verdict::default(), 0, 0, 0) }
    }
}

impl Meta {
    /// From what the parser says about a frame of `len` bytes that entered the port in slot `port`.
    #[inline(always)]
    pub const fn new(verdict: &Verdict, ingress_ns: u64, len: u32, port: u16) -> Self {
        Self {
            ingress_ns,
            flow_hash: verdict.flow_hash,
            len,
            port,
            egress: NO_EGRESS,
            flags: verdict.flags,
            l4_off: verdict.l4_off,
            gso_size: 0,
            vlan: verdict.vlan,
            l3_off: verdict.l3_off as u8,
            gso_type: gso_kind::NONE,
            abi: ABI_VERSION,
        }
    }

    /// Reads the metadata as they stand in front of a frame, at an address that need not be aligned.
    pub fn from_bytes(bytes: [u8; META_LEN]) -> Self {
        zerocopy::transmute!(bytes)
    }

    /// The metadata as words, composed in registers: a wide load of what narrow stores have just written
    /// stalls the processor.
    #[inline(always)]
    pub const fn to_words(&self) -> [u64; META_LEN / 8] {
        [
            self.ingress_ns,
            self.flow_hash as u64 | (self.len as u64) << 32,
            self.port as u64
                | (self.egress as u64) << 16
                | (self.flags as u64) << 32
                | (self.l4_off as u64) << 48,
            self.gso_size as u64
                | (self.vlan as u64) << 16
                | (self.l3_off as u64) << 32
                | (self.gso_type as u64) << 40
                | (self.abi as u64) << 48,
        ]
    }

    pub fn to_bytes(self) -> [u8; META_LEN] {
        zerocopy::transmute!(self)
    }
}

/// Bits of [`Meta::flags`] and [`Verdict::flags`].
pub mod meta_flags {
    pub const IPV4: u16 = 1 << 0;
    pub const IPV6: u16 = 1 << 1;
    pub const ARP: u16 = 1 << 2;
    pub const TCP: u16 = 1 << 3;
    pub const UDP: u16 = 1 << 4;
    /// ICMP over IPv4, ICMPv6 over IPv6.
    pub const ICMP: u16 = 1 << 5;
    /// Part of a fragmented datagram, the first included; nothing of L4 is looked at.
    pub const FRAGMENT: u16 = 1 << 6;
    /// Nothing known above Ethernet.
    pub const OTHER: u16 = 1 << 7;
    /// At least one VLAN tag.
    pub const TAGGED: u16 = 1 << 8;
    /// Two VLAN tags.
    pub const TAGGED2: u16 = 1 << 9;
    /// The L4 checksum still is the folded pseudo-header sum: complete it, or let the kernel do so.
    pub const CSUM_PARTIAL: u16 = 1 << 10;
    /// The L4 checksum was partial; the program completed it.
    pub const CSUM_COMPLETED: u16 = 1 << 11;
    /// A superframe: `gso_size` and `gso_type` say how to cut it. Implies [`CSUM_PARTIAL`].
    pub const GSO: u16 = 1 << 12;
    /// The destination has the group bit (multicast or broadcast).
    pub const MULTICAST: u16 = 1 << 13;
    /// What the source sent before may still be on its way by the bridge.
    pub const AT_BRIDGE: u16 = 1 << 14;

    /// Names for people, lowest bit first.
    pub const NAMES: [(u16, &str); 15] = [
        (IPV4, "ipv4"),
        (IPV6, "ipv6"),
        (ARP, "arp"),
        (TCP, "tcp"),
        (UDP, "udp"),
        (ICMP, "icmp"),
        (FRAGMENT, "fragment"),
        (OTHER, "other"),
        (TAGGED, "tagged"),
        (TAGGED2, "tagged2"),
        (CSUM_PARTIAL, "csum_partial"),
        (CSUM_COMPLETED, "csum_completed"),
        (GSO, "gso"),
        (MULTICAST, "multicast"),
        (AT_BRIDGE, "at_bridge"),
    ];
}

#[cfg(test)]
mod tests;
