//! The pairs whose frames the program drops: the map `SHED` has a row of bits per ingress port, and in
//! it a bit per egress port.
//!
//! Invariant: only user space writes, and a pair's bit stands in one 64-bit word, so the program
//! never sees half a change. An impossible slot has no bit, and is never shed.

use crate::MAX_PORTS;

/// Words of a row.
pub const ROW_WORDS: usize = MAX_PORTS as usize / u64::BITS as usize;
/// Words of the whole map, as user space sees it in mapped memory: row after row.
pub const WORDS: usize = ROW_WORDS * MAX_PORTS as usize;

/// An ingress port's row, the value of the map.
pub type Row = [u64; ROW_WORDS];

// The kernel pads values to eight bytes. Rows that needed padding would not follow one another directly.
const _: () = assert!(ROW_WORDS * u64::BITS as usize == MAX_PORTS as usize);

/// Where an egress port's bit stands in a row: which word, and the bit in it.
#[inline(always)]
pub const fn bit(egress: u16) -> (usize, u64) {
    let word = egress as usize / u64::BITS as usize % ROW_WORDS;
    let known = (egress as u32) < MAX_PORTS;
    (word, (known as u64) << (egress as u32 % u64::BITS))
}

/// Where a pair's bit stands among the [`WORDS`] of the map. `None`: an impossible slot.
#[inline]
pub const fn cell(ingress: u16, egress: u16) -> Option<(usize, u64)> {
    let (word, mask) = bit(egress);
    if mask == 0 || ingress as u32 >= MAX_PORTS {
        return None;
    }
    Some((ingress as usize * ROW_WORDS + word, mask))
}
