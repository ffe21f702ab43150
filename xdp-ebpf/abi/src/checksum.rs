//! Internet-checksum arithmetic on numbers, shared by the parser and the program.
//! Invariant: all sums are of big-endian words read as numbers, so results compare directly with
//! what [`Bytes::be16`](crate::Bytes::be16) reads from the checksum field.

/// Folds a sum of 16- and 32-bit words to 16 bits, not complemented. Zero only for a zero sum.
#[inline(always)]
pub const fn fold(sum: u64) -> u16 {
    let s = (sum & 0xffff_ffff) + (sum >> 32);
    let s = (s & 0xffff) + (s >> 16);
    let s = (s & 0xffff) + (s >> 16);
    let s = (s & 0xffff) + (s >> 16);
    s as u16
}

/// Folded sum of the IPv4 pseudo-header: what a guest leaves in the checksum field for the
/// device to complete.
#[inline(always)]
pub const fn pseudo_sum_v4(src: u32, dst: u32, proto: u8, l4_len: u32) -> u16 {
    fold(src as u64 + dst as u64 + proto as u64 + l4_len as u64)
}

/// Likewise for IPv6; addresses as two numbers each, high half first.
#[inline(always)]
pub const fn pseudo_sum_v6(src: [u64; 2], dst: [u64; 2], proto: u8, l4_len: u32) -> u16 {
    let addresses = halves(src[0]) + halves(src[1]) + halves(dst[0]) + halves(dst[1]);
    fold(addresses + proto as u64 + l4_len as u64)
}

#[inline(always)]
const fn halves(x: u64) -> u64 {
    (x >> 32) + (x & 0xffff_ffff)
}
