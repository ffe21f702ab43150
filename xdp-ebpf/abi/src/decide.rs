//! The decision: what becomes of a frame that enters a port. The gate (tcx), the native program (XDP) and
//! user space's tests share this code: they read a frame in different ways, and decide by the same rules.
//!
//! Invariant: a frame is dropped only by a lock, by a limit, for its reserved group, because it ends within
//! its Ethernet header, or by the fallback `drop` without a worker or a current table. It goes to a worker
//! only if all that the bridge would have done with it is understood here. Everything else is the bridge's.
//! So weir is never a worse bridge than the kernel's.
//!
//! ```text
//!   locks ─► group? ─► current? ─► table ─► VLAN ─► open? ─► shed? ─► superframe? ─► socket? ─► room? ─► worker
//!     │        │          │          │        │       │        │          │            │          │
//!   spoofed  bridge,   fallback   bridge   bridge  express   shed      bridge     fallback   rx_share
//!            storm
//! ```
//!
//! A frame takes the express lane only if nothing that its source sent is under way by a worker or by
//! the bridge. A worker holds a frame back while something of its source is under way by the bridge. So the
//! frames of a flow keep their order; ARCHITECTURE.md ("Order across the lanes") names the exceptions.

use crate::door::{self, DOOR_AHEAD_NS, SOURCE_DOORS};
use crate::gate::{Frame, GatePort, Method, Storm, Tables, Tag, UNTAGGED};
use crate::table;
use crate::{Counter, FRAME_ROOM, MAX_FRAME_LEN, Verdict};
use crate::{Ethernet, classify_from, ethernet, gate_flags, gso, gso_kind, meta_flags, parse};

/// What becomes of a frame. With [`Counter::Steered`] all fields but `express` and `for_now` are meaningful,
/// with [`Counter::Express`] `egress`, `tag` and `express`, and with every other outcome `for_now`.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    pub outcome: Counter,
    pub verdict: Verdict,
    /// The egress port's slot.
    pub egress: u16,
    /// The receive queue of the worker that serves the source.
    pub queue: u16,
    /// The tag with which the frame leaves.
    pub tag: Option<Tag>,
    pub gso_size: u16,
    /// [`gso_kind`].
    pub gso_kind: u8,
    /// Places in the receive ring that were taken for the frame.
    pub places: u32,
    /// How the gate hands the frame to the egress port, and the index of that port's interface.
    pub express: Option<(Method, u32)>,
    /// The frame is passed to the bridge, and the next one of its flow may take another lane.
    pub for_now: bool,
}

impl Decision {
    #[inline(always)]
    fn of(outcome: Counter) -> Self {
        Self {
            outcome,
            verdict: Verdict::default(),
            egress: 0,
            queue: 0,
            tag: None,
            gso_size: 0,
            gso_kind: gso_kind::NONE,
            places: 0,
            express: None,
            for_now: false,
        }
    }

    /// Passed to the bridge or the host for a reason that may not hold for the next frame.
    #[inline(always)]
    fn passed_for_now(outcome: Counter) -> Self {
        Self { for_now: true, ..Self::of(outcome) }
    }
}

