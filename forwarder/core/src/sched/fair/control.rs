//! Changes of settings while the scheduler runs. Cold. Invariant: nothing queued moves.

use super::{Fair, Measure};
use crate::{Packet, PortId, Share};

impl<P: Packet, M: Measure> Fair<P, M> {
    /// Applies a new share. The cap itself is in `Caps` and must be changed before this is called.
    pub(super) fn change_share(&mut self, now: u64, id: PortId, share: &Share) {
        if self.queues.vif(id).is_none() {
            if *share == Share::default() {
                return;
            }
            self.queues.make(id);
        }
        let Some(vif) = self.queues.vif_mut(id) else { return };
        let virtual_now = self.mean.now();
        let competes = self.competing.contains(id);
        if competes {
            self.mean.remove(vif.tag, vif.weight);
        }
        vif.change(now, virtual_now, share);
        if competes {
            self.mean.add(vif.tag, vif.weight);
        }
        if vif.has_min() && (competes || self.ahead.contains(id)) {
            self.promised.insert(id);
        } else {
            self.promised.remove(id);
        }
        if self.aside.contains(id) {
            // The cap may be higher now.
            self.look_again(id);
        }
        self.see_head(id);
    }
}
