//! A packet at a tcx hook, as the decision sees it.
//! Invariant: kernel memory is only read, at offsets from the running kernel's BTF; without them the
//! gate is not loaded.

use core::arch::asm;

use aya_ebpf::{EbpfContext as _, helpers::generated::bpf_skb_pull_data, programs::TcContext};
use weir_abi::{Frame, Tag, Through, kfunc};

use crate::{SKB_OFFSETS, packet::Packet};

/// An Ethernet, an IPv4 and a TCP header: what nearly every packet has in its linear part.
const HEADERS: u32 = 54;
/// The same with IPv6. A driver that leaves the linear part to GRO fills it only up to the end of the
/// IPv6 header: that is as long as [`HEADERS`], and the TCP header is missing.
const HEADERS_V6: u32 = 74;
const ETHERTYPE_IPV6: u32 = 0x86dd_u16.to_be() as u32;
/// The bytes to pull if the headers are not all there: with options and an IPv6 header as well.
const PULLED: u32 = 128;

pub(crate) struct Skb<'a> {
    pub(crate) packet: Packet,
    ctx: &'a TcContext,
    /// The kernel's `sk_buff`, as the verifier knows it.
    kernel: usize,
}

impl<'a> Skb<'a> {
    #[inline(always)]
    pub(crate) fn of(ctx: &'a TcContext) -> Self {
        let mut packet = Packet::of_skb(ctx);
        let linear = (packet.end - packet.data) as u32;
        // SAFETY: `ctx` is the context this program was called with.
        let v6 = unsafe { (*ctx.skb.skb).protocol } == ETHERTYPE_IPV6;
        let headers = if v6 { HEADERS_V6 } else { HEADERS };
        if linear < headers && linear < packet.frame_len() {
            let wanted = if packet.frame_len() < PULLED { packet.frame_len() } else { PULLED };
            // SAFETY: `ctx` is the context this program was called with. If the call fails, the headers
            // cannot be read, and the decision sees to that.
            unsafe { bpf_skb_pull_data(ctx.as_ptr().cast(), wanted) };
            packet = Packet::of_skb(ctx);
        }
        Self { packet, ctx, kernel: kernel_context(ctx) }
    }

    #[inline(always)]
    fn field<T: Copy>(&self, off: u32) -> T {
        // SAFETY: a field of `sk_buff` by the kernel's BTF, against which the verifier checks it.
        unsafe { ((self.kernel + off as usize) as *const T).read_volatile() }
    }
}

/// The context as the kernel's `sk_buff`.
#[inline(always)]
fn kernel_context(ctx: &TcContext) -> usize {
    let skb: usize;
    // SAFETY: the loader has made the placeholder a call that takes the context and gives it back
    // as the kernel's `sk_buff`.
    unsafe {
        asm!(
            "r0 = {placeholder}",
            placeholder = const kfunc::CAST_TO_KERN_CTX,
            inlateout("r1") ctx.as_ptr() => _,
            lateout("r0") skb,
            lateout("r2") _, lateout("r3") _, lateout("r4") _, lateout("r5") _,
            options(nostack),
        );
    }
    skb
}

impl Through for Skb<'_> {
    type Bytes = Packet;
    #[inline(always)]
    fn bytes(&self) -> &Packet {
        &self.packet
    }
}

impl Frame for Skb<'_> {
    /// The kernel takes the outermost tag out of a frame before any tcx program sees it.
    #[inline(always)]
    fn tag(&self) -> Option<Tag> {
        // SAFETY: `ctx` is the context this program was called with.
        let skb = unsafe { &*self.ctx.skb.skb };
        if skb.vlan_present == 0 {
            return None;
        }
        Some(Tag { proto: (skb.vlan_proto as u16).swap_bytes(), tci: skb.vlan_tci as u16 })
    }

    #[inline(always)]
    fn tag_is_inside(&self) -> bool {
        false
    }

    #[inline(always)]
    fn slips_past_xdp(&self) -> bool {
        let at = SKB_OFFSETS.load();
        u32::from(self.field::<u8>(at.redirected)) & at.redirected_mask != 0
    }

    #[inline(always)]
    fn gso_size(&self) -> u16 {
        // SAFETY: `ctx` is the context this program was called with.
        unsafe { (*self.ctx.skb.skb).gso_size as u16 }
    }

    #[inline(always)]
    fn awaits_other_checksum(&self, l4_off: u16, is_known: bool) -> bool {
        const PARTIAL: u32 = 3;
        let at = SKB_OFFSETS.load();
        if u32::from(self.field::<u8>(at.ip_summed)) >> at.ip_summed_shift & 3 != PARTIAL {
            return false;
        }
        let room = self.field::<u64>(at.data).wrapping_sub(self.field::<u64>(at.head));
        !is_known || u64::from(self.field::<u16>(at.csum_start)) != room.wrapping_add(l4_off.into())
    }

    #[inline(always)]
    fn gso_type(&self) -> u32 {
        let at = SKB_OFFSETS.load();
        let head: u64 = self.field(at.head);
        let end: u32 = self.field(at.end);
        let info: usize;
        // SAFETY: the loader has made the placeholder a call that gives an address back as that of
        // a `skb_shared_info` to be read only.
        unsafe {
            asm!(
                "r0 = {placeholder}",
                placeholder = const kfunc::RDONLY_CAST,
                inlateout("r1") head + u64::from(end) => _,
                inlateout("r2") u64::from(at.shinfo_type) => _,
                lateout("r0") info,
                lateout("r3") _, lateout("r4") _, lateout("r5") _,
                options(nostack),
            );
        }
        // SAFETY: a field of `skb_shared_info`; a load that faults gives 0.
        unsafe { ((info + at.gso_type as usize) as *const u32).read_volatile() }
    }
}
