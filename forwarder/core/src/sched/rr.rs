//! FIFO per vif, round robin over the vifs that have something, one container a turn.
//! Invariant: a vif's bit in `ready` is set exactly while its queue is not empty.
//!
//! Between two turns of a backlogged vif every other vif has at most one, so with full containers
//! the bytes two backlogged vifs got since both became so differ by at most two containers. It
//! does not know weights or rates, and vifs whose containers differ in size get shares in
//! proportion to those sizes.

use std::collections::VecDeque;

use super::{Next, Scheduler};
use crate::{Container, MAX_PORTS, Packet, PortId, PortSet};

#[derive(Debug)]
pub struct RoundRobin<P> {
    /// Indexed by the ingress port. An unused queue owns no memory.
    queues: Box<[VecDeque<Container<P>>]>,
    ready: PortSet,
    /// Where to look first.
    turn: PortId,
    bytes: u64,
    packets: u64,
}

impl<P: Packet> Default for RoundRobin<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P: Packet> RoundRobin<P> {
    #[must_use]
    pub fn new() -> Self {
        Self {
            queues: (0..MAX_PORTS).map(|_| VecDeque::new()).collect(),
            ready: PortSet::EMPTY,
            turn: PortId(0),
            bytes: 0,
            packets: 0,
        }
    }

    /// The ingress ports that wait here.
    #[must_use]
    pub fn ready(&self) -> PortSet {
        self.ready
    }

    #[inline]
    fn pop(&mut self, vif: PortId) -> Option<Container<P>> {
        let queue = self.queues.get_mut(vif.index())?;
        let container = queue.pop_front()?;
        if queue.is_empty() {
            self.ready.remove(vif);
        }
        self.bytes -= container.bytes();
        self.packets -= container.len() as u64;
        Some(container)
    }
}

impl<P: Packet> Scheduler<P> for RoundRobin<P> {
    #[inline]
    fn enqueue(&mut self, _now: u64, mut container: Container<P>) -> Option<Container<P>> {
        let vif = container.ingress();
        let Some(queue) = self.queues.get_mut(vif.index()) else {
            return Some(container);
        };
        if container.is_empty() {
            return Some(container);
        }
        self.bytes += container.bytes();
        self.packets += container.len() as u64;
        if let Some(last) = queue.back_mut()
            && last.fits(container.bytes(), container.len())
        {
            last.absorb(&mut container);
            return Some(container);
        }
        queue.push_back(container);
        self.ready.insert(vif);
        None
    }

    #[inline]
    fn next(&mut self, _now: u64) -> Next<P> {
        let Some(vif) = self.ready.next_from(self.turn) else {
            return Next::Empty;
        };
        match self.pop(vif) {
            Some(container) => {
                self.turn = PortId((vif.0 + 1) % MAX_PORTS as u16);
                Next::Container(container)
            }
            None => Next::Empty,
        }
    }

    #[inline]
    fn put_back(&mut self, container: Container<P>) {
        let vif = container.ingress();
        if let Some(queue) = self.queues.get_mut(vif.index())
            && !container.is_empty()
        {
            self.bytes += container.bytes();
            self.packets += container.len() as u64;
            queue.push_front(container);
            self.ready.insert(vif);
            self.turn = vif;
        }
    }

    fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        self.pop(ingress)
    }

    fn drain(&mut self) -> Option<Container<P>> {
        let vif = self.ready.iter().next()?;
        self.pop(vif)
    }

    fn backlog_bytes(&self) -> u64 {
        self.bytes
    }

    fn backlog_packets(&self) -> u64 {
        self.packets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sized(u32);
    impl Packet for Sized {
        fn len(&self) -> u32 {
            self.0
        }
        fn arrived_ns(&self) -> u64 {
            0
        }
    }

    fn container(vif: u16, sizes: &[u32]) -> Container<Sized> {
        let mut c = Container::new(4096);
        c.open(0, PortId(vif), PortId(9));
        for &size in sizes {
            c.push(Sized(size));
        }
        c
    }

    fn next(rr: &mut RoundRobin<Sized>) -> Option<(u16, usize)> {
        match rr.next(0) {
            Next::Container(c) => Some((c.ingress().0, c.len())),
            _ => None,
        }
    }

    #[test]
    fn takes_turns() {
        let mut rr = RoundRobin::new();
        for vif in [3, 200, 3, 0, 3] {
            assert!(rr.enqueue(0, container(vif, &[4000])).is_none());
        }
        assert_eq!((rr.backlog_bytes(), rr.backlog_packets()), (20_000, 5));
        let order: Vec<_> = std::iter::from_fn(|| next(&mut rr)).map(|(vif, _)| vif).collect();
        assert_eq!(order, [0, 3, 200, 3, 3]);
        assert_eq!((rr.backlog_bytes(), rr.backlog_packets()), (0, 0));
        assert!(rr.ready().is_empty());
    }

    #[test]
    fn joins_what_fits_at_the_tail() {
        let mut rr = RoundRobin::new();
        assert!(rr.enqueue(0, container(1, &[100])).is_none());
        let empty = rr.enqueue(0, container(1, &[100, 100])).unwrap();
        assert!(empty.is_empty());
        assert!(rr.enqueue(0, container(1, &[4000])).is_none());
        assert_eq!(rr.backlog_bytes(), 4300);
        assert_eq!(next(&mut rr), Some((1, 3)));
        assert_eq!(next(&mut rr), Some((1, 1)));
        assert_eq!(next(&mut rr), None);
    }

    #[test]
    fn a_container_put_back_keeps_its_turn() {
        let mut rr = RoundRobin::new();
        for vif in [1, 2, 1] {
            assert!(rr.enqueue(0, container(vif, &[3000, 1000])).is_none());
        }
        let Next::Container(mut c) = rr.next(0) else { panic!("empty") };
        assert_eq!(c.ingress(), PortId(1));
        c.pop();
        rr.put_back(c);
        assert_eq!(next(&mut rr), Some((1, 1)));
        assert_eq!(next(&mut rr), Some((2, 2)));
        assert_eq!(next(&mut rr), Some((1, 2)));
    }

    #[test]
    fn one_vif_can_be_taken_out() {
        let mut rr = RoundRobin::new();
        for vif in [1, 2, 1] {
            assert!(rr.enqueue(0, container(vif, &[4000])).is_none());
        }
        assert!(rr.take(PortId(1)).is_some() && rr.take(PortId(1)).is_some());
        assert!(rr.take(PortId(1)).is_none());
        assert_eq!(rr.backlog_packets(), 1);
        assert_eq!(rr.drain().map(|c| c.ingress()), Some(PortId(2)));
        assert!(rr.drain().is_none());
    }
}
