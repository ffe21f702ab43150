//! Tells user space of frames that are not steered, while somebody there wants to see them.
//! Invariant: costs one load where nobody does; a full ring loses the record and counts it, never
//! the frame.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{bpf_ktime_get_ns, bpf_ringbuf_output, bpf_xdp_load_bytes},
    programs::XdpContext,
};
use weir_abi::{
    ABI_VERSION, Counter,
    watch::{self, UNSTEERED_LEN, Unsteered, WATCH_BYTES},
};

use crate::{UNSTEERED, WATCH, WATCH_MISSED, WATCH_RECORD, packet::Packet};

#[inline(always)]
pub(crate) fn tell(ctx: &XdpContext, slot: u16, outcome: Counter, packet: &Packet) {
    let Some(wanted) = WATCH.get_ptr(slot.into()) else { return };
    // SAFETY: a map value, which user space replaces whole.
    if unsafe { wanted.read_volatile() } & watch::bit(outcome) == 0 {
        return;
    }
    if record(ctx, slot, outcome, packet).is_none()
        && let Some(missed) = WATCH_MISSED.get_ptr_mut(slot.into())
    {
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
        unsafe { *missed += 1 };
    }
}

/// The kernel reads the ring in its own time: a wake-up for each record would cost the sender more
/// than all of this.
#[inline(always)]
fn record(ctx: &XdpContext, slot: u16, outcome: Counter, packet: &Packet) -> Option<()> {
    let record = WATCH_RECORD.get_ptr_mut(0)?;
    let mut captured = u64::from(packet.frame_len());
    // The verifier has to see the bound on the very register that the helpers get.
    // SAFETY: gives the value back as it is.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) captured) };
    if captured == 0 {
        return None;
    }
    if captured > WATCH_BYTES as u64 {
        captured = WATCH_BYTES as u64;
    }
    // SAFETY: a per-CPU value of the map with room for `WATCH_BYTES`; the helper checks the frame's
    // end itself.
    let loaded = unsafe {
        bpf_xdp_load_bytes(ctx.ctx, 0, (&raw mut (*record).bytes).cast(), captured as u32)
    };
    if loaded != 0 {
        return None;
    }
    // SAFETY: takes no argument.
    let at_ns = unsafe { bpf_ktime_get_ns() };
    let head = Unsteered {
        at_ns,
        len: packet.frame_len(),
        captured: captured as u32,
        port: slot,
        outcome: outcome as u16,
        abi: ABI_VERSION,
        reserved: 0,
    };
    // SAFETY: as above; the ring copies no more than the record holds.
    let put = unsafe {
        (&raw mut (*record).head).write(head);
        bpf_ringbuf_output(
            (&raw const UNSTEERED).cast_mut().cast(),
            record.cast(),
            UNSTEERED_LEN as u64 + captured,
            BPF_RB_NO_WAKEUP.into(),
        )
    };
    (put == 0).then_some(())
}