/// Decides about a frame that enters the port in `slot`; `port` is what user space has told about that port.
#[inline(always)]
pub fn decide<F: Frame, T: Tables>(frame: &F, slot: u16, port: &GatePort, tables: &T) -> Decision {
    let Ok(eth) = ethernet(frame) else {
        return Decision::of(Counter::Malformed);
    };
    if port.has(gate_flags::MAC_LOCK) && !tables.mac_allowed(slot, eth.src) {
        return Decision::of(Counter::Spoofed);
    }
    if port.has(gate_flags::IP_LOCK) {
        // An address that cannot be read cannot be compared with the lock.
        let Ok(source) = parse::source(frame, &eth) else {
            return Decision::of(Counter::Malformed);
        };
        if let Some(address) = source
            && !tables.ip_allowed(slot, address)
        {
            return Decision::of(Counter::Spoofed);
        }
    }
    if eth.is_group() {
        return Decision::of(group(&eth, slot, port, tables));
    }
    // If user space has not vouched for the table for long, it may name the wrong port for a station.
    let is_current = tables.is_current();
    if !is_current && !port.has(gate_flags::FALLBACK_DROP) {
        return Decision::passed_for_now(Counter::PassedFallback);
    }
    let (egress, other, tag) = match route(frame, &eth, slot, port, tables) {
        Route::To(..) if !is_current => return Decision::of(Counter::DroppedFallback),
        Route::To(egress, other, tag) => (egress, other, tag),
        Route::Other(outcome) if matches!(outcome, Counter::PassedUnknown) => {
            return Decision::passed_for_now(outcome);
        }
        Route::Other(outcome) => return Decision::of(outcome),
    };
    // When the kernel takes the outer tag off, it would move an inner one beside the frame, or fail half-way.
    let uncovers = tag.is_none() && frame.tag().is_some() && eth.has_tag();
    if port.has(gate_flags::EXPRESS_FROM)
        && !uncovers
        && let Some(method) = other.method_for(eth.dst)
    {
        // Superframes may be longer: the bridge does not look at their length either.
        if frame.len() as u32 > other.most() && frame.gso_size() == 0 {
            return Decision::of(Counter::PassedBridge);
        }
        // The doors come first: `is_settled` may wait for the source's last frames at a worker, in vain if a
        // closed door leaves this frame to the worker as well.
        let open = are_open(slot, port, tables, egress, &other);
        let settled = open && !tables.is_at_bridge(slot) && tables.is_settled(slot);
        if settled && draws(frame, slot, port, tables, egress, &other, tag) {
            let express = Some((method, other.ifindex()));
            return Decision { egress, tag, express, ..Decision::of(Counter::Express) };
        }
    }
    if tables.is_shed(slot, egress) {
        return Decision::of(Counter::Shed);
    }
    let Ok(verdict) = classify_from(frame, eth) else {
        return Decision::passed_for_now(Counter::PassedBridge);
    };
    let decision = steer(frame, slot, port, tables, verdict, egress, &other, tag);
    if matches!(decision.outcome, Counter::Steered) {
        if other.per_byte != 0 {
            tables.close(egress.into());
        }
        if port.own_per_byte != 0 {
            tables.close(SOURCE_DOORS + u32::from(slot));
        }
    }
    decision
}

/// Whether the doors of the link and of the source are open. Without a rate there is no door to be closed.
#[inline(always)]
fn are_open<T: Tables>(
    slot: u16,
    port: &GatePort,
    tables: &T,
    egress: u16,
    other: &GatePort,
) -> bool {
    (other.per_byte == 0 || tables.is_open(egress.into()))
        && (port.own_per_byte == 0 || tables.is_open(SOURCE_DOORS + u32::from(slot)))
}

/// Takes the frame's bytes through the doors of the link and of the source, as far as they have one; `false`:
/// a worker has to send the frame.
#[inline(always)]
fn draws<F: Frame, T: Tables>(
    frame: &F,
    slot: u16,
    port: &GatePort,
    tables: &T,
    egress: u16,
    other: &GatePort,
    tag: Option<Tag>,
) -> bool {
    let len = frame.len() as u32 + if tag.is_some() && !frame.tag_is_inside() { 4 } else { 0 };
    let bytes = door::bytes_on_link(len, frame.gso_size());
    let source = SOURCE_DOORS + u32::from(slot);
    (other.per_byte == 0 || tables.draw(egress.into(), bytes, other.per_byte, DOOR_AHEAD_NS))
        && (port.own_per_byte == 0
            || tables.draw(source, bytes, port.own_per_byte, port.own_ahead_ns))
}

/// A frame for a group: the bridge floods it, within the port's limit.
#[inline(always)]
fn group<T: Tables>(eth: &Ethernet, slot: u16, port: &GatePort, tables: &T) -> Counter {
    const RESERVED: u64 = 0x0180_c200_0000;
    if eth.dst & !0xf == RESERVED {
        return if port.has(gate_flags::RESERVED_OK) {
            Counter::PassedGroup
        } else {
            Counter::Reserved
        };
    }
    flooded(slot, port, tables, Counter::PassedGroup)
}

