//! What the programs shed by: the bits of who may not send to whom.
//! Invariant: the bits are the workers', who reach them through [`Steering::shed_bits`]; here they
//! are only cleared, of a slot that belongs to no port, each by an atomic write: a worker may be
//! changing the bits beside it.

use std::sync::atomic::Ordering;

use weir_abi::{MAX_PORTS, shed};
use weir_port::Cells;

use super::Steering;

/// Clears what is shed from a slot and for it.
fn clear(bits: &Cells, slot: u16) {
    let clear = |ingress: u16, egress: u16| {
        let Some((word, mask)) = shed::cell(ingress, egress) else { return };
        // Most bits are clear, and a write to each would take the line from who writes beside it.
        if let Some(word) = bits.get(word).filter(|word| word.load(Ordering::Relaxed) & mask != 0) {
            word.fetch_and(!mask, Ordering::Relaxed);
        }
    };
    for other in 0..MAX_PORTS as u16 {
        clear(slot, other);
        clear(other, slot);
    }
}

impl Steering {
    /// The bits, [`shed::WORDS`] words; [`shed::cell`] says which is whose.
    pub fn shed_bits(&self) -> Cells {
        self.shed.clone()
    }

    /// Clears what is shed from a slot and for it. Workers clear the bits they set, so there should
    /// be none; one left behind would silence the slot's next port for no reason.
    pub(super) fn clear_shed(&self, slot: u16) {
        clear(&self.shed, slot);
    }
}
