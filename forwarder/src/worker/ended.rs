//! Tells the gate how many of a source's frames have come to their end: the kernel has taken them, or they
//! are lost. A source none of whose frames are under way may use the express lane.
//!
//! Invariant: never more than came, and as many as came once none is left. Any worker may add, for a packet
//! can end at another than it came to.

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

    /// So many packets of the source are delivered, or lost.
    #[inline]
    pub(super) fn add(&self, source: PortId, packets: u64) {
        let Some(word) = self.home.get(source.index() * STRIDE + home::DONE) else {
            return broken!("a source has no word for what has come to its end");
        };
        word.fetch_add(packets, Ordering::Release);
    }

    /// So many more will end than came: pieces of a superframe, told before any of them ends.
    #[inline]
    pub(super) fn expect(&self, source: PortId, more: u64) {
        self.add(source, more.wrapping_neg());
    }
}
