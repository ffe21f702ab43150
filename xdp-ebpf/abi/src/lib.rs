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
pub mod decide;
pub mod door;
pub mod gate;
pub mod gso;
pub mod kfunc;
pub mod meta;
pub mod parse;
pub mod shed;
pub mod table;
pub mod verdict;
pub mod watch;

pub use bytes::{Bytes, Head, Through};
pub use checksum::{fold, pseudo_sum_v4, pseudo_sum_v6};
pub use config::{IpLockKey, MacLockKey, SkbOffsets};
pub use counters::{Counter, PortCounters};
pub use decide::{Decision, decide};
pub use gate::{Frame, GatePort, Method, Storm, Tables, Tag, gate_flags};
pub use gso::gso_kind;
pub use meta::{META_LEN, Meta, NO_EGRESS, meta_flags};
pub use parse::{Ethernet, classify, classify_from, ethernet};
pub use verdict::{Malformed, Verdict};

/// Changes with any shared type; user space refuses frames whose [`Meta::abi`] differs.
pub const ABI_VERSION: u16 = 6;
/// Port slots.
pub const MAX_PORTS: u32 = 1024;
/// Receive queues per port; a socket stands at `slot * MAX_QUEUES + rx_queue_index` in the XSKMAP.
pub const MAX_QUEUES: u32 = 16;
/// Receive queues of weir's own pair, one for each worker.
pub const MAX_WORKERS: u32 = 64;
/// Places in a worker's receive ring that the gate gives out.
pub const RX_PLACES: u64 = 2048;
/// Entries of [`maps::NEAR_SLOTS`].
pub const NEAR_SLOTS_LEN: u32 = 4096;
/// Payload room of one UMEM frame: 4096 less the headroom that the kernel keeps for XDP.
pub const FRAME_ROOM: u32 = 3840;
/// Frames of the longest chain: a linear part and `MAX_SKB_FRAGS` (17) fragments.
pub const MAX_CHAIN: u32 = 18;
/// Longer frames cannot reach user space. The bridge gets them, and any that one more tag would make longer.
pub const MAX_FRAME_LEN: u32 = FRAME_ROOM * MAX_CHAIN;

