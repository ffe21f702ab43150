//! The scheduler of the configured policy. Invariant: it adds nothing to what the policies do.

use std::sync::Arc;

use super::link::Link;
use super::{Caps, Drr, Fifo, Next, RoundRobin, Scheduler, Wrr};
use crate::{Container, Packet, Policy, PortId, SchedulerSettings, Share};

/// An enum and not a `dyn`: the engine calls it for every container, and an enum's call can be inlined.
#[derive(Debug)]
pub enum AnyScheduler<P> {
    Drr(Box<Drr<P>>),
    Wrr(Box<Wrr<P>>),
    Fifo(Box<Fifo<P>>),
    /// For a port that another worker serves: in order per vif, one container a turn, unshaped.
    Handover(Box<RoundRobin<P>>),
}

impl<P: Packet> AnyScheduler<P> {
    /// The scheduler of a link; `caps` is shared by all links.
    #[must_use]
    pub fn new(settings: &SchedulerSettings, caps: Arc<Caps>) -> Self {
        match settings.policy {
            Policy::Drr => Self::Drr(Box::new(Drr::new(settings, caps))),
            Policy::Wrr => Self::Wrr(Box::new(Wrr::new(settings, caps))),
            Policy::Fifo => Self::Fifo(Box::default()),
        }
    }
}

macro_rules! each {
    ($self:ident, $scheduler:ident => $call:expr) => {
        match $self {
            Self::Drr($scheduler) => $call,
            Self::Wrr($scheduler) => $call,
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
    fn link(&self) -> &Link {
        each!(self, s => s.link())
    }

    fn link_mut(&mut self) -> &mut Link {
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
