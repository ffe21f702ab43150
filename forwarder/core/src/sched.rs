//! Schedulers: which vif's container a link sends next. A scheduler orders containers and does nothing else.
//! Whether a packet may queue at all is decided before, packet by packet, by the engine. Invariant: what was
//! enqueued comes out of `next`, `take` or `drain` exactly once, in order per vif.

mod caps;
mod fair;
mod fifo;
mod link;
pub mod oracle;
mod queues;
mod rr;
#[cfg(test)]
mod testing;
mod time;

pub use caps::Caps;
pub use fair::Fair;
pub use fifo::Fifo;
pub(crate) use link::Link;
pub use rr::RoundRobin;

use std::sync::Arc;

use crate::{Container, Packet, Policy, PortId, Rate, SchedulerSettings, Share};

/// A scheduler's answer when asked for the next container.
#[derive(Debug)]
pub enum Next<P> {
    Container(Container<P>),
    /// Something waits, but may not leave before this time: the link or the vif is at its rate.
    NotBefore(u64),
    Empty,
}

/// The scheduler of one egress port. Vifs are told apart by the container's ingress port. An enum and not a
/// `dyn`: the engine calls it for every container, and an enum's call can be inlined.
#[derive(Debug)]
pub enum Scheduler<P> {
    Fair(Box<Fair<P>>),
    Fifo(Box<Fifo<P>>),
    /// For a port that another worker serves: in order per vif, one container a turn, unshaped.
    Handover(Box<RoundRobin<P>>),
}

macro_rules! each {
    ($self:ident, $scheduler:ident => $call:expr) => {
        match $self {
            Self::Fair($scheduler) => $call,
            Self::Fifo($scheduler) => $call,
            Self::Handover($scheduler) => $call,
        }
    };
}

impl<P: Packet> Scheduler<P> {
    /// The scheduler of a link; `caps` is shared by all links.
    pub fn new(settings: &SchedulerSettings, caps: Arc<Caps>) -> Self {
        match settings.policy {
            Policy::Drr | Policy::Wrr => Self::Fair(Box::new(Fair::new(*settings, caps))),
            Policy::Fifo => Self::Fifo(Box::default()),
        }
    }

    /// Appends a container to its vif's queue. With `join`, its packets are moved into the last container of
    /// that queue if they fit. The emptied container is then returned for reuse. So a queue that grows by
    /// single packets does not hold a container for each.
    #[inline]
    #[must_use]
    pub fn enqueue(
        &mut self,
        now: u64,
        container: Container<P>,
        join: bool,
    ) -> Option<Container<P>> {
        each!(self, s => s.enqueue(now, container, join))
    }

    /// Takes the container whose turn it is, and charges its vif for it.
    #[inline]
    pub fn next(&mut self, now: u64) -> Next<P> {
        each!(self, s => s.next(now))
    }

    /// Undoes `next` for what is left of the container. It goes to the head of its vif's queue, the vif keeps
    /// its turn, and the charge for what is left is refunded. If several containers were taken, the last is
    /// put back first.
    #[inline]
    pub fn put_back(&mut self, now: u64, container: Container<P>) {
        each!(self, s => s.put_back(now, container));
    }

    /// Takes the head of one vif's queue, out of turn: for a vif that is removed. Cold.
    pub fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        each!(self, s => s.take(ingress))
    }

    /// Takes any container that is left, in order per vif: for an egress that is removed. Cold.
    pub fn drain(&mut self) -> Option<Container<P>> {
        each!(self, s => s.drain())
    }

    /// Sets a vif's share, which is `Share::default()` before the first call. Its cap is in `Caps` and must
    /// be changed before: this call re-reads it. Cold. A scheduler without shares ignores it.
    pub fn set_share(&mut self, now: u64, ingress: PortId, share: &Share) {
        match self {
            Self::Fair(fair) => fair.set_share(now, ingress, share),
            Self::Fifo(_) | Self::Handover(_) => {}
        }
    }

    /// Forgets everything about a vif. It was removed, and what was queued for it was taken. Cold.
    pub fn forget(&mut self, ingress: PortId) {
        match self {
            Self::Fair(fair) => fair.forget(ingress),
            Self::Fifo(_) => {}
            Self::Handover(queues) => queues.forget(ingress),
        }
    }

    /// The clock of the link's rate; `None` where another worker keeps the rate. `next` keeps to it and
    /// charges what it returns; `put_back` refunds.
    pub(crate) fn link_mut(&mut self) -> Option<&mut Link> {
        match self {
            Self::Fair(fair) => Some(&mut fair.link),
            Self::Fifo(fifo) => Some(&mut fifo.link),
            Self::Handover(_) => None,
        }
    }

    /// Sets the link's rate. `None`, the initial value, sets no limit. Cold.
    pub fn set_link_rate(&mut self, now: u64, rate: Option<Rate>) {
        if let Some(link) = self.link_mut() {
            link.set(now, rate);
        }
    }

    /// When the link would take a container, by its rate alone; 0: now.
    #[inline]
    pub fn opens_at(&self, now: u64) -> u64 {
        match self {
            Self::Fair(fair) => fair.link.opens_at(now),
            Self::Fifo(fifo) => fifo.link.opens_at(now),
            Self::Handover(_) => 0,
        }
    }

    /// Whether nothing is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        each!(self, s => s.is_empty())
    }

    /// The sum of the weights of the vifs that wait; 1 where there are no weights.
    #[inline]
    pub fn weight(&self) -> u64 {
        match self {
            Self::Fair(fair) => fair.weight(),
            Self::Fifo(_) | Self::Handover(_) => 1,
        }
    }
}
