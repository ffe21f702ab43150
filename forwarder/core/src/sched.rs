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
pub use link::Link;
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

/// A scheduler of one egress port. Vifs are told apart by the container's ingress port.
pub trait Scheduler<P: Packet> {
    /// Appends a container to its vif's queue. With `join`, its packets are moved into the last container of
    /// that queue if they fit. The emptied container is then returned for reuse. So a queue that grows by
    /// single packets does not hold a container for each.
    #[must_use]
    fn enqueue(&mut self, now: u64, container: Container<P>, join: bool) -> Option<Container<P>>;

    /// Takes the container whose turn it is, and charges its vif for it.
    fn next(&mut self, now: u64) -> Next<P>;

    /// Undoes `next` for what is left of the container. It goes to the head of its vif's queue, the vif keeps
    /// its turn, and the charge for what is left is refunded. If several containers were taken, the last is
    /// put back first.
    fn put_back(&mut self, now: u64, container: Container<P>);

    /// Takes the head of one vif's queue, out of turn: for a vif that is removed. Cold.
    fn take(&mut self, ingress: PortId) -> Option<Container<P>>;

    /// Takes any container that is left, in order per vif: for an egress that is removed. Cold.
    fn drain(&mut self) -> Option<Container<P>>;

    /// Sets a vif's share, which is `Share::default()` before the first call. Its cap is in `Caps` and must
    /// be changed before: this call re-reads it. Cold. A scheduler without shares ignores it.
    fn set_share(&mut self, _now: u64, _ingress: PortId, _share: &Share) {}

    /// Forgets everything about a vif. It was removed, and what was queued for it was taken. Cold.
    fn forget(&mut self, _ingress: PortId) {}

    /// The clock of the link's rate; `None` where another worker keeps the rate. `next` keeps to it and
    /// charges what it returns; `put_back` refunds.
    #[inline]
    fn link(&self) -> Option<&Link> {
        None
    }

    fn link_mut(&mut self) -> Option<&mut Link> {
        None
    }

    /// Whether nothing is queued.
    fn is_empty(&self) -> bool;

    /// The sum of the weights of the vifs that wait; 1 where there are no weights.
    fn weight(&self) -> u64 {
        1
    }

    /// Sets the link's rate. `None`, the initial value, sets no limit. Cold.
    fn set_link_rate(&mut self, now: u64, rate: Option<Rate>) {
        if let Some(link) = self.link_mut() {
            link.set(now, rate);
        }
    }

    /// When the link would take a container, by its rate alone; 0: now.
    #[inline]
    fn opens_at(&self, now: u64) -> u64 {
        self.link().map_or(0, |link| link.opens_at(now))
    }
}

/// The scheduler of the configured policy. An enum and not a `dyn`: the engine calls it for every container,
/// and an enum's call can be inlined.
#[derive(Debug)]
pub enum AnyScheduler<P> {
    Fair(Box<Fair<P>>),
    Fifo(Box<Fifo<P>>),
    /// For a port that another worker serves: in order per vif, one container a turn, unshaped.
    Handover(Box<RoundRobin<P>>),
}

impl<P: Packet> AnyScheduler<P> {
    /// The scheduler of a link; `caps` is shared by all links.
    #[must_use]
    pub fn new(settings: &SchedulerSettings, caps: Arc<Caps>) -> Self {
        match settings.policy {
            Policy::Drr | Policy::Wrr => Self::Fair(Box::new(Fair::new(*settings, caps))),
            Policy::Fifo => Self::Fifo(Box::default()),
        }
    }
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

impl<P: Packet> Scheduler<P> for AnyScheduler<P> {
    #[inline]
    fn enqueue(&mut self, now: u64, container: Container<P>, join: bool) -> Option<Container<P>> {
        each!(self, s => s.enqueue(now, container, join))
    }

    #[inline]
    fn next(&mut self, now: u64) -> Next<P> {
        each!(self, s => s.next(now))
    }

    #[inline]
    fn put_back(&mut self, now: u64, container: Container<P>) {
        each!(self, s => s.put_back(now, container));
    }

    fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        each!(self, s => s.take(ingress))
    }

    fn drain(&mut self) -> Option<Container<P>> {
        each!(self, s => s.drain())
    }

    fn set_share(&mut self, now: u64, ingress: PortId, share: &Share) {
        each!(self, s => s.set_share(now, ingress, share));
    }

    fn forget(&mut self, ingress: PortId) {
        each!(self, s => s.forget(ingress));
    }

    #[inline]
    fn link(&self) -> Option<&Link> {
        each!(self, s => s.link())
    }

    fn link_mut(&mut self) -> Option<&mut Link> {
        each!(self, s => s.link_mut())
    }

    #[inline]
    fn is_empty(&self) -> bool {
        each!(self, s => s.is_empty())
    }

    #[inline]
    fn weight(&self) -> u64 {
        each!(self, s => s.weight())
    }
}