/// Names under which the loader finds things in the compiled object.
pub mod maps {
    /// The native program: XDP in the driver of a port.
    pub const PROGRAM: &str = "weir_nic";
    /// `XskMap`, [`MAX_PORTS`](crate::MAX_PORTS) × [`MAX_QUEUES`](crate::MAX_QUEUES).
    pub const XSKS: &str = "XSKS";
    /// `PerCpuArray<PortCounters>`, by slot.
    pub const COUNTERS: &str = "COUNTERS";
    /// `HashMap<MacLockKey, u8>`: source addresses a locked port may use.
    pub const MAC_LOCK: &str = "MAC_LOCK";
    /// `HashMap<IpLockKey, u8>`: likewise for IPv4 (mapped), IPv6 and ARP senders.
    pub const IP_LOCK: &str = "IP_LOCK";
    /// `Array<shed::Row>` by ingress slot, to be mapped into memory: see [`shed`](crate::shed).
    pub const SHED: &str = "SHED";
    /// `Array<u64>` by slot: the outcomes whose frames are reported to user space, see
    /// [`watch::bit`](crate::watch::bit).
    pub const WATCH: &str = "WATCH";
    /// `RingBuf` of [`watch::Record`](crate::watch::Record), each no longer than what was captured.
    pub const UNSTEERED: &str = "UNSTEERED";
    /// `PerCpuArray<u64>` by slot: records lost since loading, mostly because the ring had no room.
    pub const WATCH_MISSED: &str = "WATCH_MISSED";
    /// The gate: a tcx ingress program.
    pub const GATE: &str = "weir_gate";
    /// The XDP program behind it, on weir's own pair.
    pub const BEHIND: &str = "weir_behind";
    /// The tcx program behind that one: counts and drops frames that the XDP program did not get.
    pub const CATCH_ALL: &str = "weir_catch_all";
    /// `HashMap<u32 ifindex, u32 slot>`: a device that is not in it is left alone.
    pub const SLOTS: &str = "SLOTS";
    /// `Array<u64 slot>` by the last bits of the ifindex, to be mapped into memory. The programs look here
    /// first, without a hash, and use a slot only if the port in it has this very ifindex.
    pub const NEAR_SLOTS: &str = "NEAR_SLOTS";
    /// `Array<GatePort>` by slot, to be mapped into memory.
    pub const GATE_PORTS: &str = "GATE_PORTS";
    /// `Array<table::Bucket>`, to be mapped into memory: see [`table`](crate::table).
    pub const ADDRESSES: &str = "ADDRESSES";
    /// `Array<table::Seen>`, beside it.
    pub const LAST_SEEN: &str = "LAST_SEEN";
    /// `Array<gate::Vlans>` by slot, to be mapped into memory.
    pub const VLANS: &str = "VLANS";
    /// `Array<[u64; 8]>` by slot, then by queue, to be mapped into memory. The programs write it, but for
    /// two words: see [`out`](crate::gate::out).
    pub const TAKEN: &str = "TAKEN";
    /// `Array<[u64; 8]>` likewise, written by user space: see [`home`](crate::gate::home).
    pub const GIVEN_BACK: &str = "GIVEN_BACK";
    /// `PerCpuArray<[u64; 2]>` by the egress port's slot: frames and bytes that came by the express
    /// lane.
    pub const EXPRESSED: &str = "EXPRESSED";
    /// `PerCpuHashMap<u32, [u64; 2]>` by [`pair_key`](crate::gate::pair_key): frames and bytes that went
    /// from one port to another by the express lane.
    pub const EXPRESS_PAIRS: &str = "EXPRESS_PAIRS";
    /// Entries of [`EXPRESS_PAIRS`]. Frames of further pairs are counted by port only.
    pub const EXPRESS_PAIR_ENTRIES: u32 = 16_384;
    /// The tcx program on the pair's outer end: counts the fences that user space sends.
    pub const FENCE: &str = "weir_fence";
    /// The tcx program at the egress of links with a rate: charges them for frames that weir does not send.
    pub const CHARGE: &str = "weir_charge";
    /// `PerCpuArray<[u64; 2]>` by the link's slot: frames and bytes that were charged.
    pub const CHARGED: &str = "CHARGED";
    /// `PerCpuArray<u64>`: a note of the frame that the gate has just redirected, see
    /// [`redirected`](crate::gate::redirected).
    pub const REDIRECTED: &str = "REDIRECTED";
    /// `Array<[u64; 8]>` by the slot of a link, then by that of a source, to be mapped into memory. The first
    /// word is the [`Door`](crate::door::Door); [`line`](crate::door::line) names the words of a link.
    pub const DOORS: &str = "DOORS";
    /// `Array<u64>` by round, to be mapped into memory: fences that have arrived.
    pub const FENCES: &str = "FENCES";
    /// Rounds with a count of their own: fences of a round that was given up may still arrive.
    pub const FENCE_ROUNDS: u32 = 64;
    /// The EtherType of fences: one that is reserved for local experiments.
    pub const FENCE_ETHERTYPE: u16 = 0x88b5;
    /// `Array<u64>` of one word, to be mapped into memory: the time, by the monotonic clock, when user space
    /// last vouched that the tables agree with the bridge. See [`is_outdated`](crate::gate::is_outdated).
    pub const CURRENT: &str = "CURRENT";
    /// `XskMap` by the worker's queue.
    pub const WORKERS: &str = "WORKERS";
    /// `PerCpuArray<Cell>`: what the gate hands to the program behind it.
    pub const CELLS: &str = "CELLS";
    /// `PerCpuArray<u64>`: frames that came behind the gate without a verdict, or slipped past XDP.
    pub const STRAYS: &str = "STRAYS";
    /// Global of type [`table::Seed`](crate::table::Seed), set before loading.
    pub const TABLE_SEED: &str = "TABLE_SEED";
    /// Global of type [`SkbOffsets`](crate::SkbOffsets), set before loading.
    pub const SKB_OFFSETS: &str = "SKB_OFFSETS";
    /// Global `u32`, set before loading: the index of the pair's outer end.
    pub const PAIR: &str = "PAIR";
    /// Entries in each lock map.
    pub const LOCK_ENTRIES: u32 = 4096;
}
