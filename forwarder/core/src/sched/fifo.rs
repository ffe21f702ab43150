//! One queue for all vifs, in order of arrival: the baseline without isolation. Invariant: containers leave
//! in the order in which they were first queued.
//!
//! The link's rate is kept. Weights and minimum rates have no meaning in one queue. Maximum rates are not
//! kept either: a vif over its own would hold up all the others behind it.

use std::collections::VecDeque;

use super::Next;
use super::link::Link;
use crate::{Container, Packet, PortId};

#[derive(Debug)]
pub struct Fifo<P> {
    queue: VecDeque<Container<P>>,
    pub(super) link: Link,
}

impl<P: Packet> Default for Fifo<P> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), link: Link::default() }
    }
}

impl<P: Packet> Fifo<P> {
    #[inline]
    pub(super) fn enqueue(
        &mut self,
        _now: u64,
        mut container: Container<P>,
        join: bool,
    ) -> Option<Container<P>> {
        if container.is_empty() {
            return Some(container);
        }
        if join
            && let Some(last) = self.queue.back_mut()
            && last.ingress() == container.ingress()
            && last.fits(container.bytes(), container.len())
        {
            last.absorb(&mut container);
            return Some(container);
        }
        self.queue.push_back(container);
        None
    }

    #[inline]
    pub(super) fn next(&mut self, now: u64) -> Next<P> {
        if self.queue.is_empty() {
            return Next::Empty;
        }
        let opens_at = self.link.opens_at(now);
        if opens_at != 0 {
            return Next::NotBefore(opens_at);
        }
        let Some(container) = self.queue.pop_front() else { return Next::Empty };
        self.link.charge(now, container.bytes());
        self.link.leave_behind(!self.queue.is_empty());
        Next::Container(container)
    }

    #[inline]
    pub(super) fn put_back(&mut self, _now: u64, container: Container<P>) {
        if !container.is_empty() {
            self.link.refund(container.bytes());
            self.queue.push_front(container);
        }
    }

    pub(super) fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        let at = self.queue.iter().position(|container| container.ingress() == ingress)?;
        self.queue.remove(at)
    }

    pub(super) fn drain(&mut self) -> Option<Container<P>> {
        self.queue.pop_front()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
