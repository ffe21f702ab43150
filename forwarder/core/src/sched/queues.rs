//! The queues of every policy that has one per vif, with the policy's state of the vif. Invariant: a vif's
//! bit in `ready` is set exactly while its queue is not empty, and no queued container is empty. A vif that
//! never sent to the link, and has no share set, takes no memory.

use std::collections::VecDeque;

use crate::{ByPort, Container, MAX_PORTS, Packet, PortId, PortSet};

/// The result of queueing a container.
#[derive(Debug)]
pub(super) enum Pushed<P> {
    /// It is the only one of its vif.
    First,
    Behind,
    /// It is not queued: its packets were moved into the last container of the queue, or it was empty, or
    /// there is no such vif.
    Returned {
        container: Container<P>,
        /// Its packets were moved into a container that is also the first.
        at_head: bool,
    },
}

/// One vif's queue, with the policy's state first, since it is read more often. It is aligned to a cache
/// line.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Queue<P, V> {
    pub(super) vif: V,
    containers: VecDeque<Container<P>>,
}

impl<P, V: Default> Default for Queue<P, V> {
    fn default() -> Self {
        Self { vif: V::default(), containers: VecDeque::new() }
    }
}

impl<P: Packet, V> Queue<P, V> {
    #[inline]
    pub(super) fn head(&self) -> Option<&Container<P>> {
        self.containers.front()
    }
}

#[derive(Debug)]
pub(super) struct Queues<P, V = ()> {
    /// By the ingress port.
    queues: ByPort<Queue<P, V>>,
    ready: PortSet,
}

impl<P: Packet, V: Default> Queues<P, V> {
    pub(super) fn new() -> Self {
        Self { queues: ByPort::default(), ready: PortSet::EMPTY }
    }

    #[inline]
    pub(super) fn ready(&self) -> &PortSet {
        &self.ready
    }

    #[inline]
    pub(super) fn get_mut(&mut self, vif: PortId) -> Option<&mut Queue<P, V>> {
        self.queues.get_mut(vif)
    }

    /// The policy's state of a vif; `None`: there is none yet.
    #[inline]
    pub(super) fn vif(&self, id: PortId) -> Option<&V> {
        self.queues.get(id).map(|queue| &queue.vif)
    }

    #[inline]
    pub(super) fn vif_mut(&mut self, id: PortId) -> Option<&mut V> {
        self.queues.get_mut(id).map(|queue| &mut queue.vif)
    }

    /// Allocates a vif's queue; `None` if there is no such port. Cold.
    #[cold]
    pub(super) fn make(&mut self, vif: PortId) -> Option<&mut Queue<P, V>> {
        if vif.index() < MAX_PORTS && !self.queues.contains(vif) {
            self.queues.insert(vif, Queue::default());
        }
        self.queues.get_mut(vif)
    }

    /// Frees a vif's memory, unless something is queued for it. Cold.
    pub(super) fn forget(&mut self, vif: PortId) {
        if !self.ready.contains(vif) {
            self.queues.remove(vif);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, mut container: Container<P>, join: bool) -> Pushed<P> {
        let vif = container.ingress();
        let Some(queue) = self.queues.get_mut(vif) else {
            return self.push_first(container);
        };
        if container.is_empty() {
            return Pushed::Returned { container, at_head: false };
        }
        let queue = &mut queue.containers;
        let at_head = queue.len() == 1;
        if join
            && let Some(last) = queue.back_mut()
            && last.fits(container.bytes(), container.len())
        {
            last.absorb(&mut container);
            return Pushed::Returned { container, at_head };
        }
        queue.push_back(container);
        if self.ready.insert(vif) { Pushed::First } else { Pushed::Behind }
    }

    /// Same as `push`, for a vif that has no queue yet.
    #[cold]
    fn push_first(&mut self, container: Container<P>) -> Pushed<P> {
        let vif = container.ingress();
        let Some(queue) = self.make(vif).filter(|_| !container.is_empty()) else {
            return Pushed::Returned { container, at_head: false };
        };
        queue.containers.push_back(container);
        self.ready.insert(vif);
        Pushed::First
    }

    /// Puts a container back at the head of its queue. Returns false if it is empty, or there is no such vif.
    #[inline]
    pub(super) fn push_front(&mut self, container: Container<P>) -> bool {
        let vif = container.ingress();
        if !self.queues.contains(vif) {
            self.make(vif);
        }
        let Some(queue) = self.queues.get_mut(vif).filter(|_| !container.is_empty()) else {
            return false;
        };
        queue.containers.push_front(container);
        self.ready.insert(vif);
        true
    }

    #[inline]
    pub(super) fn pop(&mut self, vif: PortId) -> Option<Container<P>> {
        let queue = &mut self.queues.get_mut(vif)?.containers;
        let container = queue.pop_front()?;
        if queue.is_empty() {
            self.ready.remove(vif);
        }
        Some(container)
    }
}
