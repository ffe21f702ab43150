//! The arrivals of one flow, classified by their numbers alone: new, duplicate, out of order (RFC
//! 4737), late.
//!
//! Invariant: every arrival is exactly one of `unique`, `duplicates` and `late`; `unique + lost` is the
//! number sent. A number more than [`WINDOW`] behind the newest is `late` and counts as lost: whether
//! it came before is not remembered. At most 12 KiB a flow.

use std::collections::VecDeque;

/// How far back a duplicate is recognized.
pub const WINDOW: u64 = 1 << 16;
const WORD: u64 = u64::BITS as u64;
/// In-order arrivals remembered for the extent of a reordering; a longer one counts as this long.
pub const LONGEST_EXTENT: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct Sequence {
    /// A ring: the bit of number n is n modulo the window. Grows with the numbers, to the window.
    seen: Vec<u64>,
    /// One above the highest: RFC 4737's NextExp.
    next: u64,
    /// Arrivals in order, with their place among all new ones; numbers and places both rise.
    in_order: VecDeque<(u64, u64)>,
    pub unique: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub late: u64,
    /// The extent of a reordering: how many new arrivals lie between it and the first higher number.
    pub largest_extent: u64,
}

impl Sequence {
    /// Takes a number below `u64::MAX`; returns whether it is new.
    pub fn take(&mut self, number: u64) -> bool {
        if number >= self.next {
            self.advance(number);
            self.in_order.push_back((number, self.unique));
            if self.in_order.len() > LONGEST_EXTENT {
                self.in_order.pop_front();
            }
            self.unique += 1;
            return true;
        }
        if self.next - number > WINDOW {
            self.late += 1;
            return false;
        }
        if !self.mark(number) {
            self.duplicates += 1;
            return false;
        }
        let first_higher = self.in_order.partition_point(|(earlier, _)| *earlier < number);
        let place = self.in_order.get(first_higher).map_or(self.unique, |(_, place)| *place);
        self.largest_extent = self.largest_extent.max(self.unique - place);
        self.unique += 1;
        self.reordered += 1;
        true
    }

    /// The missing numbers among `sent`; if that is unknown, among those below the highest.
    pub fn lost(&self, sent: Option<u64>) -> u64 {
        self.expected(sent) - self.unique
    }

    pub fn expected(&self, sent: Option<u64>) -> u64 {
        sent.unwrap_or(0).max(self.next)
    }

    /// Clears the bits of the numbers between the highest and this one, which are a window old.
    fn advance(&mut self, number: u64) {
        let slots = WINDOW.min(number - self.next + 1);
        for n in number + 1 - slots..=number {
            let (word, bit) = place(n);
            if let Some(word) = self.seen.get_mut(word) {
                *word &= !bit;
            }
        }
        self.next = number + 1;
        self.mark(number);
    }

    /// Marks a number; returns whether it was unmarked before.
    fn mark(&mut self, number: u64) -> bool {
        let (word, bit) = place(number);
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(word) = self.seen.get_mut(word) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

fn place(number: u64) -> (usize, u64) {
    let slot = number % WINDOW;
    ((slot / WORD) as usize, 1 << (slot % WORD))
}

#[cfg(test)]
mod tests;
