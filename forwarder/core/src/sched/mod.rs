//! Who goes next on a link. A scheduler orders containers and nothing else: whether a packet may
//! queue at all is decided before, packet by packet, by the engine.
//! Invariant: what was enqueued comes out of `next` or `take` exactly once, in order per vif.

mod rr;

pub use rr::RoundRobin;

use crate::{Container, Packet, PortId};

/// What a scheduler says when asked for the next container.
#[derive(Debug)]
pub enum Next<P> {
    Container(Container<P>),
    /// Something waits, but may not go before this time: the link or the vif is at its rate.
    NotBefore(u64),
    Empty,
}

/// One per egress port. Vifs are told apart by the container's ingress port.
pub trait Scheduler<P: Packet> {
    /// Appends to its vif's queue. Where the last container of that queue has room for it, the two
    /// become one and the emptied one is returned, to be recycled: so a queue that grows by single
    /// packets does not hold a container for each.
    #[must_use]
    fn enqueue(&mut self, now: u64, container: Container<P>) -> Option<Container<P>>;

    /// Takes out whose turn it is.
    fn next(&mut self, now: u64) -> Next<P>;

    /// Undoes `next` for what is left of the container: it goes to the head of its vif's queue, and
    /// that vif keeps its turn. Of several taken, the last is put back first.
    fn put_back(&mut self, container: Container<P>);

    /// The head of one vif's queue, out of turn: for a vif that goes away. Cold.
    fn take(&mut self, ingress: PortId) -> Option<Container<P>>;

    /// Anything that is left, in order per vif: for an egress that goes away. Cold.
    fn drain(&mut self) -> Option<Container<P>>;

    fn backlog_bytes(&self) -> u64;

    fn backlog_packets(&self) -> u64;
}
