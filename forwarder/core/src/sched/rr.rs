//! FIFO per vif, and round robin over the vifs that wait, one container a turn, unshaped. It is used for what
//! is handed over to another worker, whose scheduler does the sharing. Invariant: between two turns of a vif
//! that waits every other vif has at most one.
//!
//! So two vifs that both wait get the same bytes to within two full containers. It has no weights and no
//! rates, and vifs whose containers differ in size get shares in proportion to those sizes.

use super::Next;
use super::queues::{Pushed, Queues};
use crate::{Container, MAX_PORTS, Packet, PortId, broken};

#[derive(Debug)]
pub struct RoundRobin<P> {
    queues: Queues<P>,
    /// The vif to check first.
    turn: PortId,
}

impl<P: Packet> Default for RoundRobin<P> {
    fn default() -> Self {
        Self { queues: Queues::new(), turn: PortId(0) }
    }
}

impl<P: Packet> RoundRobin<P> {
    #[inline]
    pub(super) fn enqueue(
        &mut self,
        _now: u64,
        container: Container<P>,
        join: bool,
    ) -> Option<Container<P>> {
        match self.queues.push(container, join) {
            Pushed::First | Pushed::Behind => None,
            Pushed::Returned { container, .. } => Some(container),
        }
    }

    #[inline]
    pub(super) fn next(&mut self, _now: u64) -> Next<P> {
        let Some(vif) = self.queues.ready().next_from(self.turn) else { return Next::Empty };
        let Some(container) = self.queues.pop(vif) else {
            broken!("a vif is ready and nothing is queued for it");
            return Next::Empty;
        };
        self.turn = PortId((vif.0 + 1) % MAX_PORTS as u16);
        Next::Container(container)
    }

    #[inline]
    pub(super) fn put_back(&mut self, _now: u64, container: Container<P>) {
        let vif = container.ingress();
        if self.queues.push_front(container) {
            self.turn = vif;
        }
    }

    pub(super) fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        self.queues.pop(ingress)
    }

    pub(super) fn drain(&mut self) -> Option<Container<P>> {
        let vif = self.queues.ready().first()?;
        self.queues.pop(vif)
    }

    pub(super) fn forget(&mut self, ingress: PortId) {
        self.queues.forget(ingress);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queues.ready().is_empty()
    }
}

#[cfg(test)]
mod tests;