#[inline(always)]
fn flooded<T: Tables>(slot: u16, port: &GatePort, tables: &T, outcome: Counter) -> Counter {
    let storm = Storm { frame_ns: port.storm as u32, burst: (port.storm >> 32) as u32 };
    if tables.storm_allows(slot, storm) { outcome } else { Counter::Storm }
}

enum Route {
    /// The egress port, what is known of it, and the tag with which the frame leaves it.
    To(u16, GatePort, Option<Tag>),
    Other(Counter),
}

/// Where the bridge would send a frame for one station, if that is known.
#[inline(always)]
fn route<F: Frame, T: Tables>(
    frame: &F,
    eth: &Ethernet,
    slot: u16,
    port: &GatePort,
    tables: &T,
) -> Route {
    let tag = frame.tag();
    let (mut vid, mut left_to_bridge) = (0, false);
    if port.has(gate_flags::VLAN_AWARE) {
        vid = match tag {
            None => port.pvid(),
            Some(tag) if tag.proto == Tag::DOT1Q => tag.vid(),
            // To a bridge that filters 802.1Q VLANs this is an untagged frame with a tag inside.
            Some(_) => 0,
        };
        if vid == 0 && port.pvid() != 0 {
            // The bridge takes the frame into the port's VLAN, and floods it there if it knows no station.
            (vid, left_to_bridge) = (port.pvid(), true);
        } else if vid == 0 || !in_vlan(tables, slot, vid, 0) {
            return Route::Other(Counter::PassedBridge);
        }
    }
    let to = tables.find(tables.place(table::key(eth.dst, vid)));
    if to.has(table::entry_flags::LOCAL) {
        return Route::Other(Counter::PassedHost);
    }
    let from = tables.find_source(tables.place(table::key(eth.src, vid)), slot);
    if to.is_empty() {
        let outcome = if left_to_bridge { Counter::PassedBridge } else { Counter::PassedUnknown };
        return Route::Other(flooded(slot, port, tables, outcome));
    }
    if left_to_bridge {
        return Route::Other(Counter::PassedBridge);
    }
    // The bridge gets the frame if its source is not known behind this port: it may learn the address, or
    // refuse it (on a locked port, and everywhere if it is no station's). If the bridge does neither here,
    // only the frame of a source that is known behind another port is left to it.
    let known = from.port() == slot && !from.is_empty() && !from.has(table::entry_flags::LOCAL);
    let listens = !port.has(gate_flags::NO_LEARNING) || port.has(gate_flags::LOCKED);
    if !known && (listens || !from.is_empty() || !eth.has_valid_source()) {
        return Route::Other(Counter::PassedUnknown);
    }
    let egress = to.port();
    if egress == slot || egress == table::ELSEWHERE || !port.has(gate_flags::OFFLOAD) {
        return Route::Other(Counter::PassedBridge);
    }
    let Some(other) = tables.port(egress) else {
        return Route::Other(Counter::PassedBridge);
    };
    let both_isolated = port.has(gate_flags::ISOLATED) && other.has(gate_flags::ISOLATED);
    let same_bridge = (port.flags() ^ other.flags()) & gate_flags::VLAN_AWARE == 0;
    if !other.has(gate_flags::OFFLOAD) || both_isolated || !same_bridge || frame.slips_past_xdp() {
        return Route::Other(Counter::PassedBridge);
    }
    if !port.has(gate_flags::VLAN_AWARE) {
        return Route::To(egress, other, tag);
    }
    if !in_vlan(tables, egress, vid, 0) {
        return Route::Other(Counter::PassedBridge);
    }
    if in_vlan(tables, egress, vid, UNTAGGED) {
        return Route::To(egress, other, None);
    }
    Route::To(egress, other, Some(tag.unwrap_or(Tag { proto: Tag::DOT1Q, tci: vid })))
}

#[inline(always)]
fn in_vlan<T: Tables>(tables: &T, slot: u16, vid: u16, set: usize) -> bool {
    let word = set + (vid as usize >> 6 & (UNTAGGED - 1));
    tables.vlans(slot, word) >> (vid & 63) & 1 != 0
}

