//! Reports to user space the frames that are not steered, while a capture or a trace there asks for them.
//! Invariant: without one, this costs a load per frame. If the ring is full, the record is lost and
//! counted, never the frame.

use aya_ebpf::{
    bindings::BPF_RB_NO_WAKEUP,
    helpers::generated::{
        bpf_ktime_get_ns, bpf_ringbuf_output, bpf_skb_load_bytes, bpf_xdp_load_bytes,
    },
    programs::{TcContext, XdpContext},
};
use weir_abi::{
    ABI_VERSION, Counter, Tag,
    watch::{self, UNSTEERED_LEN, Unsteered, WATCH_BYTES},
};

use crate::{UNSTEERED, WATCH, WATCH_MISSED, WATCH_RECORD, packet::Packet};

#[inline(always)]
pub(crate) fn tell(ctx: &XdpContext, slot: u16, outcome: Counter, packet: &Packet) {
    let load = |bytes: *mut u8, len: u32| {
        // SAFETY: `bytes` has room for `len`; the helper checks the frame's end itself.
        unsafe { bpf_xdp_load_bytes(ctx.ctx, 0, bytes.cast(), len) == 0 }
    };
    tell_of(slot, outcome, packet.frame_len(), load);
}

/// The same at a tcx hook. A tag that travels beside the frame is put among its bytes.
#[inline(always)]
pub(crate) fn tell_skb(
    ctx: &TcContext,
    slot: u16,
    outcome: Counter,
    packet: &Packet,
    tag: Option<Tag>,
) {
    let load = |bytes: *mut u8, len: u32| {
        let skb = ctx.skb.skb.cast_const().cast();
        // SAFETY: `bytes` has room for `len`; the helper checks the frame's end itself.
        let part = |off: u32, at: *mut u8, len: u32| unsafe {
            bpf_skb_load_bytes(skb, off, at.cast(), len) == 0
        };
        let Some(tag) = tag.filter(|_| len > FRONT) else { return part(0, bytes, len) };
        let mut rest = u64::from(len - FRONT);
        // The verifier has to see the bounds on the very register that the helper gets.
        // SAFETY: gives the value back as it is.
        unsafe { core::arch::asm!("/* {0} */", inout(reg) rest) };
        if rest == 0 {
            return false;
        }
        if rest > WATCH_BYTES as u64 - u64::from(FRONT) {
            rest = WATCH_BYTES as u64 - u64::from(FRONT);
        }
        // SAFETY: `bytes` has room for `WATCH_BYTES`.
        let (at, behind) = unsafe { (bytes.add(ADDRESSES as usize), bytes.add(FRONT as usize)) };
        let [a, b] = tag.proto.to_be_bytes();
        let [c, d] = tag.tci.to_be_bytes();
        // SAFETY: as above.
        unsafe { at.cast::<[u8; 4]>().write_unaligned([a, b, c, d]) };
        part(0, bytes, ADDRESSES) && part(ADDRESSES, behind, rest as u32)
    };
    let len = packet.frame_len() + if tag.is_some() { FRONT - ADDRESSES } else { 0 };
    tell_of(slot, outcome, len, load);
}

const ADDRESSES: u32 = 12;
/// The addresses and a tag.
const FRONT: u32 = 16;

#[inline(always)]
fn tell_of(slot: u16, outcome: Counter, len: u32, load: impl FnOnce(*mut u8, u32) -> bool) {
    let Some(wanted) = WATCH.get_ptr(slot.into()) else { return };
    // SAFETY: a map value, which user space replaces whole.
    if unsafe { wanted.read_volatile() } & watch::bit(outcome) == 0 {
        return;
    }
    if record(slot, outcome, len, load).is_none()
        && let Some(missed) = WATCH_MISSED.get_ptr_mut(slot.into())
    {
        // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile.
        unsafe { *missed += 1 };
    }
}

/// User space looks at the ring in its own time: a wake-up for each record would cost the sender more
/// than all of this.
#[inline(always)]
fn record(
    slot: u16,
    outcome: Counter,
    len: u32,
    load: impl FnOnce(*mut u8, u32) -> bool,
) -> Option<()> {
    let record = WATCH_RECORD.get_ptr_mut(0)?;
    let mut captured = u64::from(len);
    // The verifier has to see the bound on the very register that the helpers get.
    // SAFETY: gives the value back as it is.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) captured) };
    if captured == 0 {
        return None;
    }
    if captured > WATCH_BYTES as u64 {
        captured = WATCH_BYTES as u64;
    }
    // SAFETY: a per-CPU value of the map with room for `WATCH_BYTES`.
    let bytes = unsafe { (&raw mut (*record).bytes).cast() };
    if !load(bytes, captured as u32) {
        return None;
    }
    // SAFETY: takes no argument.
    let at_ns = unsafe { bpf_ktime_get_ns() };
    let head = Unsteered {
        at_ns,
        len,
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
