//! Residence histograms as bare counts, of the shape that `latency::histogram` has.
//!
//! A histogram of the library takes 12 KB, all of which are written when it is made. Here all counts of all
//! rows are one piece of zeroed memory. The kernel provides it page by page as it is touched, a row takes a
//! part of it only when it needs one, and adding up and clearing is a plain loop.
//!
//! A line of sixteen bins of a part is one cache line, and the same line of all parts is contiguous. Most
//! times are similar, so a thousand flows touch a few hundred pages. If all bins of a part were contiguous,
//! each flow would touch a page or more, which no TLB holds.
//!
//! Invariant: a part that is not in use is all zeroes, and there are as many parts as rows.

use crate::latency::{BINS, Bin, Counts};

/// Names a part.
pub(super) type Part = u16;

/// Bins in a line.
const LINE: usize = 16;
const LINES: usize = BINS / LINE;
const _: () = assert!(BINS.is_multiple_of(LINE), "lines are whole");

pub(super) struct Bins {
    /// Ordered by line, then part, then bin, from `first` on, which is aligned to a cache line.
    counts: Box<[u32]>,
    first: usize,
    parts: usize,
    /// Lines in which anything was ever counted: all other lines are zero in every part.
    used: [bool; LINES],
    /// Parts given back; never more than there are parts, so the vector never grows. The last one is taken
    /// first: no more memory is ever touched than was in use at once.
    free: Vec<Part>,
    /// How many parts were ever taken.
    pub(super) touched: usize,
}

impl Bins {
    pub(super) fn new(parts: usize) -> Self {
        let counts = vec![0_u32; parts * BINS + LINE].into_boxed_slice();
        Self {
            first: counts.as_ptr().align_offset(LINE * size_of::<u32>()).min(LINE),
            counts,
            parts,
            used: [false; LINES],
            free: Vec::with_capacity(parts),
            touched: 0,
        }
    }

    /// Takes a part in which all counts are 0.
    pub(super) fn take(&mut self) -> Option<Part> {
        self.free.pop().or_else(|| {
            let fresh = Part::try_from(self.touched).ok()?;
            self.touched += 1;
            Some(fresh)
        })
    }

    /// Takes a part back. Adds its counts to `sum`, or discards them if that is `None`.
    pub(super) fn give(&mut self, part: Part, sum: Option<&mut Counts>) {
        match sum {
            Some(sum) => self.pour(part, sum),
            None => self.each_line(part, |_, counts| counts.fill(0)),
        }
        self.free.push(part);
    }

    /// Counts a time; false if the bin is full.
    #[inline]
    #[must_use]
    pub(super) fn record(&mut self, part: Part, Bin(bin): Bin) -> bool {
        let line = bin / LINE;
        if let Some(used) = self.used.get_mut(line) {
            *used = true;
        }
        let place = self.place(line, part) + bin % LINE;
        match self.counts.get_mut(place) {
            Some(count) if *count < u32::MAX => {
                *count += 1;
                true
            }
            _ => false,
        }
    }

    /// Moves the counts of a part to a sum.
    pub(super) fn pour(&mut self, part: Part, sum: &mut Counts) {
        self.each_line(part, |line, counts| {
            for (bin, count) in (line * LINE..).zip(counts.iter_mut()) {
                match std::mem::take(count) {
                    0 => {}
                    count => sum.add(Bin(bin), count.into()),
                }
            }
        });
    }

    #[inline]
    fn place(&self, line: usize, part: Part) -> usize {
        self.first + (line * self.parts + usize::from(part)) * LINE
    }

    fn each_line(&mut self, part: Part, mut each: impl FnMut(usize, &mut [u32])) {
        for line in 0..LINES {
            let from = self.place(line, part);
            if self.used.get(line) == Some(&true)
                && let Some(counts) = self.counts.get_mut(from..from + LINE)
            {
                each(line, counts);
            }
        }
    }

    /// Allocates: cold.
    pub(super) fn part(&self, part: Part) -> Vec<u32> {
        let mut all = vec![0; BINS];
        for (line, mine) in all.chunks_exact_mut(LINE).enumerate() {
            let from = self.place(line, part);
            if self.used.get(line) == Some(&true)
                && let Some(counts) = self.counts.get(from..from + LINE)
            {
                mine.copy_from_slice(counts);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
