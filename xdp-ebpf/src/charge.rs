//! Charges a link with a rate for frames that weir does not send: the host's own traffic, and what the
//! bridge forwards. The program is at the tcx egress hook of the link's device.
//!
//! What weir sends is charged elsewhere. Its workers' frames do not come here: neither an AF_XDP socket in
//! copy mode nor a packet socket with PACKET_QDISC_BYPASS runs that hook. Nor do the frames that the gate
//! gives to `bpf_redirect_peer`. Those that it gives to `bpf_redirect` do come here, and are recognised by
//! the cell that the gate has just written.
//!
//! Invariant: every frame goes on. For each frame that the gate has redirected, one of its length on its
//! device and its CPU is not charged here: the gate has charged it. No guest can write the cell.

use aya_ebpf::{helpers::generated::bpf_ktime_get_ns, programs::TcContext};
use weir_abi::{
    door::{Door, bytes_on_link, line},
    gate::redirected,
};

use crate::{
    CHARGED, DOORS, REDIRECTED, express,
    port::Port,
    tables::{DRAWS, add, exchange, read, word},
};

/// On to the programs behind this one, and then to the queueing discipline.
const TCX_NEXT: i32 = -1;

#[inline(always)]
pub(crate) fn charge(ctx: &TcContext) -> i32 {
    // SAFETY: `ctx` is the context this program was called with.
    let skb = unsafe { &*ctx.skb.skb };
    let ifindex = skb.ifindex;
    if is_the_gates(ifindex, skb.len) {
        return TCX_NEXT;
    }
    let Some(port) = Port::at(ifindex) else { return TCX_NEXT };
    if port.told.per_byte == 0 {
        return TCX_NEXT;
    }
    let len = if skb.vlan_present != 0 { skb.len + 4 } else { skb.len };
    move_on(port.slot, bytes_on_link(len, skb.gso_size as u16), port.told.per_byte);
    if let Some(counters) = CHARGED.get_ptr_mut(port.slot.into()) {
        express::count(counters, len);
    }
    TCX_NEXT
}

/// Whether the gate has just redirected this very frame.
#[inline(always)]
fn is_the_gates(ifindex: u32, len: u32) -> bool {
    let Some(cell) = REDIRECTED.get_ptr_mut(0) else { return false };
    // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
    unsafe {
        let is = cell.read() == redirected(ifindex, len);
        if is {
            cell.write(0);
        }
        is
    }
}

/// Moves the time of the link's door on by the bytes; if that fails, adds them up for the worker.
#[inline(always)]
fn move_on(slot: u16, bytes: u32, per_byte: u64) {
    let Some(door) = DOORS.get_ptr_mut(slot.into()) else { return };
    for _ in 0..DRAWS {
        let seen = Door::of_word(read(door, line::DOOR));
        if seen.is_closed() {
            break;
        }
        // SAFETY: takes no argument.
        let charged = seen.charged(unsafe { bpf_ktime_get_ns() }, bytes, per_byte);
        if exchange(word(door, line::DOOR), seen.word(), charged.word()) {
            return;
        }
    }
    add(word(door, line::CHARGED), bytes.into());
}
