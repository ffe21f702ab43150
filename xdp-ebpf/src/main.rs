//! The XDP program: each frame of a port is classified once and goes to user space with metadata
//! in front, to the kernel, or nowhere. Entry point and maps; the steps are in the modules.
//!
//! Invariant: every frame of a configured port increments exactly one counter.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, asm_goto_with_outputs)]

mod admission;
mod checksum;
mod gso;
mod packet;
mod steer;
mod watch;

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    macros::{map, xdp},
    maps::{Array, HashMap, PerCpuArray, RingBuf, XskMap},
    programs::XdpContext,
};
use weir_abi::{
    FdbKey, GsoOffsets, IpLockKey, MAX_PORTS, MAX_QUEUES, MacLockKey, PortConfig, PortCounters,
    maps, shed,
    watch::{RING_BYTES, Record},
};

#[map]
static PORTS: HashMap<u32, PortConfig> = HashMap::with_max_entries(MAX_PORTS, 0);
#[map]
static XSKS: XskMap = XskMap::with_max_entries(MAX_PORTS * MAX_QUEUES, 0);
#[map]
static COUNTERS: PerCpuArray<PortCounters> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
#[map]
static MAC_LOCK: HashMap<MacLockKey, u8> = HashMap::with_max_entries(maps::LOCK_ENTRIES, 0);
#[map]
static IP_LOCK: HashMap<IpLockKey, u8> = HashMap::with_max_entries(maps::LOCK_ENTRIES, 0);
#[map]
static FDB: HashMap<FdbKey, u32> = HashMap::with_max_entries(maps::FDB_ENTRIES, 0);
#[map]
static SHED: Array<shed::Row> = Array::with_max_entries(MAX_PORTS, BPF_F_MMAPABLE);
#[map]
static WATCH: Array<u64> = Array::with_max_entries(MAX_PORTS, 0);
#[map]
static UNSTEERED: RingBuf = RingBuf::with_byte_size(RING_BYTES, 0);
#[map]
static WATCH_MISSED: PerCpuArray<u64> = PerCpuArray::with_max_entries(MAX_PORTS, 0);
/// Where a record is put together: too large for the stack.
#[map]
static WATCH_RECORD: PerCpuArray<Record> = PerCpuArray::with_max_entries(1, 0);

#[unsafe(no_mangle)]
static GSO_OFFSETS: Global<GsoOffsets> = Global::new(GsoOffsets {
    valid: 0,
    hard_start: 0,
    frame_sz: 0,
    shinfo_len: 0,
    gso_size: 0,
    gso_type: 0,
    shinfo_type: 0,
});

#[xdp(frags)]
pub fn weir_steer(ctx: XdpContext) -> u32 {
    steer::steer(&ctx)
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
