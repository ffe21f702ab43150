//! The shed bits: which source may not send to which link. Invariant: workers own the bits and reach
//! them through [`Steering::shed`]. This module only clears bits of a slot that belongs to no port, each
//! by an atomic write, since a worker may be changing the bits beside it.

use std::sync::atomic::Ordering;

use weir_abi::{MAX_PORTS, shed};

use super::Steering;

impl Steering {
    /// Clears the bits of a slot, both as source and as link. Workers clear the bits they set, so there
    /// should be none; a leftover bit would silence the slot's next port for no reason.
    pub(super) fn clear_shed(&self, slot: u16) {
        let clear = |ingress: u16, egress: u16| {
            let Some((word, mask)) = shed::cell(ingress, egress) else { return };
            // Most bits are clear, and writing each of them would take the cache line from the worker
            // that writes beside it.
            let word = self.shed.get(word);
            if let Some(word) = word.filter(|word| word.load(Ordering::Relaxed) & mask != 0) {
                word.fetch_and(!mask, Ordering::Relaxed);
            }
        };
        for other in 0..MAX_PORTS as u16 {
            clear(slot, other);
            clear(other, slot);
        }
    }
}
