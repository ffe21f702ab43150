//! What changed in the table, noted for whoever keeps a copy. Invariant: a copy that has applied all
//! that [`Fdb::take_changes`] gave holds the same addresses behind the same ports as the table, aged
//! ones that are not yet collected included.
//!
//! What is noted is the address, once however often it changes, and what became of it is read when
//! the changes are taken; so two guests that quarrel over an address fill one place. Past
//! [`Fdb::JOURNAL`] addresses the whole table is given instead.

use super::{Fdb, Found, Slot, VLAN_MASK, mac_of};
use crate::{Mac, PortId};

/// What changed in the table, for whoever keeps a copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FdbChange {
    /// New, moved, or heard again after a good part of the time it would be kept without.
    Known {
        mac: Mac,
        vlan: u16,
        port: PortId,
    },
    Forgotten {
        mac: Mac,
        vlan: u16,
    },
}

impl Fdb {
    /// Addresses whose changes are remembered until they are taken.
    pub const JOURNAL: usize = 1024;

    /// What is in this slot has changed.
    #[inline]
    pub(super) fn note(&mut self, at: usize) {
        if self.overflowed {
            return;
        }
        let Some(slot) = self.slots.get_mut(at).filter(|slot| !slot.noted) else { return };
        if self.journal.len() < Self::JOURNAL {
            slot.noted = true;
            self.journal.push(slot.key);
        } else {
            self.overflowed = true;
        }
    }

    /// Appends what changed since the last call. True: more than could be noted, and what was
    /// appended is the whole table; whatever else a copy holds is gone.
    pub fn take_changes(&mut self, out: &mut Vec<FdbChange>) -> bool {
        if !self.overflowed {
            for nth in 0..self.journal.len() {
                let Some(&key) = self.journal.get(nth) else { break };
                out.push(match self.find(key) {
                    Found::At(at) => match self.slots.get_mut(at) {
                        Some(slot) => {
                            slot.noted = false;
                            slot.known()
                        }
                        None => forgotten(key),
                    },
                    Found::Free(_) | Found::Nowhere => forgotten(key),
                });
            }
            self.journal.clear();
            return false;
        }
        self.overflowed = false;
        self.journal.clear();
        out.reserve(self.len);
        for slot in self.slots.iter_mut().filter(|slot| slot.key != 0) {
            slot.noted = false;
            out.push(slot.known());
        }
        true
    }
}

impl Slot {
    fn known(&self) -> FdbChange {
        FdbChange::Known {
            mac: mac_of(self.key),
            vlan: self.key as u16 & VLAN_MASK,
            port: self.port,
        }
    }
}

fn forgotten(key: u64) -> FdbChange {
    FdbChange::Forgotten { mac: mac_of(key), vlan: key as u16 & VLAN_MASK }
}

/// Whether copies must hear of an address again that was heard at `seen_ns` and is now, lest they
/// forget it: once in each quarter of the ageing time at least. Time is cut into pieces of the
/// largest power of two in that quarter, at another place for each address, so that they are not
/// all due at once; two times in one piece are less than a quarter apart.
#[inline]
pub(super) fn stale(key: u64, seen_ns: u64, now: u64, ageing_ns: u64) -> bool {
    let shift = 61_u32.saturating_sub(ageing_ns.leading_zeros());
    let offset = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (seen_ns.wrapping_add(offset) ^ now.wrapping_add(offset)) >> shift != 0
}
