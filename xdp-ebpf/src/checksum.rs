//! Completes, in place, an L4 checksum that a guest left to its device.
//! Invariant: a frame is either completed right or left as it was; no length is trusted that the
//! parser has not checked.
//!
//! The sum goes over the whole L4 part, the field included: as the field holds the pseudo-header
//! sum, the complement is the checksum (`Verdict::looks_partial` shows why a right one stays).
//! The helper wants a length that the verifier knows, so the part is cut into powers of two; below 64
//! bytes plain loads cost less than a call. Up to Linux 6.12 the helper takes no more than 512 bytes.
//! Copying the part to a scratch buffer, for one call over all of it, took 62 instead of 14 ns at 64
//! bytes, and 104 instead of 75 at 1458.

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_csum_diff;
use weir_abi::{Bytes, FRAME_ROOM, Verdict, fold, meta_flags};

use crate::packet::{Packet, with_checked};

/// The longest part that is completed here: each bit of its length has a step below.
const LONGEST: u32 = 4095;
const _: () = assert!(FRAME_ROOM <= LONGEST);

/// If the length has the bit `$bit`, adds that many bytes at `$at` to the sum, by calls of the helper.
macro_rules! by_helper {
    ($packet:ident, $len:ident, $at:ident, $sum:ident, $($bit:literal: $($size:literal)+;)+) => {$(
        if $len & $bit != 0 {$(
            let block = $packet.block::<$size>($at)?;
            // SAFETY: `block` is `$size` bytes of the packet.
            let sum = unsafe {
                bpf_csum_diff(core::ptr::null_mut(), 0, block, $size, $sum as u32)
            };
            $sum = sum as u64 & 0xffff_ffff;
            $at = $packet.opaque($at as u32 + $size) as usize;
        )+}
    )+};
}

/// `None`: too long, or not all in the linear part; then user space completes it.
#[inline(always)]
pub(crate) fn complete(packet: &Packet, v: &Verdict) -> Option<()> {
    let len = v.csum_len;
    if packet.frame_len() > FRAME_ROOM || len > LONGEST {
        return None;
    }
    let mut at = v.l4_off as usize;
    let mut sum = 0u64;
    by_helper!(packet, len, at, sum,
        2048: 512 512 512 512; 1024: 512 512; 512: 512; 256: 256; 128: 128; 64: 64;);
    // The rest is added in memory's byte order too.
    if len & 32 != 0 {
        sum = add(add(sum, packet.native64(at)?), packet.native64(at + 8)?);
        sum = add(add(sum, packet.native64(at + 16)?), packet.native64(at + 24)?);
        at = packet.opaque(at as u32 + 32) as usize;
    }
    if len & 16 != 0 {
        sum = add(add(sum, packet.native64(at)?), packet.native64(at + 8)?);
        at = packet.opaque(at as u32 + 16) as usize;
    }
    if len & 8 != 0 {
        sum = add(sum, packet.native64(at)?);
        at = packet.opaque(at as u32 + 8) as usize;
    }
    if len & 4 != 0 {
        sum += u64::from(packet.be32(at)?.swap_bytes());
        at = packet.opaque(at as u32 + 4) as usize;
    }
    if len & 2 != 0 {
        sum += u64::from(packet.be16(at)?.swap_bytes());
        at = packet.opaque(at as u32 + 2) as usize;
    }
    if len & 1 != 0 {
        // An odd last byte is the first of a word whose second is zero.
        sum += u64::from(u16::from_ne_bytes([packet.u8(at)?, 0]));
    }
    let mut checksum = !fold(sum);
    if checksum == 0 && v.flags & meta_flags::UDP != 0 {
        checksum = 0xffff; // 0 would mean "none"
    }
    packet.store16(v.csum_off() as usize, checksum)
}

/// Adds the two halves of a word.
#[inline(always)]
fn add(sum: u64, word: u64) -> u64 {
    sum + (word & 0xffff_ffff) + (word >> 32)
}

impl Packet {
    /// `SIZE` bytes for a helper to read.
    #[inline(always)]
    fn block<const SIZE: u32>(&self, off: usize) -> Option<*mut u32> {
        let found: usize;
        // SAFETY: gives an address only.
        unsafe {
            asm!(
                "{at} = {off}",
                "if {at} > 0x3fff goto {none}",
                "{at} += {data}",
                "{beyond} = {at}",
                "{beyond} += {size}",
                "if {beyond} > {end} goto {none}",
                size = const SIZE as i32,
                off = in(reg) off,
                data = in(reg) self.data,
                end = in(reg) self.end,
                at = out(reg) found,
                beyond = out(reg) _,
                none = label { return None },
                options(nostack),
            );
        }
        Some(found as *mut u32)
    }

    /// Eight bytes in the machine's order.
    #[inline(always)]
    fn native64(&self, off: usize) -> Option<u64> {
        self.be64(off).map(u64::swap_bytes)
    }

    /// Stores two bytes in the machine's order.
    #[inline(always)]
    fn store16(&self, off: usize, value: u16) -> Option<()> {
        let at: u64;
        with_checked!(
            self, off, "2",
            "*(u16 *)({at} + 0) = {value}",
            return None,
            at = out(reg) at,
            value = in(reg) u64::from(value),
        );
        let _ = at;
        Some(())
    }
}
