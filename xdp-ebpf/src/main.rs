//! The programs: entry points and maps; the steps are in the modules.
//!
//! - [`gate`]: at a port's tcx hook; decides what becomes of each frame, once
//! - [`express`]: hands a frame to the port that it is for
//! - [`charge`]: at the egress of a link with a rate; charges it for frames that weir does not send
//! - [`fence`]: counts the fences that user space sends through a CPU's backlog
//! - [`behind`]: on weir's own pair; puts the gate's verdict in front of the frame, and hands it to
//!   a worker
//! - [`nic`]: in the driver (XDP); decides by the same rules, and hands the frame to a worker itself
//!
//! Invariant: every frame of a configured port increments exactly one counter.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, asm_goto_with_outputs)]

mod behind;
mod charge;
mod checksum;
mod express;
mod fence;
mod front;
mod gate;
mod nic;
mod packet;
mod port;
mod room;
mod skb;
mod tables;
mod watch;

use aya_ebpf::{
    Global,
    bindings::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC},
    macros::{classifier, map, xdp},
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap, RingBuf, XskMap},
    programs::{TcContext, XdpContext},
};
use weir_abi::{
    GatePort, IpLockKey, MAX_PORTS, MAX_QUEUES, MAX_WORKERS, MacLockKey, NEAR_SLOTS_LEN, PortCounters,
    SkbOffsets,
    gate::{Cell, Vlans},
    maps, shed,
    table::{self, Bucket, Seed, Seen},
    watch::{RING_BYTES, Record},
};

#[map]
static XSKS: XskMap = XskMap::with_max_entries(MAX_PORTS * MAX_QUEUES, 0);
#[map]
static COUNTERS: PerCpuArray<PortCounters> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
#[map]
static MAC_LOCK: HashMap<MacLockKey, u8> = HashMap::with_max_entries(maps::LOCK_ENTRIES, 0);
#[map]
static IP_LOCK: HashMap<IpLockKey, u8> = HashMap::with_max_entries(maps::LOCK_ENTRIES, 0);
#[map]
static SHED: Array<shed::Row> = Array::with_max_entries(MAX_PORTS, BPF_F_MMAPABLE);
#[map]
static WATCH: Array<u64> = Array::with_max_entries(MAX_PORTS, 0);
#[map]
static UNSTEERED: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
#[map]
static WATCH_MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
/// Where a record is put together, since it is too large for the stack.
#[map]
static WATCH_RECORD: PerCpuArray<Record> = PerCpuArray::with_max_entries(1, 0);

#[map]
static SLOTS: HashMap<u32, u32> = HashMap::with_max_entries(2 * MAX_PORTS, 0);
#[map]
static NEAR_SLOTS: Array<u64> = Array::with_max_entries(NEAR_SLOTS_LEN, BPF_F_MMAPABLE);
#[map]
static GATE_PORTS: Array<GatePort> = Array::with_max_entries(MAX_PORTS, BPF_F_MMAPABLE);
#[map]
static ADDRESSES: Array<Bucket> = Array::with_max_entries(table::BUCKETS, BPF_F_MMAPABLE);
#[map]
static LAST_SEEN: Array<Seen> = Array::with_max_entries(table::BUCKETS, BPF_F_MMAPABLE);
#[map]
static VLANS: Array<Vlans> = Array::with_max_entries(MAX_PORTS, BPF_F_MMAPABLE);
#[map]
static TAKEN: Array<[u64; 8]> = Array::with_max_entries(MAX_PORTS + MAX_WORKERS, BPF_F_MMAPABLE);
#[map]
static GIVEN_BACK: Array<[u64; 8]> =
    Array::with_max_entries(MAX_PORTS + MAX_WORKERS, BPF_F_MMAPABLE);
#[map]
static EXPRESSED: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
/// Not allocated beforehand: with 64 CPUs, which have a value each, that would be 17 MiB.
#[map]
static EXPRESS_PAIRS: PerCpuHashMap<u32, [u64; 2]> =
    PerCpuHashMap::with_max_entries(maps::EXPRESS_PAIR_ENTRIES, BPF_F_NO_PREALLOC);
#[map]
static DOORS: Array<[u64; 8]> = Array::with_max_entries(2 * MAX_PORTS, BPF_F_MMAPABLE);
#[map]
static CHARGED: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
#[map]
static REDIRECTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);
#[map]
static FENCES: Array<u64> = Array::with_max_entries(maps::FENCE_ROUNDS, BPF_F_MMAPABLE);
#[map]
static CURRENT: Array<u64> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static WORKERS: XskMap = XskMap::with_max_entries(MAX_WORKERS, 0);
#[map]
static CELLS: PerCpuArray<Cell> = PerCpuArray::with_max_entries(1, 0);
#[map]
static STRAYS: PerCpuArray<u64> = PerCpuArray::with_max_entries(1, 0);

#[unsafe(no_mangle)]
static TABLE_SEED: Global<Seed> = Global::new(Seed { xor: 0, multiply: 0 });
#[unsafe(no_mangle)]
static PAIR: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_OFFSETS: Global<SkbOffsets> = Global::new(SkbOffsets {
    head: 0,
    end: 0,
    redirected: 0,
    redirected_mask: 0,
    gso_type: 0,
    shinfo_type: 0,
    data: 0,
    csum_start: 0,
    ip_summed: 0,
    ip_summed_shift: 0,
});

#[xdp(frags)]
pub fn weir_nic(ctx: XdpContext) -> u32 {
    nic::nic(&ctx)
}

#[classifier]
pub fn weir_gate(ctx: TcContext) -> i32 {
    gate::gate(&ctx)
}

#[xdp(frags)]
pub fn weir_behind(ctx: XdpContext) -> u32 {
    behind::behind(&ctx)
}

#[classifier]
pub fn weir_charge(ctx: TcContext) -> i32 {
    charge::charge(&ctx)
}

/// At the pair's outer end, where only user space's fences arrive. Each arrives after all frames that stood
/// before it in the backlog of the CPU that sent it.
#[classifier]
pub fn weir_fence(ctx: TcContext) -> i32 {
    fence::fence(&ctx)
}

/// Behind the XDP program of the pair: counts and drops the frames that slipped past it.
#[classifier]
pub fn weir_catch_all(_ctx: TcContext) -> i32 {
    behind::count_stray();
    aya_ebpf::bindings::TC_ACT_SHOT
}

/// A panic that can be reached is an endless loop, which the verifier refuses.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Helpers that only a GPL program may call are among those used.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
