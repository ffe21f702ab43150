//! The native program: XDP in the driver of a port. It decides what becomes of each frame by the gate's
//! rules, and hands a frame that needs a worker to the port's own AF_XDP socket.
//!
//! A tag is among the frame's bytes here, or cannot be seen at all, if the driver has taken it out. So user
//! space lets nothing be decided here while the bridge filters VLANs. A frame that would leave with another
//! tag than it came with is left to the bridge: moving the bytes of a frame in several buffers is dear.
//!
//! Invariant: a frame is changed only if it goes to user space. The kernel may still count on completing
//! the partial checksum of a frame that is passed; if it were complete already, that would make it wrong.

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT},
    helpers::generated::bpf_ktime_get_ns,
    programs::XdpContext,
};
use weir_abi::{
    Bytes, Counter, Decision, Frame, MAX_QUEUES, Meta, Tag, decide, gate_flags,
};

use crate::{
    XSKS, front,
    packet::Packet,
    port::{self, Port},
    tables::{Maps, Ring},
    watch,
};

/// The port's own socket, at the receive queue by which the frame came.
struct Own {
    index: u32,
}

impl Ring for Own {
    #[inline(always)]
    fn has_worker(&self, _queue: u16) -> bool {
        XSKS.get(self.index).is_some()
    }

    /// Only this port uses the ring. The kernel counts the frames that the ring cannot take.
    #[inline(always)]
    fn take_room(&self, _slot: u16, _queue: u16, _places: u32) -> bool {
        true
    }

    /// This program counts no frames under way, and has no express lane.
    #[inline(always)]
    fn is_at_bridge(&self, _slot: u16) -> bool {
        false
    }

    #[inline(always)]
    fn is_settled(&self, _slot: u16) -> bool {
        false
    }
}

impl Frame for Packet {
    #[inline(always)]
    fn tag(&self) -> Option<Tag> {
        let proto = self.be16(12).filter(|kind| matches!(kind, 0x8100 | 0x88a8))?;
        Some(Tag { proto, tci: self.be16(14)? })
    }

    #[inline(always)]
    fn tag_is_inside(&self) -> bool {
        true
    }

    #[inline(always)]
    fn slips_past_xdp(&self) -> bool {
        false
    }

    #[inline(always)]
    fn gso_size(&self) -> u16 {
        0
    }

    #[inline(always)]
    fn gso_type(&self) -> u32 {
        0
    }
}

#[inline(always)]
pub(crate) fn nic(ctx: &XdpContext) -> u32 {
    port::use_whole_stack();
    let Some(port) = Port::at(ctx.ingress_ifindex() as u32) else { return XDP_PASS };
    // SAFETY: `ctx` is the context this program was called with.
    let queue = unsafe { (*ctx.ctx).rx_queue_index };
    // An index beyond the map, if a port has no such queue.
    let index =
        if queue < MAX_QUEUES { u32::from(port.slot) * MAX_QUEUES + queue } else { u32::MAX };
    let packet = Packet::of(ctx);
    let decision = decide(&packet, port.slot, &port.told, &Maps(Own { index }));
    let mut outcome = decision.outcome;
    if outcome == Counter::Steered {
        outcome = hand_over(ctx, &port, index, &packet, &decision);
    }
    port.count(outcome, packet.frame_len());
    if outcome == Counter::Steered {
        return XDP_REDIRECT;
    }
    watch::tell(ctx, port.slot, outcome, &packet);
    if port::is_passed(outcome) { XDP_PASS } else { XDP_DROP }
}

/// Redirects the frame to its worker's socket, and brings it into the form that the worker expects.
#[inline(always)]
fn hand_over(
    ctx: &XdpContext,
    port: &Port,
    index: u32,
    packet: &Packet,
    decision: &Decision,
) -> Counter {
    if decision.tag != packet.tag() {
        return Counter::PassedBridge;
    }
    // First: only a frame that is sure to go to a socket may be changed.
    if XSKS.redirect(index, XDP_PASS.into()).is_err() {
        let drop = port.told.has(gate_flags::FALLBACK_DROP);
        return if drop { Counter::DroppedFallback } else { Counter::PassedFallback };
    }
    let v = &decision.verdict;
    let mut flags = v.flags;
    if v.looks_partial() {
        flags |= front::complete(packet, v, port.counters());
    }
    // SAFETY: takes no argument.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let meta = Meta {
        flags,
        egress: decision.egress,
        ..Meta::new(v, now_ns, packet.frame_len(), port.slot)
    };
    if front::put(ctx, meta.to_words()).is_some() { Counter::Steered } else { Counter::NoMeta }
}
