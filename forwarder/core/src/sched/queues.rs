//! The queues that every policy with a queue per vif has.
//! Invariant: a vif's bit in `ready` is set exactly while its queue is not empty, and no queued
//! container is empty; `bytes` and `packets` are the sums of what is queued.

use std::collections::VecDeque;

use crate::{Container, MAX_PORTS, Packet, PortId, PortSet};

/// What became of a container that was to be queued.
#[derive(Debug)]
pub(super) enum Pushed<P> {
    /// It is the only one of its vif.
    First,
    Behind,
    /// Its packets went into the last container of the queue; this one is empty now.
    Joined {
        emptied: Container<P>,
        /// That last one is also the first.
        at_head: bool,
    },
    /// There was nothing in it, or there is no such vif.
    Refused(Container<P>),
}

#[derive(Debug)]
pub(super) struct Queues<P> {
    /// Indexed by the ingress port. An unused queue owns no memory.
    queues: Box<[VecDeque<Container<P>>]>,
    ready: PortSet,
    bytes: u64,
    packets: u64,
}

impl<P: Packet> Queues<P> {
    pub(super) fn new() -> Self {
        Self {
            queues: (0..MAX_PORTS).map(|_| VecDeque::new()).collect(),
            ready: PortSet::EMPTY,
            bytes: 0,
            packets: 0,
        }
    }

    #[inline]
    pub(super) fn ready(&self) -> PortSet {
        self.ready
    }

    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    #[inline]
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    #[inline]
    pub(super) fn head(&self, vif: PortId) -> Option<&Container<P>> {
        self.queues.get(vif.index())?.front()
    }

    #[inline]
    pub(super) fn push(&mut self, mut container: Container<P>, join: bool) -> Pushed<P> {
        let vif = container.ingress();
        let Some(queue) = self.queues.get_mut(vif.index()).filter(|_| !container.is_empty()) else {
            return Pushed::Refused(container);
        };
        self.bytes += container.bytes();
        self.packets += container.len() as u64;
        let at_head = queue.len() == 1;
        if join
            && let Some(last) = queue.back_mut()
            && last.fits(container.bytes(), container.len())
        {
            last.absorb(&mut container);
            return Pushed::Joined { emptied: container, at_head };
        }
        queue.push_back(container);
        if self.ready.insert(vif) { Pushed::First } else { Pushed::Behind }
    }

    /// Back to the head of its queue; false where there is nothing in it, or no such vif.
    #[inline]
    pub(super) fn push_front(&mut self, container: Container<P>) -> bool {
        let vif = container.ingress();
        let Some(queue) = self.queues.get_mut(vif.index()).filter(|_| !container.is_empty()) else {
            return false;
        };
        self.bytes += container.bytes();
        self.packets += container.len() as u64;
        queue.push_front(container);
        self.ready.insert(vif);
        true
    }

    #[inline]
    pub(super) fn pop(&mut self, vif: PortId) -> Option<Container<P>> {
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
