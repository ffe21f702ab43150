//! Tells a superframe from a long frame: in skb mode the kernel's `skb_shared_info` stands at the
//! end of the frame's first buffer and says how it is to be cut.
//! Invariant: kernel memory is only read, at offsets from the running kernel's BTF; where those
//! are not known nothing is a superframe.

use core::{arch::asm, mem::MaybeUninit};

use aya_ebpf::{EbpfContext, helpers::generated::bpf_probe_read_kernel, programs::XdpContext};
use weir_abi::{GsoOffsets, kfunc};

use crate::GSO_OFFSETS;

const REACH: u32 = GsoOffsets::REACH;

/// Part of a kernel struct, copied to the stack.
#[repr(C, align(8))]
struct Window([u64; REACH as usize / 8]);

impl Window {
    #[inline(always)]
    fn copy(into: &mut MaybeUninit<Self>, from: u64) -> Option<&Self> {
        // SAFETY: `into` has room for `REACH` bytes; the helper checks that `from` can be read.
        let failed = unsafe {
            bpf_probe_read_kernel(into.as_mut_ptr().cast(), REACH, from as *const _) != 0
        };
        // SAFETY: the helper has written all of it, zeros if it failed.
        if failed { None } else { Some(unsafe { into.assume_init_ref() }) }
    }

    /// # Safety
    /// `off` plus the size of `T` is at most `REACH`, and `off` a multiple of that size.
    #[inline(always)]
    unsafe fn get<T: Copy>(&self, off: u32) -> T {
        // SAFETY: the caller's.
        unsafe { self.0.as_ptr().cast::<u8>().add(off as usize).cast::<T>().read() }
    }
}

/// `gso_size` and the kernel's `gso_type`; a size of 0 is no superframe.
#[derive(Clone, Copy)]
pub(crate) struct Gso {
    pub(crate) size: u16,
    pub(crate) skb_type: u32,
}

/// The offsets are constants to the verifier, so of the two ways it keeps one.
#[inline(always)]
pub(crate) fn read(ctx: &XdpContext) -> Option<Gso> {
    let at = GSO_OFFSETS.load();
    if !at.usable() {
        return None;
    }
    if at.shinfo_type != 0 { Some(read_linked(ctx, &at)) } else { read_copied(ctx, &at) }
}

/// Plain loads, through two functions of the kernel that only tell the verifier what a pointer is.
#[inline(always)]
fn read_linked(ctx: &XdpContext, at: &GsoOffsets) -> Gso {
    let buffer: usize;
    // SAFETY: the loader has made the placeholder a call that takes the context and gives it back
    // as the kernel's `xdp_buff`.
    unsafe {
        asm!(
            "r0 = {placeholder}",
            placeholder = const kfunc::CAST_TO_KERN_CTX,
            inlateout("r1") ctx.as_ptr() => _,
            lateout("r0") buffer,
            lateout("r2") _, lateout("r3") _, lateout("r4") _, lateout("r5") _,
            options(nostack),
        );
    }
    // SAFETY: fields of `xdp_buff`, by the kernel's BTF, which the verifier compares.
    let (hard_start, frame_sz) = unsafe {
        (
            ((buffer + at.hard_start as usize) as *const u64).read_volatile(),
            ((buffer + at.frame_sz as usize) as *const u32).read_volatile(),
        )
    };
    let info: usize;
    // SAFETY: likewise; gives the address back as that of a `skb_shared_info` to be read only.
    unsafe {
        asm!(
            "r0 = {placeholder}",
            placeholder = const kfunc::RDONLY_CAST,
            inlateout("r1") shared_info(hard_start, frame_sz, at) => _,
            inlateout("r2") u64::from(at.shinfo_type) => _,
            lateout("r0") info,
            lateout("r3") _, lateout("r4") _, lateout("r5") _,
            options(nostack),
        );
    }
    // SAFETY: fields of `skb_shared_info`; a load that faults gives 0.
    unsafe {
        Gso {
            size: ((info + at.gso_size as usize) as *const u16).read_volatile(),
            skb_type: ((info + at.gso_type as usize) as *const u32).read_volatile(),
        }
    }
}

/// Two copies of kernel memory: where the buffer ends, and what stands there.
#[inline(always)]
fn read_copied(ctx: &XdpContext, at: &GsoOffsets) -> Option<Gso> {
    // A program's context is the kernel's `xdp_buff`, seen through rewritten loads; the helper
    // takes its address as a number.
    let mut buffer = MaybeUninit::uninit();
    let buffer = Window::copy(&mut buffer, ctx.as_ptr() as u64 + u64::from(at.hard_start))?;
    // SAFETY: `usable` bounds the offsets.
    let (hard_start, frame_sz): (u64, u32) =
        unsafe { (buffer.get(0), buffer.get(at.frame_sz - at.hard_start)) };
    let mut info = MaybeUninit::uninit();
    let info = Window::copy(&mut info, shared_info(hard_start, frame_sz, at))?;
    // SAFETY: `usable` bounds the offsets.
    Some(unsafe { Gso { size: info.get(at.gso_size), skb_type: info.get(at.gso_type) } })
}

/// `xdp_get_shared_info_from_buff`.
#[inline(always)]
fn shared_info(hard_start: u64, frame_sz: u32, at: &GsoOffsets) -> u64 {
    hard_start.wrapping_add(frame_sz.into()).wrapping_sub(at.shinfo_len.into())
}
