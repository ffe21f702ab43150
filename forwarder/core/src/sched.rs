//! Who goes next on a link. A scheduler orders containers and nothing else: whether a packet may
//! queue at all is decided before, packet by packet, by the engine.
//! Invariant: what was enqueued comes out of `next`, `take` or `drain` exactly once, in order per
//! vif.

mod any;
mod caps;
mod drr;
mod fair;
mod fifo;
mod link;
pub mod oracle;
mod queues;
mod rr;
#[cfg(test)]
mod testing;
mod time;
mod wrr;

pub use any::AnyScheduler;
pub use caps::Caps;
pub use drr::Drr;
pub use fair::{Fair, Measure};
pub use fifo::Fifo;
pub use rr::RoundRobin;
pub use wrr::Wrr;

use crate::{Container, Packet, PortId, Rate, Share};

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
    /// Appends to its vif's queue. With `join`, where the last container of that queue has room for
    /// it, the two become one and the emptied one is returned, to be recycled: so a queue that
    /// grows by single packets does not hold a container for each.
    #[must_use]
    fn enqueue(&mut self, now: u64, container: Container<P>, join: bool) -> Option<Container<P>>;

    /// Takes out whose turn it is, and charges it for what it takes.
    fn next(&mut self, now: u64) -> Next<P>;

    /// Undoes `next` for what is left of the container: it goes to the head of its vif's queue,
    /// that vif keeps its turn, and what is left is charged to nobody. Of several taken, the last
    /// is put back first.
    fn put_back(&mut self, now: u64, container: Container<P>);

    /// The head of one vif's queue, out of turn: for a vif that goes away. Cold.
    fn take(&mut self, ingress: PortId) -> Option<Container<P>>;

    /// Anything that is left, in order per vif: for an egress that goes away. Cold.
    fn drain(&mut self) -> Option<Container<P>>;

    /// What a vif is promised from now on; until it is said, `Share::default()`. Its cap is in
    /// `Caps` and is changed there before: this looks at it anew. Cold.
    fn set_share(&mut self, now: u64, ingress: PortId, share: &Share);

    /// A vif has gone away, and what was queued was taken: all that is known of it is forgotten.
    /// Cold.
    fn forget(&mut self, ingress: PortId);

    /// Bytes set aside beside the scheduler itself, without the containers. Cold.
    fn memory(&self) -> usize;

    /// What may leave from now on; `None`, as at first: whatever is asked for. Cold.
    fn set_link_rate(&mut self, now: u64, rate: Option<Rate>);

    fn backlog_bytes(&self) -> u64;

    fn backlog_packets(&self) -> u64;

    /// The weights of those who wait, together; 1 where there are no weights.
    fn weight(&self) -> u64 {
        1
    }

    /// When the link would take a container, by its rate alone; 0: now.
    fn opens_at(&self, now: u64) -> u64;

    /// The link is taken until then at least, by what does not pass here.
    fn occupy(&mut self, until: u64);

    /// So many bytes were sent that do not pass here. However many they are, they put the link no further
    /// ahead of now than `ahead_ns`.
    fn charge_passing(&mut self, now: u64, bytes: u64, ahead_ns: u64);
}
