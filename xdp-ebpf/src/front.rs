//! What is done to a frame that goes to a worker: its checksum completed, the verdict in front of it.
//! Invariant: the metadata describe the frame as it stands behind them, checksum included.

use core::arch::asm;

use aya_ebpf::{helpers::generated::bpf_xdp_adjust_meta, programs::XdpContext};
use weir_abi::{META_LEN, PortCounters, Verdict, meta_flags};

use crate::{checksum, packet::Packet};

/// Completes a checksum that looks partial, or leaves it to user space. Counts which of the two it was, and
/// gives the flag for it.
#[inline(always)]
pub(crate) fn complete(packet: &Packet, v: &Verdict, counters: *mut PortCounters) -> u16 {
    let completed = checksum::complete(packet, v).is_some();
    // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
    unsafe {
        if completed {
            (*counters).partial_completed += 1;
            meta_flags::CSUM_COMPLETED
        } else {
            (*counters).partial_left += 1;
            meta_flags::CSUM_PARTIAL
        }
    }
}

/// Puts [`Meta`](weir_abi::Meta), as words, in front of the frame. `None`: there is no room.
#[inline(always)]
pub(crate) fn put(ctx: &XdpContext, words: [u64; META_LEN / 8]) -> Option<()> {
    // SAFETY: `ctx` is the context this program was called with.
    if unsafe { bpf_xdp_adjust_meta(ctx.ctx, -(META_LEN as i32)) } != 0 {
        return None;
    }
    let (start, end) = (ctx.metadata(), ctx.data());
    if start + META_LEN > end {
        return None;
    }
    let [a, b, c, d] = words;
    // As the frame need not begin at a multiple of 8, Rust would store single bytes; BPF may store words.
    // SAFETY: `META_LEN` bytes at `start` lie before `end`.
    unsafe {
        asm!(
            "*(u64 *)({at} + 0) = {a}",
            "*(u64 *)({at} + 8) = {b}",
            "*(u64 *)({at} + 16) = {c}",
            "*(u64 *)({at} + 24) = {d}",
            at = in(reg) start,
            a = in(reg) a,
            b = in(reg) b,
            c = in(reg) c,
            d = in(reg) d,
            options(nostack),
        );
    }
    Some(())
}
