//! Whose frames the program drops, and only those for whom: the map `SHED`, a row of bits per
//! ingress port, a bit per egress port.
//!
//! Invariant: only user space writes, and a pair's bit stands in one 64-bit word, so the program
//! never sees half a change. A slot that cannot be has no bit, and is never shed.

use crate::MAX_PORTS;

/// Words of a row.
pub const ROW_WORDS: usize = MAX_PORTS as usize / u64::BITS as usize;
/// Words of the whole map, as whoever maps it into memory sees it: row after row.
pub const WORDS: usize = ROW_WORDS * MAX_PORTS as usize;

/// An ingress port's row, the value of the map.
pub type Row = [u64; ROW_WORDS];

// The kernel rounds values up to eight bytes; a row that needed it would not be followed by the next.
const _: () = assert!(ROW_WORDS * u64::BITS as usize == MAX_PORTS as usize);

/// Where an egress port's bit stands in a row: which word, and the bit in it.
#[inline(always)]
pub const fn bit(egress: u16) -> (usize, u64) {
    let word = egress as usize / u64::BITS as usize % ROW_WORDS;
    let known = (egress as u32) < MAX_PORTS;
    (word, (known as u64) << (egress as u32 % u64::BITS))
}

/// Where a pair's bit stands among the [`WORDS`] of the map. `None`: a slot that cannot be.
#[inline]
pub const fn cell(ingress: u16, egress: u16) -> Option<(usize, u64)> {
    let (word, mask) = bit(egress);
    if mask == 0 || ingress as u32 >= MAX_PORTS {
        return None;
    }
    Some((ingress as usize * ROW_WORDS + word, mask))
}
