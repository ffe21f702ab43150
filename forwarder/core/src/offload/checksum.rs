//! The Internet checksum over chains of buffers, and the completion of partial checksums.
//!
//! A sender with checksum offload leaves the folded sum of the pseudo-header in the L4 checksum field.
//! Invariant: completion is correct whether the field was partial or only looked so. If a correct frame's
//! checksum happens to equal its pseudo-header sum P, then the rest sums to -2P, and completing it gives
//! -(-2P + P) = P again.

use super::headers::{Layout, Proto, be16, put16};

/// A ones' complement sum over bytes that arrive in pieces of any length, including odd ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The sum of 16-bit words as they are in memory: the byte order is converted once, when folding.
    words: u64,
    /// An odd number of bytes was added: the next byte is the low half of a word.
    odd: bool,
}

impl Sum {
    /// Adds the bytes that follow those added before.
    pub fn add(&mut self, bytes: &[u8]) {
        let part = fold64(sum_words(bytes));
        let part = if self.odd { part.swap_bytes() } else { part };
        // Each call adds at most 0xffff: no frame is cut into 2^48 pieces.
        self.words = self.words.wrapping_add(u64::from(part));
        self.odd ^= bytes.len() & 1 == 1;
    }

    /// Adds a 16-bit number, as if its bytes in network order followed at an even offset.
    pub fn add_u16(&mut self, value: u16) {
        self.words = self.words.wrapping_add(u64::from(value.to_be()));
    }

    /// The folded sum as a number, which is what a partial checksum field holds.
    pub fn fold(&self) -> u16 {
        u16::from_be(fold64(self.words))
    }

    /// The checksum: the complement of the folded sum.
    pub fn checksum(&self) -> u16 {
        !self.fold()
    }
}

fn sum_words(bytes: &[u8]) -> u64 {
    // The halves of 64-bit words are summed in separate lanes. There is no carry to propagate, so the
    // compiler can use vectors. A lane can add 2^32 halves before it overflows.
    let mut lanes = [0_u64; 8];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, half) in lanes.iter_mut().zip(block.chunks_exact(4)) {
            let half: [u8; 4] = half.try_into().unwrap_or([0; 4]);
            *lane += u64::from(u32::from_ne_bytes(half));
        }
    }
    let mut total = lanes.iter().sum::<u64>();
    let mut words = blocks.remainder().chunks_exact(2);
    for word in &mut words {
        let word: [u8; 2] = word.try_into().unwrap_or([0; 2]);
        total += u64::from(u16::from_ne_bytes(word));
    }
    if let [last] = words.remainder() {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

const fn fold64(sum: u64) -> u16 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    sum as u16
}

/// The pseudo-header of the frame that begins with `first`, for an L4 part of `l4_len` bytes.
#[must_use]
pub fn pseudo(first: &[u8], layout: &Layout, l4_len: u16) -> Option<Sum> {
    let l3 = usize::from(layout.l3_off);
    // Source and destination are adjacent.
    let addresses = if layout.v6 { l3 + 8..l3 + 40 } else { l3 + 12..l3 + 20 };
    let mut sum = Sum::default();
    sum.add(first.get(addresses)?);
    sum.add_u16(u16::from(layout.proto.number()));
    sum.add_u16(l4_len);
    Some(sum)
}

/// Whether the checksum field holds only the sum of the pseudo-header.
pub fn is_partial(first: &[u8], layout: &Layout) -> bool {
    pseudo(first, layout, layout.l4_len).map(|sum| sum.fold()) == be16(first, layout.checksum_at())
}

/// Completes a partial checksum in place. Returns `false` if nothing changed: it was not partial, or the
/// frame is shorter than its headers say. The chunks are those of the chain in order, with all headers in the
/// first.
pub fn complete(chunks: &mut [&mut [u8]], layout: &Layout) -> bool {
    let Some((first, rest)) = chunks.split_first_mut() else { return false };
    if !is_partial(first, layout) {
        return false;
    }
    // The field already holds the pseudo-header's sum, so summing the L4 part is enough.
    let rest = rest.iter().map(|chunk| &**chunk);
    let Some(sum) = sum_l4(first, rest, layout, Sum::default()) else { return false };
    // Zero and 0xffff mean the same sum, but zero means "none" for UDP. The kernel writes 0xffff for TCP as
    // well when it completes a frame, and a correct frame with 0xffff must stay as it is.
    let checksum = if sum.checksum() == 0 { 0xffff } else { sum.checksum() };
    put16(first, layout.checksum_at(), checksum).is_some()
}

/// Whether the frame's checksum is correct (or absent, where IPv4 UDP allows that).
pub fn verify<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, layout: &Layout) -> bool {
    let mut chunks = chunks.into_iter();
    let Some(first) = chunks.next() else { return false };
    if layout.proto == Proto::Udp && be16(first, layout.checksum_at()) == Some(0) {
        return !layout.v6;
    }
    let start = pseudo(first, layout, layout.l4_len);
    let sum = start.and_then(|start| sum_l4(first, chunks, layout, start));
    sum.is_some_and(|sum| sum.fold() == 0xffff)
}

/// Makes the checksum partial, whatever it was. A superframe needs this before it is handed to the kernel
/// with `NEEDS_CSUM`. `l4_len` counts from the L4 header to the end of the frame.
#[must_use]
pub fn make_partial(first: &mut [u8], layout: &Layout, l4_len: u16) -> Option<()> {
    let sum = pseudo(first, layout, l4_len)?;
    put16(first, layout.checksum_at(), sum.fold())
}

/// `None`: the chunks end before the L4 part does.
fn sum_l4<'a>(
    first: &'a [u8],
    rest: impl Iterator<Item = &'a [u8]>,
    layout: &Layout,
    start: Sum,
) -> Option<Sum> {
    let mut sum = start;
    let mut left = usize::from(layout.l4_len);
    let head = first.get(usize::from(layout.l4_off)..)?;
    for chunk in std::iter::once(head).chain(rest) {
        let covered = chunk.get(..left).unwrap_or(chunk);
        sum.add(covered);
        left -= covered.len();
        if left == 0 {
            return Some(sum);
        }
    }
    None
}
