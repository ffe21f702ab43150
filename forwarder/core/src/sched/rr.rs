//! FIFO per vif, round robin over the vifs that have something, one container a turn, unshaped:
//! for what is handed over to another worker, whose scheduler does the sharing.
//! Invariant: between two turns of a vif that waits every other vif has at most one.
//!
//! Two vifs that both wait thus get the same bytes within two full containers. It knows no weights
//! and no rates, and vifs whose containers differ in size get shares in proportion to those sizes.

use super::queues::{Pushed, Queues};
use super::{Next, Scheduler};
use crate::{Container, MAX_PORTS, Packet, PortId, PortSet, Rate, Share};

#[derive(Debug)]
pub struct RoundRobin<P> {
    queues: Queues<P>,
    /// Where to look first.
    turn: PortId,
}

impl<P: Packet> Default for RoundRobin<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Packet> RoundRobin<P> {
    #[must_use]
    pub fn new() -> Self {
        Self { queues: Queues::new(), turn: PortId(0) }
    }

    /// The ingress ports that wait here.
    #[must_use]
    pub fn ready(&self) -> PortSet {
        *self.queues.ready()
    }
}

impl<P: Packet> Scheduler<P> for RoundRobin<P> {
    #[inline]
    fn enqueue(&mut self, _now: u64, container: Container<P>, join: bool) -> Option<Container<P>> {
        match self.queues.push(container, join) {
            Pushed::First | Pushed::Behind => None,
            Pushed::Joined { emptied, .. } | Pushed::Refused(emptied) => Some(emptied),
        }
    }

    #[inline]
    fn next(&mut self, _now: u64) -> Next<P> {
        let Some(vif) = self.queues.ready().next_from(self.turn) else {
            return Next::Empty;
        };
        match self.queues.pop(vif) {
            Some(container) => {
                self.turn = PortId((vif.0 + 1) % MAX_PORTS as u16);
                Next::Container(container)
            }
            None => Next::Empty,
        }
    }

    #[inline]
    fn put_back(&mut self, _now: u64, container: Container<P>) {
        let vif = container.ingress();
        if self.queues.push_front(container) {
            self.turn = vif;
        }
    }

    fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        self.queues.pop(ingress)
    }

    fn drain(&mut self) -> Option<Container<P>> {
        let vif = self.queues.ready().first()?;
        self.queues.pop(vif)
    }

    /// Shares are kept where the link is.
    fn set_share(&mut self, _now: u64, _ingress: PortId, _share: &Share) {}

    fn forget(&mut self, ingress: PortId) {
        self.queues.forget(ingress);
    }

    fn memory(&self) -> usize {
        self.queues.memory()
    }

    /// So is its rate.
    fn set_link_rate(&mut self, _now: u64, _rate: Option<Rate>) {}

    #[inline]
    fn backlog_bytes(&self) -> u64 {
        self.queues.bytes()
    }

    #[inline]
    fn backlog_packets(&self) -> u64 {
        self.queues.packets()
    }

    #[inline]
    fn opens_at(&self, _now: u64) -> u64 {
        0
    }

    /// It has no rate.
    fn occupy(&mut self, _until: u64) {}

    fn charge_passing(&mut self, _now: u64, _bytes: u64, _ahead_ns: u64) {}
}

#[cfg(test)]
mod tests {
    use super::super::testing::{container, next};
    use super::*;

    #[test]
    fn takes_turns() {
        let mut rr = RoundRobin::new();
        for vif in [3, 200, 3, 0, 3] {
            assert!(rr.enqueue(0, container(vif, &[4000]), true).is_none());
        }
        assert_eq!((rr.backlog_bytes(), rr.backlog_packets()), (20_000, 5));
        let order: Vec<_> = std::iter::from_fn(|| next(&mut rr, 0)).map(|(vif, _)| vif).collect();
        assert_eq!(order, [0, 3, 200, 3, 3]);
        assert_eq!((rr.backlog_bytes(), rr.backlog_packets()), (0, 0));
        assert!(rr.ready().is_empty());
    }

    #[test]
    fn joins_what_fits_at_the_tail() {
        let mut rr = RoundRobin::new();
        assert!(rr.enqueue(0, container(1, &[100]), true).is_none());
        let empty = rr.enqueue(0, container(1, &[100, 100]), true).unwrap();
        assert!(empty.is_empty());
        assert!(rr.enqueue(0, container(1, &[4000]), true).is_none());
        assert_eq!(rr.backlog_bytes(), 4300);
        assert_eq!(next(&mut rr, 0), Some((1, 3)));
        assert_eq!(next(&mut rr, 0), Some((1, 1)));
        assert_eq!(next(&mut rr, 0), None);
    }

    #[test]
    fn a_container_put_back_keeps_its_turn() {
        let mut rr = RoundRobin::new();
        for vif in [1, 2, 1] {
            assert!(rr.enqueue(0, container(vif, &[3000, 1000]), true).is_none());
        }
        let Next::Container(mut c) = rr.next(0) else { panic!("empty") };
        assert_eq!(c.ingress(), PortId(1));
        c.pop();
        rr.put_back(0, c);
        assert_eq!(next(&mut rr, 0), Some((1, 1)));
        assert_eq!(next(&mut rr, 0), Some((2, 2)));
        assert_eq!(next(&mut rr, 0), Some((1, 2)));
    }

    #[test]
    fn one_vif_can_be_taken_out() {
        let mut rr = RoundRobin::new();
        for vif in [1, 2, 1] {
            assert!(rr.enqueue(0, container(vif, &[4000]), true).is_none());
        }
        assert!(rr.take(PortId(1)).is_some() && rr.take(PortId(1)).is_some());
        assert!(rr.take(PortId(1)).is_none());
        assert_eq!(rr.backlog_packets(), 1);
        assert_eq!(rr.drain().map(|c| c.ingress()), Some(PortId(2)));
        assert!(rr.drain().is_none());
    }
}
