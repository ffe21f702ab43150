//! The gate: a port's tcx ingress hook, on the sender's core. Decides what becomes of each frame;
//! what needs a worker goes to weir's own pair, with the verdict in a per-CPU cell.
//!
//! Invariant: nothing of a frame is changed here; it goes on to the bridge as it came.

use core::arch::asm;

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_ns, bpf_redirect_peer},
    programs::TcContext,
};
use weir_abi::{
    Counter, Decision, Frame as _, META_LEN, Meta, Tables as _, decide, gate::Cell, meta_flags,
};

use crate::{
    CELLS, COUNTERS, PAIR, SLOTS, skb::Skb, steer::count, tables::Maps, watch,
};

/// To the programs behind this one, and then the bridge (0 would skip other programs).
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

/// Touches the stack below everything that the compiler puts there, before anything else is done.
///
/// A verifier that carries a demand for precision over from an earlier path (Linux 6.18 does) looks
/// for the stack slot in states that may not have reached so deep, and then gives the program up with
/// "verifier bug: stack slot …". With the whole stack in use from the first instruction on there are
/// no such states.
#[inline(always)]
fn use_whole_stack() {
    // SAFETY: the frame ends above: a program may use 512 bytes, and this one takes some 270.
    unsafe {
        asm!(
            "*(u64 *)(r10 - 504) = {zero}",
            zero = in(reg) 0_u64,
        );
    }
}

#[inline(always)]
pub(crate) fn gate(ctx: &TcContext) -> i32 {
    use_whole_stack();
    // SAFETY: `ctx` is the context this program was called with.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    // SAFETY: an element that user space replaces meanwhile may be another port's: see below.
    let Some(&slot) = (unsafe { SLOTS.get(ifindex) }) else { return TCX_NEXT };
    let slot = slot as u16;
    let Some(port) = Maps.port(slot).filter(|port| port.ifindex() == ifindex) else {
        return TCX_NEXT; // not a port (any more)
    };
    let Some(counters) = COUNTERS.get_ptr_mut(slot.into()) else { return TCX_NEXT };
    let skb = Skb::of(ctx);
    let len = skb.packet.frame_len();
    let decision = decide(&skb, slot, &port, &Maps);
    let mut outcome = decision.outcome;
    if outcome == Counter::Steered {
        if hand_over(ctx, slot, &decision, len).is_some() {
            count(counters, outcome, len, decision.verdict.flags & meta_flags::GSO);
            // SAFETY: a helper that takes numbers.
            return unsafe { bpf_redirect_peer(PAIR.load(), 0) } as i32;
        }
        Maps::give_room_back(slot, decision.queue.into(), decision.places.into());
        outcome = Counter::PassedBridge;
    }
    count(counters, outcome, len, 0);
    watch::tell_skb(ctx, slot, outcome, &skb.packet, skb.tag());
    match outcome {
        Counter::PassedHost
        | Counter::PassedGroup
        | Counter::PassedUnknown
        | Counter::PassedBridge
        | Counter::PassedFallback => TCX_NEXT,
        _ => TCX_DROP,
    }
}

/// Leaves the verdict for the program behind, and chooses its queue.
#[inline(always)]
fn hand_over(ctx: &TcContext, slot: u16, decision: &Decision, len: u32) -> Option<()> {
    let cell = CELLS.get_ptr_mut(0)?;
    let v = &decision.verdict;
    let tag = decision.tag.map_or(0, |tag| u32::from(tag.proto) << 16 | u32::from(tag.tci));
    let len = if tag != 0 { len + 4 } else { len };
    // SAFETY: takes no argument.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let meta = Meta {
        egress: decision.egress,
        gso_size: decision.gso_size,
        gso_type: decision.gso_kind,
        ..Meta::new(v, now_ns, len, slot)
    };
    let words: [u64; META_LEN / 8] = zerocopy::transmute!(meta);
    let complete = decision.gso_size == 0 && v.looks_partial();
    let filled = Cell {
        meta: words,
        csum_len: if complete { v.csum_len } else { 0 },
        tag,
        places: decision.places.into(),
    };
    // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile; the
    // context is the one this program was called with.
    unsafe {
        cell.write(filled);
        (*ctx.skb.skb).queue_mapping = u32::from(decision.queue) + 1;
    }
    Some(())
}
