//! Finds rows by key. A bucket of eight ways is one cache line, and a look-up reads one bucket.
//!
//! There is a bucket for every row. So even with all rows in use about one way of eight is taken, and about
//! one flow in a million meets a full bucket. The program's hash is not used, for two reasons: guests can
//! predict it and deliberately fill one bucket, and it does not distinguish everything that a key does. The
//! hash here depends on secrets.
//!
//! Invariant: a row is in at most one way.

use super::PackedKey;

const WAYS: usize = 8;
const SHIFT: u32 = WAYS.ilog2();

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Bucket {
    /// 0 if the way is empty.
    tags: [u32; WAYS],
    rows: [u16; WAYS],
}

const EMPTY: Bucket = Bucket { tags: [0; WAYS], rows: [0; WAYS] };

pub(super) struct Index {
    buckets: Box<[Bucket]>,
    secrets: [u64; 7],
}

/// A flow's bucket, and the tag that distinguishes it there.
#[derive(Clone, Copy)]
pub(super) struct Home {
    pub(super) bucket: usize,
    tag: u32,
}

/// A way of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Way(u32);

impl Index {
    pub(super) const BYTES_PER_ROW: usize = size_of::<Bucket>();

    pub(super) fn new(rows: usize, seed: u64) -> Self {
        let mut state = seed;
        let secrets = std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            fold(state ^ state >> 32, 0xd6e8_feb8_6659_fd93) ^ state
        });
        Self { buckets: vec![EMPTY; rows].into_boxed_slice(), secrets }
    }

    /// Computes three independent products and combines them with a fourth. A single product would map
    /// consecutive addresses to evenly spaced values, which may fall into few buckets.
    #[inline]
    pub(super) fn home(&self, key: &PackedKey) -> Home {
        let [a, b, c, d, e, f, last] = self.secrets;
        let secrets = [[a, b], [c, d], [e, f]];
        let mixed = key
            .words()
            .into_iter()
            .zip(secrets)
            .fold(0, |mixed, ([x, y], [a, b])| mixed ^ fold(x ^ a, y ^ b));
        let mixed = fold(mixed, last | 1);
        let bucket = ((mixed >> 32) * self.buckets.len() as u64) >> 32;
        Home { bucket: bucket as usize, tag: mixed as u32 | 1 }
    }

    /// The rows that may belong to the flow, hardly ever more than one.
    #[inline]
    pub(super) fn candidates(&self, home: Home) -> impl Iterator<Item = usize> + '_ {
        let bucket = self.buckets.get(home.bucket).unwrap_or(&EMPTY);
        let mut found = 0u32;
        for (way, tag) in bucket.tags.iter().enumerate() {
            found |= u32::from(*tag == home.tag) << way;
        }
        std::iter::from_fn(move || {
            let way = found.trailing_zeros() as usize;
            found &= found.wrapping_sub(1);
            bucket.rows.get(way).map(|row| usize::from(*row))
        })
    }

    /// An empty way of the bucket.
    pub(super) fn vacant(&self, home: Home) -> Option<Way> {
        let bucket = self.buckets.get(home.bucket)?;
        let way = bucket.tags.iter().position(|tag| *tag == 0)?;
        Some(Way((home.bucket << SHIFT | way) as u32))
    }

    /// All rows in the bucket.
    pub(super) fn neighbours(&self, home: Home) -> [Option<usize>; WAYS] {
        let bucket = self.buckets.get(home.bucket).unwrap_or(&EMPTY);
        let mut rows = bucket.tags.iter().zip(bucket.rows);
        std::array::from_fn(|_| {
            rows.next().and_then(|(tag, row)| (*tag != 0).then_some(usize::from(row)))
        })
    }

    pub(super) fn put(&mut self, way: Way, home: Home, row: u16) {
        self.write(way, home.tag, row);
    }

    pub(super) fn clear(&mut self, way: Way) {
        self.write(way, 0, 0);
    }

    fn write(&mut self, at: Way, tag: u32, row: u16) {
        let (bucket, way) = ((at.0 >> SHIFT) as usize, at.0 as usize % WAYS);
        if let Some(bucket) = self.buckets.get_mut(bucket)
            && let (Some(tags), Some(rows)) = (bucket.tags.get_mut(way), bucket.rows.get_mut(way))
        {
            *tags = tag;
            *rows = row;
        }
    }
}

/// Every bit of both inputs affects every bit of the result, through the low or the high half of the product.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}
