//! One queue for all vifs, in order of arrival: the baseline without isolation. Invariant: containers leave
//! in the order in which they were first queued.
//!
//! The link's rate is kept. Weights and minimum rates have no meaning in one queue. Maximum rates are not
//! kept either: a vif over its own would hold up all the others behind it.

use std::collections::VecDeque;

use super::link::Link;
use super::{Next, Scheduler};
use crate::{Container, Packet, PortId};

#[derive(Debug)]
pub struct Fifo<P> {
    queue: VecDeque<Container<P>>,
    link: Link,
}

impl<P: Packet> Default for Fifo<P> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), link: Link::default() }
    }
}

impl<P: Packet> Scheduler<P> for Fifo<P> {
    #[inline]
    fn enqueue(
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
    fn next(&mut self, now: u64) -> Next<P> {
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
    fn put_back(&mut self, _now: u64, container: Container<P>) {
        if !container.is_empty() {
            self.link.refund(container.bytes());
            self.queue.push_front(container);
        }
    }

    fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        let at = self.queue.iter().position(|container| container.ingress() == ingress)?;
        self.queue.remove(at)
    }

    fn drain(&mut self) -> Option<Container<P>> {
        self.queue.pop_front()
    }

    #[inline]
    fn link(&self) -> Option<&Link> {
        Some(&self.link)
    }

    fn link_mut(&mut self) -> Option<&mut Link> {
        Some(&mut self.link)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests;
