//! A frame's way through the program, cheapest questions first.
//! Invariant: nothing of a frame is changed unless it goes to user space. The kernel may still
//! hold a left-over checksum for partial, and completing it would then make it wrong.

use aya_ebpf::{
    bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_REDIRECT},
    helpers::generated::{bpf_ktime_get_ns, bpf_xdp_adjust_meta},
    programs::XdpContext,
};
use weir_abi::{
    Counter, FRAME_ROOM, MAX_FRAME_LEN, MAX_PORTS, MAX_QUEUES, META_LEN, Meta, PortConfig,
    PortCounters, Verdict, classify_from, ethernet, gso as abi_gso, gso_kind, meta_flags,
    port_flags,
};

use crate::{COUNTERS, PORTS, XSKS, admission, checksum, gso, packet::Packet, watch};

/// Longer than a plain frame of the usual MTU with two tags: a superframe is worth looking for even
/// if its checksum does not look partial (a tunnel's), so that it is refused under its own name.
const LONG_FRAME: u32 = 1522;

#[inline(always)]
pub(crate) fn steer(ctx: &XdpContext) -> u32 {
    // SAFETY: user space replaces a value whole, and each field alone is valid.
    let Some(config) = (unsafe { PORTS.get(ctx.ingress_ifindex() as u32) }) else {
        return XDP_PASS; // not a port of ours
    };
    let slot = config.slot;
    let Some(counters) = COUNTERS.get_ptr_mut(slot.into()) else {
        return XDP_PASS; // a slot that cannot be: leave the device to the kernel
    };
    let packet = Packet::of(ctx);
    let mut extra = Extra::default();
    let outcome = decide(ctx, config, &packet, &mut extra);
    count(counters, outcome, packet.frame_len(), extra.flags);
    #[cfg(feature = "debug-log")]
    aya_log_ebpf::debug!(
        ctx,
        "slot {} len {} outcome {}",
        slot,
        packet.frame_len(),
        outcome as u32
    );
    if outcome != Counter::Steered {
        watch::tell(ctx, slot, outcome, &packet);
    }
    match outcome {
        Counter::Steered => XDP_REDIRECT,
        Counter::PassedHost | Counter::PassedFallback => XDP_PASS,
        _ => XDP_DROP,
    }
}

/// Beside the outcome.
#[derive(Default)]
struct Extra {
    /// Bits of [`meta_flags`] as they went into the metadata.
    flags: u16,
}

#[inline(always)]
fn decide(ctx: &XdpContext, config: &PortConfig, packet: &Packet, extra: &mut Extra) -> Counter {
    let has = |flag: u16| config.flags & flag != 0;
    let Ok(eth) = ethernet(packet) else {
        return Counter::Malformed;
    };
    if admission::is_for_host(config, eth.dst) {
        return Counter::PassedHost;
    }
    if has(port_flags::MAC_LOCK) && !admission::mac_allowed(config.slot, eth.src) {
        return Counter::Spoofed;
    }
    let for_bridge = has(port_flags::BRIDGED) && eth.is_group();
    if for_bridge && !has(port_flags::IP_LOCK) {
        return Counter::PassedHost;
    }
    let Ok(verdict) = classify_from(packet, eth) else {
        return Counter::Malformed;
    };
    if has(port_flags::IP_LOCK) && !admission::ip_allowed(config.slot, packet, &verdict) {
        return Counter::Spoofed;
    }
    if for_bridge {
        return Counter::PassedHost;
    }
    if packet.frame_len() > MAX_FRAME_LEN {
        return Counter::Oversize;
    }
    // Known only here: the VLAN says, with the address, who it is for. Before what costs more.
    if admission::is_shed(config.slot, &verdict) {
        return Counter::Shed;
    }
    redirect(ctx, config, packet, &verdict, extra)
}

