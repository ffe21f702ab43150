//! The program behind the gate, on weir's own pair. It inserts the tag that travelled beside the frame,
//! completes a left-over checksum, puts the verdict in front, and hands the frame to the worker.
//!
//! Invariant: a frame without a verdict of the gate is a stray; it is counted and goes nowhere.

use core::arch::asm;

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_REDIRECT},
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_get_buff_len},
    programs::XdpContext,
};
use weir_abi::{Bytes as _, META_LEN, PortCounters, Verdict, gate::Cell};

use crate::{
    CELLS, COUNTERS, STRAYS, WORKERS, front,
    packet::{Packet, with_checked},
    tables::Shared,
};

/// The word of a cell that is 0 only while the cell is empty: it holds the version.
const LAST: usize = META_LEN / 8 - 1;

#[inline(always)]
pub(crate) fn behind(ctx: &XdpContext) -> u32 {
    let Some(cell) = CELLS.get_ptr_mut(0) else { return stray() };
    // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
    let cell = unsafe {
        let filled = cell.read();
        // Empty from here on.
        (*cell).meta[LAST] = 0;
        filled
    };
    let [_, lengths, ids, last] = cell.meta;
    let tagged = if cell.tag != 0 { 4 } else { 0 };
    // SAFETY: `ctx` is the context this program was called with.
    let len = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } + tagged;
    if last == 0 || lengths >> 32 != len {
        return stray();
    }
    let slot = ids as u16;
    // SAFETY: `ctx` is the context this program was called with.
    let queue = unsafe { (*ctx.ctx).rx_queue_index };
    let Some(counters) = COUNTERS.get_ptr_mut(slot.into()) else { return stray() };
    let lost = |which: fn(*mut PortCounters) -> *mut u64| {
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
        unsafe { *which(counters) += 1 };
        Shared::give_room_back(slot, queue, cell.places);
        XDP_DROP
    };
    if prepare(ctx, &cell, counters).is_none() {
        // SAFETY: gives an address only.
        return lost(|counters| unsafe { &raw mut (*counters).behind_no_meta });
    }
    if WORKERS.redirect(queue, XDP_DROP.into()).is_err() {
        // SAFETY: gives an address only.
        return lost(|counters| unsafe { &raw mut (*counters).behind_no_socket });
    }
    XDP_REDIRECT
}

/// Brings the frame into the form that the worker expects.
#[inline(always)]
fn prepare(ctx: &XdpContext, cell: &Cell, counters: *mut PortCounters) -> Option<()> {
    if cell.tag != 0 {
        insert_tag(ctx, cell.tag)?;
    }
    let [first, lengths, mut ids, last] = cell.meta;
    if cell.csum_len != 0 {
        let packet = Packet::of(ctx);
        let v = Verdict {
            flags: (ids >> 32) as u16,
            l4_off: (ids >> 48) as u16,
            csum_len: packet.opaque(cell.csum_len),
            ..Verdict::default()
        };
        ids |= u64::from(front::complete(&packet, &v, counters)) << 32;
    }
    front::put(ctx, [first, lengths, ids, last])
}

/// Puts a tag between the addresses and the EtherType.
#[inline(always)]
fn insert_tag(ctx: &XdpContext, tag: u32) -> Option<()> {
    // SAFETY: `ctx` is the context this program was called with.
    if unsafe { bpf_xdp_adjust_head(ctx.ctx, -4) } != 0 {
        return None;
    }
    let packet = Packet::of(ctx);
    let at: u64;
    with_checked!(
        packet, 0usize, "16",
        "/* the addresses and room for the tag */",
        return None,
        at = out(reg) at,
    );
    // SAFETY: the check above says that sixteen bytes at `at` are the frame's: the four new ones, and
    // the addresses, which move to the front.
    unsafe {
        asm!(
            "{word} = *(u32 *)({at} + 4)",
            "*(u32 *)({at} + 0) = {word}",
            "{word} = *(u32 *)({at} + 8)",
            "*(u32 *)({at} + 4) = {word}",
            "{word} = *(u32 *)({at} + 12)",
            "*(u32 *)({at} + 8) = {word}",
            "*(u32 *)({at} + 12) = {tag}",
            at = in(reg) at,
            tag = in(reg) u64::from(tag.swap_bytes()),
            word = out(reg) _,
            options(nostack),
        );
    }
    Some(())
}

#[inline(always)]
fn stray() -> u32 {
    count_stray();
    XDP_DROP
}

#[inline(always)]
pub(crate) fn count_stray() {
    if let Some(strays) = STRAYS.get_ptr_mut(0) {
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
        unsafe { *strays += 1 };
    }
}