/// The last checks before a frame goes to a worker.
#[inline(always)]
#[allow(clippy::too_many_arguments, reason = "inlined: each is in a register already")]
fn steer<F: Frame, T: Tables>(
    frame: &F,
    slot: u16,
    port: &GatePort,
    tables: &T,
    mut verdict: Verdict,
    egress: u16,
    other: &GatePort,
    tag: Option<Tag>,
) -> Decision {
    let bridge = Decision::passed_for_now(Counter::PassedBridge);
    let len = frame.len() as u32;
    let inside = frame.tag_is_inside() && frame.tag().is_some();
    if len + 4 > MAX_FRAME_LEN || is_too_deep(&verdict, inside, tag) {
        return bridge;
    }
    if frame.awaits_other_checksum(verdict.l4_off, verdict.looks_partial()) {
        return bridge;
    }
    let gso_size = frame.gso_size();
    let mut kind = gso_kind::NONE;
    if gso_size != 0 {
        // The kernel keeps a superframe's checksum partial. If it is not, the superframe is of a kind
        // that no device can be told to cut.
        match gso::kind(frame.gso_type(), verdict.flags) {
            Some(known) if verdict.looks_partial() => kind = known,
            _ => return bridge,
        }
        verdict.flags |= meta_flags::GSO | meta_flags::CSUM_PARTIAL;
    }
    let queue = port.queue();
    if !tables.has_worker(queue) || !are_awake(tables, queue, other.queue()) {
        // A dropped frame is not under way by the bridge: no later frame has to wait for it.
        return if port.has(gate_flags::FALLBACK_DROP) {
            Decision::of(Counter::DroppedFallback)
        } else {
            Decision::passed_for_now(Counter::PassedFallback)
        };
    }
    let leaves = len - if inside { 4 } else { 0 } + if tag.is_some() { 4 } else { 0 };
    let places = leaves.div_ceil(FRAME_ROOM);
    if !tables.take_room(slot, queue, places) {
        return Decision::of(Counter::RxShare);
    }
    shift(frame, &mut verdict, inside, tag);
    if tables.is_at_bridge(slot) {
        verdict.flags |= meta_flags::AT_BRIDGE;
    }
    Decision {
        verdict,
        egress,
        queue,
        tag,
        gso_size,
        gso_kind: kind,
        places,
        ..Decision::of(Counter::Steered)
    }
}

/// Whether both workers run: the one that serves the source, and the one that serves the link.
#[inline(always)]
fn are_awake<T: Tables>(tables: &T, queue: u16, links: u16) -> bool {
    tables.is_awake(queue) && (links == queue || tables.is_awake(links))
}

/// Whether [`shift`] cannot make the verdict right. The parser looks behind two tags. So it would see less of
/// the frame if a tag is put in front of two, and may see more if one of two is taken off before a third.
#[inline(always)]
fn is_too_deep(v: &Verdict, was_inside: bool, tag: Option<Tag>) -> bool {
    v.is(meta_flags::TAGGED2)
        && match tag {
            Some(_) => !was_inside,
            None => was_inside && v.is(meta_flags::OTHER),
        }
}

/// Changes the verdict to what the parser would say of the frame as it leaves, with the outer tag among its
/// bytes, or without it.
#[inline(always)]
fn shift<F: Frame>(frame: &F, v: &mut Verdict, was_inside: bool, tag: Option<Tag>) {
    const INNER_TCI: usize = 18;
    let one = v.flags & meta_flags::TAGGED != 0;
    let two = v.flags & meta_flags::TAGGED2 != 0;
    let (mut tags, mut by) = (one as i32 + two as i32, 0i32);
    let mut vlan = v.vlan;
    if was_inside {
        tags -= 1;
        by -= 4;
        vlan = if tags > 0 { frame.be16(INNER_TCI).unwrap_or(0) & 0xfff } else { 0 };
    }
    if let Some(tag) = tag {
        tags += 1;
        by += 4;
        vlan = tag.vid();
    }
    v.set_vlan(vlan);
    v.flags &= !(meta_flags::TAGGED | meta_flags::TAGGED2);
    if tags > 0 {
        v.flags |= meta_flags::TAGGED;
    }
    if tags > 1 {
        v.flags |= meta_flags::TAGGED2;
    }
    let moved = |off: u16| if off == 0 { 0 } else { (off as i32 + by) as u16 };
    v.l3_off = moved(v.l3_off);
    v.l4_off = moved(v.l4_off);
}