#[inline(always)]
fn redirect(
    ctx: &XdpContext,
    config: &PortConfig,
    packet: &Packet,
    verdict: &Verdict,
    extra: &mut Extra,
) -> Counter {
    let mut flags = verdict.flags;
    let mut superframe = gso::Gso { size: 0, skb_type: 0 };
    let partial = verdict.looks_partial();
    let in_skb_mode = config.flags & port_flags::SKB_MODE != 0;
    if in_skb_mode && (partial || packet.frame_len() > LONG_FRAME) {
        superframe = gso::read(ctx).unwrap_or(superframe);
    }
    let mut kind = gso_kind::NONE;
    if superframe.size != 0 {
        // The kernel keeps a superframe's checksum partial; one that is not is of a kind that
        // cannot be told to whoever has to cut it.
        let known = abi_gso::kind(superframe.skb_type, flags);
        let (Some(known), true) = (known, partial) else {
            return Counter::Unsupported;
        };
        kind = known;
        flags |= meta_flags::GSO | meta_flags::CSUM_PARTIAL;
    }

    // The fallback first: only a frame that is sure to go to a socket may be changed.
    let drop = config.flags & port_flags::FALLBACK_DROP != 0;
    let fallback = if drop { XDP_DROP } else { XDP_PASS };
    // SAFETY: `ctx` is the context this program was called with.
    let queue = unsafe { (*ctx.ctx).rx_queue_index };
    if queue >= MAX_QUEUES
        || XSKS.redirect(u32::from(config.slot) * MAX_QUEUES + queue, fallback.into()).is_err()
    {
        return if drop { Counter::DroppedFallback } else { Counter::PassedFallback };
    }

    if partial && superframe.size == 0 {
        let completed = checksum::complete(packet, verdict).is_some();
        flags |= if completed { meta_flags::CSUM_COMPLETED } else { meta_flags::CSUM_PARTIAL };
    }
    // SAFETY: `ctx` is the context this program was called with.
    if unsafe { bpf_xdp_adjust_meta(ctx.ctx, -(META_LEN as i32)) } != 0 {
        return Counter::NoMeta;
    }
    let (start, end) = (ctx.metadata(), ctx.data());
    if start + META_LEN > end {
        return Counter::NoMeta;
    }
    // SAFETY: takes no argument.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    let meta = Meta {
        flags,
        gso_size: superframe.size,
        gso_type: kind,
        ..Meta::new(verdict, now_ns, packet.frame_len(), config.slot)
    };
    let words: [u64; META_LEN / 8] = zerocopy::transmute!(meta);
    // Rust would store bytes, as the frame need not begin at a multiple of 8; the machine need not.
    // SAFETY: `META_LEN` bytes at `start` lie before `end`.
    unsafe {
        core::arch::asm!(
            "*(u64 *)({at} + 0) = {a}",
            "*(u64 *)({at} + 8) = {b}",
            "*(u64 *)({at} + 16) = {c}",
            "*(u64 *)({at} + 24) = {d}",
            at = in(reg) start,
            a = in(reg) words[0],
            b = in(reg) words[1],
            c = in(reg) words[2],
            d = in(reg) words[3],
            options(nostack),
        );
    }
    extra.flags = flags;
    Counter::Steered
}

#[inline(always)]
pub(crate) fn count(counters: *mut PortCounters, outcome: Counter, len: u32, flags: u16) {
    let mut index = outcome as u64;
    // The compiler knows the range, the verifier does not: hide it, then check.
    // SAFETY: gives the value back as it is.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) index) };
    if index >= Counter::COUNT as u64 {
        return;
    }
    // SAFETY: a per-CPU value of the map, and no other program of this CPU runs meanwhile; the
    // index is checked above.
    unsafe {
        let frames = (&raw mut (*counters).frames).cast::<u64>().add(index as usize);
        let bytes = (&raw mut (*counters).bytes).cast::<u64>().add(index as usize);
        *frames += 1;
        *bytes += u64::from(len);
        if flags & (meta_flags::CSUM_PARTIAL | meta_flags::CSUM_COMPLETED) != 0 {
            if flags & meta_flags::CSUM_COMPLETED != 0 {
                (*counters).partial_completed += 1;
            } else {
                (*counters).partial_left += 1;
            }
        }
        if flags & meta_flags::GSO != 0 {
            (*counters).superframes += 1;
        }
    }
}

const _: () = assert!(MAX_PORTS <= 0x1000 && FRAME_ROOM < MAX_FRAME_LEN);
