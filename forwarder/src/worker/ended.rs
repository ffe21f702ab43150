//! Tells the gate how many of a source's frames have come to their end: the kernel has taken them, or they
//! are lost. A source that has no frames on their way may use the express lane.
//!
//! Invariant: the count never exceeds the frames that came, and equals them once none is left. Any worker may
//! add, because a packet can end at another worker than the one it came to.

use std::sync::atomic::Ordering;

use weir_abi::gate::home;
use weir_core::{PortId, broken};
use weir_port::Cells;

use weir_port::cells::STRIDE;

#[derive(Debug)]
pub(super) struct Ended {
    /// The map `GIVEN_BACK`.
    home: Cells,
}

impl Ended {
    pub(super) fn new(home: Cells) -> Self {
        Self { home }
    }

    /// Counts packets of the source that were delivered or lost.
    #[inline]
    pub(super) fn add(&self, source: PortId, packets: u64) {
        let Some(word) = self.home.get(source.index() * STRIDE + home::DONE) else {
            return broken!("a source has no word for what has come to its end");
        };
        word.fetch_add(packets, Ordering::Release);
    }

    /// Accounts for the pieces of a superframe, before any of them ends: `more` packets will end than came.
    #[inline]
    pub(super) fn expect(&self, source: PortId, more: u64) {
        self.add(source, more.wrapping_neg());
    }
}
