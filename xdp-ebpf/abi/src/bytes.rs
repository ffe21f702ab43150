//! How the parser looks at a frame: bounds-checked big-endian reads at an offset.
//! Invariant: a read beyond what is there is `None`, never a panic.

/// A frame as the parser sees it. Reads reach the linear part (the first buffer of a chain), where
/// all headers are; [`Bytes::len`] is the whole frame, against which declared lengths are checked.
pub trait Bytes {
    /// Length of the whole frame, all buffers of its chain.
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn u8(&self, off: usize) -> Option<u8>;
    fn be16(&self, off: usize) -> Option<u16>;
    fn be32(&self, off: usize) -> Option<u32>;
    fn be64(&self, off: usize) -> Option<u64>;
    /// Six bytes as the low 48 bits of a number: addresses compare in one instruction.
    #[inline(always)]
    fn be48(&self, off: usize) -> Option<u64> {
        let high = self.be32(off)?;
        let low = self.be16(off + 4)?;
        Some(u64::from(high) << 16 | u64::from(low))
    }
    /// Gives `n` back. The programs' own version hides from the verifier where `n` came from: otherwise it
    /// follows each combination of header lengths through all later code, and gives up.
    #[inline(always)]
    fn opaque(&self, n: u32) -> u32 {
        n
    }
    #[inline(always)]
    fn mac(&self, off: usize) -> Option<[u8; 6]> {
        self.be48(off).map(mac_bytes)
    }
}

/// The address whose number [`Bytes::be48`] gives.
#[inline(always)]
pub const fn mac_bytes(bits: u64) -> [u8; 6] {
    let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
    [a, b, c, d, e, f]
}

#[inline(always)]
fn array<const N: usize>(bytes: &[u8], off: usize) -> Option<[u8; N]> {
    bytes.get(off..)?.first_chunk::<N>().copied()
}

impl Bytes for [u8] {
    #[inline(always)]
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }
    #[inline(always)]
    fn u8(&self, off: usize) -> Option<u8> {
        self.get(off).copied()
    }
    #[inline(always)]
    fn be16(&self, off: usize) -> Option<u16> {
        array(self, off).map(u16::from_be_bytes)
    }
    #[inline(always)]
    fn be32(&self, off: usize) -> Option<u32> {
        array(self, off).map(u32::from_be_bytes)
    }
    #[inline(always)]
    fn be64(&self, off: usize) -> Option<u64> {
        array(self, off).map(u64::from_be_bytes)
    }
}

/// A view of other bytes: all reads go to those, but the whole frame may be longer.
pub trait Through {
    type Bytes: Bytes + ?Sized;
    fn bytes(&self) -> &Self::Bytes;
    #[inline(always)]
    fn whole_len(&self) -> usize {
        self.bytes().len()
    }
}

impl<T: Through> Bytes for T {
    #[inline(always)]
    fn len(&self) -> usize {
        self.whole_len()
    }
    #[inline(always)]
    fn u8(&self, off: usize) -> Option<u8> {
        self.bytes().u8(off)
    }
    #[inline(always)]
    fn be16(&self, off: usize) -> Option<u16> {
        self.bytes().be16(off)
    }
    #[inline(always)]
    fn be32(&self, off: usize) -> Option<u32> {
        self.bytes().be32(off)
    }
    #[inline(always)]
    fn be64(&self, off: usize) -> Option<u64> {
        self.bytes().be64(off)
    }
    #[inline(always)]
    fn opaque(&self, n: u32) -> u32 {
        self.bytes().opaque(n)
    }
}

impl<B: Bytes + ?Sized> Through for &B {
    type Bytes = B;
    #[inline(always)]
    fn bytes(&self) -> &B {
        self
    }
}

/// The first buffer of a longer frame.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    pub linear: &'a [u8],
    /// Length of the whole frame.
    pub len: usize,
}

impl Through for Head<'_> {
    type Bytes = [u8];
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self.linear
    }
    #[inline(always)]
    fn whole_len(&self) -> usize {
        self.len
    }
}
