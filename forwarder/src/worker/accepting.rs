//! Containers that other workers hand over: they are queued here or returned.
//!
//! Invariant: an emptied container is returned to the worker that filled it.

use weir_core::{Container, Reason};
use weir_port::{Packet, Port};

use super::state::Worker;

/// The most containers taken from one other worker in a turn.
const HANDED: usize = 64;

impl<P: Port> Worker<P> {
    /// Takes the containers that other workers have for ports served here. Returns true if there were any.
    pub(super) fn take_over(&mut self, now_ns: u64) -> bool {
        let mut came = false;
        for other in self.peers.others() {
            for _ in 0..HANDED {
                let Some(mut container) = self.peers.take_over(other) else { break };
                came = true;
                for packet in container.iter_mut() {
                    self.measure.taken_over(now_ns, packet, &self.pool);
                }
                let (engine, egress) = (&mut self.engine, container.egress());
                self.doors.links.enter(egress, |until_ns| engine.occupy(egress, until_ns));
                if let Err((container, reason)) = self.engine.accept(now_ns, container) {
                    self.refuse(now_ns, container, reason);
                }
            }
            while let Some(empty) = self.peers.returned(other) {
                self.engine.recycle(empty);
            }
        }
        came
    }

    /// Ends the packets of a container that another worker filled and that cannot be queued here.
    #[cold]
    pub(super) fn refuse(&mut self, now_ns: u64, mut container: Container<Packet>, reason: Reason) {
        let lost = self.measure.lose_all(&mut self.pool, now_ns, &mut container, reason);
        self.remotes.lose(container.ingress(), reason, lost);
        self.remotes.recycle(&mut self.engine, &mut self.peers, container);
    }
}
