//! How much of a worker's receive ring is taken.
//! Invariant: the number of places that are believed to be taken is never less than the true one.

use weir_abi::gate::{home, out};

use crate::{
    GIVEN_BACK, TAKEN,
    tables::{read, word},
};

/// A source's or a queue's places in a ring. The number of places given back is in a cache line of the
/// worker's. It is read only when too few places seem free, and the gate keeps a copy: a look at every frame
/// would take the line from the worker's core each time. The copy is never more than the number itself.
pub(crate) struct Room {
    pub(crate) taken: *mut [u64; 8],
    back: *mut [u64; 8],
}

impl Room {
    #[inline(always)]
    pub(crate) fn of(index: u32) -> Option<Self> {
        Some(Self { taken: TAKEN.get_ptr_mut(index)?, back: GIVEN_BACK.get_ptr_mut(index)? })
    }

    #[inline(always)]
    pub(crate) fn held(&self) -> u64 {
        let held = read(self.taken, out::TAKEN).wrapping_sub(read(self.taken, out::SEEN_BACK));
        // More given back than taken: a correction of the worker's was a few frames ahead.
        if held >> 63 != 0 { 0 } else { held }
    }

    #[inline(always)]
    pub(crate) fn look(&self) {
        let back = read(self.back, home::BACK);
        // SAFETY: a word of the map's value.
        unsafe { word(self.taken, out::SEEN_BACK).write_volatile(back) };
    }
}
