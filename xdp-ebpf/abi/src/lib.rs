//! What the XDP program and user space share: the metadata in front of a frame, counters, map
//! contents, and the one parser, [`classify`], for kernel, user space, tests and fuzzing.
//!
//! Invariant: every type that crosses the border is `repr(C)`, without implicit padding, and its
//! size is asserted at compile time; [`ABI_VERSION`] changes with any of them.
#![no_std]

pub mod bytes;
pub mod checksum;
pub mod config;
pub mod counters;
pub mod gso;
pub mod kfunc;
pub mod meta;
pub mod parse;
pub mod shed;
pub mod verdict;
pub mod watch;

pub use bytes::{Bytes, Head};
pub use checksum::{fold, pseudo_sum_v4, pseudo_sum_v6};
pub use config::{FdbKey, GsoOffsets, IpLockKey, MacLockKey, PortConfig, port_flags};
pub use counters::{Counter, PortCounters};
pub use gso::gso_kind;
pub use meta::{META_LEN, Meta, meta_flags};
pub use parse::{Ethernet, classify, classify_from, ethernet};
pub use verdict::{Malformed, Verdict};

/// Changes with any shared type; user space refuses frames whose [`Meta::abi`] differs.
pub const ABI_VERSION: u16 = 4;
/// Port slots.
pub const MAX_PORTS: u32 = 1024;
/// Receive queues per port; a socket stands at `slot * MAX_QUEUES + rx_queue_index` in the XSKMAP.
pub const MAX_QUEUES: u32 = 16;
/// Payload room of one UMEM frame: 4096 less the headroom that the kernel keeps for XDP.
pub const FRAME_ROOM: u32 = 3840;
/// Frames of the longest chain: a linear part and `MAX_SKB_FRAGS` (17) fragments.
pub const MAX_CHAIN: u32 = 18;
/// Anything longer cannot reach user space and is counted as [`Counter::Oversize`].
pub const MAX_FRAME_LEN: u32 = FRAME_ROOM * MAX_CHAIN;

/// Names under which the loader finds things in the compiled object.
pub mod maps {
    /// The XDP program.
    pub const PROGRAM: &str = "weir_steer";
    /// `HashMap<u32 ifindex, PortConfig>`: a device that is not in it is left alone.
    pub const PORTS: &str = "PORTS";
    /// `XskMap`, [`MAX_PORTS`](crate::MAX_PORTS) × [`MAX_QUEUES`](crate::MAX_QUEUES).
    pub const XSKS: &str = "XSKS";
    /// `PerCpuArray<PortCounters>`, by slot.
    pub const COUNTERS: &str = "COUNTERS";
    /// `HashMap<MacLockKey, u8>`: source addresses a locked port may use.
    pub const MAC_LOCK: &str = "MAC_LOCK";
    /// `HashMap<IpLockKey, u8>`: likewise for IPv4 (mapped), IPv6 and ARP senders.
    pub const IP_LOCK: &str = "IP_LOCK";
    /// `HashMap<FdbKey, u32>`: the slot behind which an address is, kept by user space. Looked at
    /// only where something is shed.
    pub const FDB: &str = "FDB";
    /// `Array<shed::Row>` by ingress slot, to be mapped into memory: see [`shed`](crate::shed).
    pub const SHED: &str = "SHED";
    /// `Array<u64>` by slot: which outcomes of the port's frames are told, see
    /// [`watch::bit`](crate::watch::bit).
    pub const WATCH: &str = "WATCH";
    /// `RingBuf` of [`watch::Record`](crate::watch::Record), each as long as it needs to be.
    pub const UNSTEERED: &str = "UNSTEERED";
    /// `PerCpuArray<u64>` by slot: records for which the ring had no room, ever.
    pub const WATCH_MISSED: &str = "WATCH_MISSED";
    /// Global of type [`GsoOffsets`](crate::GsoOffsets), set before loading.
    pub const GSO_OFFSETS: &str = "GSO_OFFSETS";
    /// Entries in each lock map.
    pub const LOCK_ENTRIES: u32 = 4096;
    /// Addresses in `FDB`; one that finds no room is never shed.
    pub const FDB_ENTRIES: u32 = 16_384;
}
