//! The gate: the program at a port's tcx ingress hook, on the sender's core. It decides what becomes of
//! each frame. A frame that nothing has to schedule goes to its port. One that needs a worker goes to weir's
//! own pair, with the verdict in a per-CPU cell.
//!
//! Invariant: a frame goes on to the bridge as it came.

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_ns, bpf_redirect_peer},
    programs::TcContext,
};
use weir_abi::{Counter, Decision, Frame as _, Meta, decide, gate::Cell};

use crate::{
    CELLS, PAIR, express,
    port::{self, Port},
    skb::Skb,
    tables::{Maps, Shared},
    watch,
};

/// On to the programs behind this one, and then to the bridge (0 would skip the other programs).
const TCX_NEXT: i32 = -1;
const TCX_DROP: i32 = 2;

#[inline(always)]
pub(crate) fn gate(ctx: &TcContext) -> i32 {
    port::use_whole_stack();
    // SAFETY: `ctx` is the context this program was called with.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    let Some(port) = Port::at(ifindex) else { return TCX_NEXT };
    let skb = Skb::of(ctx);
    let len = skb.packet.frame_len();
    let decision = decide(&skb, port.slot, &port.told, &Maps(Shared));
    let mut outcome = decision.outcome;
    if outcome == Counter::Express {
        if let Some(action) = express::express(ctx, port.slot, &decision, skb.tag(), len) {
            port.count(outcome, len);
            return action;
        }
        outcome = Counter::PassedBridge;
    } else if outcome == Counter::Steered {
        if hand_over(ctx, port.slot, &decision, len).is_some() {
            port.count(outcome, len);
            if decision.gso_size != 0 {
                port.count_superframe();
            }
            // SAFETY: a helper that takes numbers.
            return unsafe { bpf_redirect_peer(PAIR.load(), 0) } as i32;
        }
        Shared::give_room_back(port.slot, decision.queue.into(), decision.places.into());
        outcome = Counter::PassedBridge;
    }
    if decision.for_now || outcome != decision.outcome {
        Shared::count_bridged(port.slot);
    }
    port.count(outcome, len);
    watch::tell_skb(ctx, port.slot, outcome, &skb.packet, skb.tag());
    if port::is_passed(outcome) { TCX_NEXT } else { TCX_DROP }
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
    let complete = decision.gso_size == 0 && v.looks_partial();
    let filled = Cell {
        meta: meta.to_words(),
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
