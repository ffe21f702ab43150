//! The frame's linear part as the parser reads it.
//! Invariant: each bounds check and its load are one block of instructions, so that whatever the
//! compiler does around them, the verifier sees the check on the very register that is read from.

use core::arch::asm;

use aya_ebpf::{
    helpers::generated::bpf_xdp_get_buff_len,
    programs::{TcContext, XdpContext},
};
use weir_abi::Bytes;

/// Headers lie well below this offset. It also bounds what the verifier must assume of an offset.
pub(crate) const MAX_OFFSET: i32 = 0x3fff;

pub(crate) struct Packet {
    pub(crate) data: usize,
    pub(crate) end: usize,
    len: u32,
}

impl Packet {
    #[inline(always)]
    pub(crate) fn of(ctx: &XdpContext) -> Self {
        // SAFETY: `ctx` is the context this program was called with.
        let len = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as u32;
        Self { data: ctx.data(), end: ctx.data_end(), len }
    }

    /// The linear part of a packet at a tcx hook.
    #[inline(always)]
    pub(crate) fn of_skb(ctx: &TcContext) -> Self {
        // SAFETY: `ctx` is the context this program was called with.
        let len = unsafe { (*ctx.skb.skb).len };
        Self { data: ctx.data(), end: ctx.data_end(), len }
    }

    #[inline(always)]
    pub(crate) fn frame_len(&self) -> u32 {
        self.len
    }
}

/// Runs `$do` with `{at}` pointing at `$size` bytes at offset `$off` of the packet, if they are all
/// before its end; otherwise leaves for `$none`.
macro_rules! with_checked {
    ($self:ident, $off:expr, $size:literal, $do:expr, $none:expr, $($operand:tt)*) => {
        // SAFETY: touches `$size` bytes at `data + off` only if they end at or before `end`.
        unsafe {
            asm!(
                "{at} = {off}",
                "if {at} > {max} goto {none}",
                "{at} += {data}",
                "{beyond} = {at}",
                concat!("{beyond} += ", $size),
                "if {beyond} > {end} goto {none}",
                $do,
                max = const crate::packet::MAX_OFFSET,
                off = in(reg) $off,
                data = in(reg) $self.data,
                end = in(reg) $self.end,
                beyond = out(reg) _,
                none = label { $none },
                $($operand)*
                options(nostack),
            )
        }
    };
}
pub(crate) use with_checked;

macro_rules! load {
    ($self:ident, $off:ident, $size:literal, $cast:literal) => {{
        let value: u64;
        with_checked!(
            $self, $off, $size,
            concat!("{at} = *(", $cast, " *)({at} + 0)"),
            return None,
            at = out(reg) value,
        );
        value
    }};
}

impl Bytes for Packet {
    #[inline(always)]
    fn len(&self) -> usize {
        self.len as usize
    }
    #[inline(always)]
    fn u8(&self, off: usize) -> Option<u8> {
        Some(load!(self, off, "1", "u8") as u8)
    }
    #[inline(always)]
    fn be16(&self, off: usize) -> Option<u16> {
        Some((load!(self, off, "2", "u16") as u16).swap_bytes())
    }
    #[inline(always)]
    fn be32(&self, off: usize) -> Option<u32> {
        Some((load!(self, off, "4", "u32") as u32).swap_bytes())
    }
    #[inline(always)]
    fn be64(&self, off: usize) -> Option<u64> {
        Some(load!(self, off, "8", "u64").swap_bytes())
    }
    /// To the verifier the frame's length can be any number, and so can `n` once it is combined with the
    /// length. The verifier does not see that the second exclusive or takes the length out again.
    #[inline(always)]
    fn opaque(&self, n: u32) -> u32 {
        let mut value = u64::from(n);
        // SAFETY: the same number in and out again.
        unsafe {
            asm!(
                "{0} ^= {1}",
                "{0} ^= {1}",
                inout(reg) value,
                in(reg) u64::from(self.len),
                options(pure, nomem, nostack),
            );
        }
        value as u32
    }
}
