//! Shares a worker's time between the links that it serves: deficit round robin, in time.
//!
//! Sending takes nearly all of a worker's time. What is received and not yet sent waits in the queues of the
//! links' schedulers. So a turn of the worker sends for a bounded time only, one to four times [`TURN_NS`].
//! Each link that has something to send gets a part of that time, by the sum of the weights that wait there;
//! within a link, its scheduler decides. The time that a link's packets took is measured, and charged to the
//! link.
//!
//! ```text
//!   turn ─► each link that waits: left += its part by the weights, at most that
//!        ─► while left > 0: send, and left -= the time that took
//! ```
//!
//! The time that one more packet takes is not known before it is sent, least of all where the kernel takes
//! many at once. So it is estimated from the packets before, and the difference is charged afterwards.
//!
//! While packets have to wait for the worker, a turn takes from a source's own ring at most what the last
//! turn sent (and at least [`FLOOR`]), which is all that could be sent for the source: what stays in its ring
//! is not lost at its queue. Nothing here bounds what is taken from the ring that sources share: a packet of
//! a source below its share would wait in it behind the packets of floods.
//!
//! Bound: of any two links that wait all the time, each gets its part of the time spent on both, to within
//! its part of one turn and its most expensive container. A link that starts to wait is served in the same
//! turn. Invariant: this module reads no clock, and allocates only once.

use crate::{MAX_PORTS, PortId, PortSet, broken};

/// How long a turn sends. What waits in the receive ring, and the source served next, wait that long.
pub const TURN_NS: u64 = 100_000;
/// A turn is longer where several links wait: by one `TURN_NS` for each, up to this many. Each link costs a
/// system call, for which a part of only a few packets is too little.
const TURNS_MOST: u64 = 4;
/// The cost of a packet of any length, in bytes: a superframe of 64 KiB takes some 17 times as long as a
/// frame of 64 bytes.
const PACKET: u64 = 4096;
/// Before anything is known of a link, a packet is assumed to take 2 us.
const FIRST: Measured = Measured { ns: 4 * 2000, amount: 4 * PACKET };
/// The amount, some hundred packets, after which earlier measurements have lost half of their weight.
const REMEMBERED: u64 = 256 * PACKET;
/// The least that a turn takes in, whatever was sent: a burst of small frames, or a superframe.
const FLOOR: Amount = Amount(16 * PACKET);
/// A factor above the estimate beyond which the worker was probably preempted; that time is not the link's.
const UNLIKELY: u64 = 2;

/// An amount to send, in which packets and bytes count together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(u64);

impl Amount {
    #[inline]
    pub const fn of(packets: u64, bytes: u64) -> Self {
        Self(packets * PACKET + bytes)
    }

    #[inline]
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0.saturating_add(more.0))
    }

    /// The amount without what was not sent.
    #[inline]
    #[must_use]
    pub const fn less(self, by: Self) -> Self {
        Self(self.0.saturating_sub(by.0))
    }

    /// The number of packets in this amount, if they are short.
    #[inline]
    pub const fn packets(self) -> usize {
        (self.0 / PACKET) as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    ns: u64,
    amount: u64,
}

impl Measured {
    fn likely_ns(self, amount: u64) -> u64 {
        let ns = u128::from(self.ns) * u128::from(amount) / u128::from(self.amount.max(1));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }

    fn add(&mut self, ns: u64, amount: u64) {
        self.ns += ns;
        self.amount += amount;
        if self.amount > REMEMBERED {
            self.ns = self.ns.div_ceil(2);
            self.amount = self.amount.div_ceil(2);
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Link {
    left_ns: i64,
    measured: Measured,
    /// Sent in this turn.
    sent: u64,
    took_ns: u64,
}

/// The shares of all links; see the module.
#[derive(Debug)]
pub struct WorkShare {
    links: Box<[Link]>,
    is_limit: bool,
    /// Sent in this turn, by all links.
    sent: Amount,
}

impl Default for WorkShare {
    fn default() -> Self {
        let link = Link { left_ns: 0, measured: FIRST, sent: 0, took_ns: 0 };
        Self { links: vec![link; MAX_PORTS].into_boxed_slice(), is_limit: false, sent: Amount(0) }
    }
}

impl WorkShare {
    /// Begins a turn in which these links have something to send. `weight` returns the sum of the weights
    /// that wait for a link.
    #[inline]
    pub fn begin(&mut self, waiting: PortSet, weight: impl Fn(PortId) -> u64) {
        (self.is_limit, self.sent) = (false, Amount(0));
        let mut others = waiting.iter();
        let Some(first) = others.next() else { return };
        if others.next().is_none() {
            // The only link with something to send owes nothing to any other.
            if let Some(link) = self.links.get_mut(first.index()) {
                link.left_ns = TURN_NS.cast_signed();
                (link.sent, link.took_ns) = (0, 0);
            }
            return;
        }
        let turn_ns = TURN_NS * (waiting.iter().count() as u64).min(TURNS_MOST);
        let all: u64 = waiting.iter().map(&weight).sum();
        for id in waiting.iter() {
            // Both factors are below 2^32.
            self.grant(id, turn_ns * weight(id) / all.max(1));
        }
    }

    #[inline]
    fn grant(&mut self, id: PortId, part_ns: u64) {
        let Some(link) = self.links.get_mut(id.index()) else {
            return broken!("a link beyond MAX_PORTS has something to send");
        };
        let part_ns = part_ns.max(1).cast_signed();
        link.left_ns = link.left_ns.saturating_add(part_ns).min(part_ns);
        (link.sent, link.took_ns) = (0, 0);
    }

    /// How much the link may send in this turn; its last container may exceed this. Zero if it has sent more
    /// than its part in earlier turns.
    #[inline]
    pub fn room(&self, id: PortId) -> Amount {
        let Some(link) = self.links.get(id.index()) else { return Amount(0) };
        let Ok(left_ns) = u64::try_from(link.left_ns) else { return Amount(0) };
        let Measured { ns, amount } = link.measured;
        let amount = u128::from(left_ns) * u128::from(amount) / u128::from(ns.max(1));
        Amount(u64::try_from(amount).unwrap_or(u64::MAX).max(u64::from(left_ns > 0)))
    }

    /// Records that something has to wait for the next turn that could have left in this one.
    #[inline]
    pub fn is_short(&mut self) {
        self.is_limit = true;
    }

    /// Whether something waited only for the worker in the last turn.
    #[inline]
    pub const fn is_limit(&self) -> bool {
        self.is_limit
    }

    /// How much the next turn takes at most from one source's own ring. `None`: everything, since nothing
    /// waits for the worker.
    #[inline]
    pub fn intake_of_one(&self) -> Option<Amount> {
        self.is_limit.then(|| self.sent.max(FLOOR))
    }

    /// Records what was given to the link's device, or is about to be.
    #[inline]
    pub fn sent(&mut self, id: PortId, amount: Amount) {
        self.sent = self.sent.and(amount);
        if let Some(link) = self.links.get_mut(id.index()) {
            link.sent += amount.0;
        }
    }

    /// Records time that the link took in this turn.
    #[inline]
    pub fn took(&mut self, id: PortId, ns: u64) {
        if let Some(link) = self.links.get_mut(id.index()) {
            link.took_ns += ns;
        }
    }

    /// Ends the link's part of the turn, and charges the time.
    #[inline]
    pub fn end(&mut self, id: PortId) {
        let Some(link) = self.links.get_mut(id.index()) else {
            return broken!("a link beyond MAX_PORTS has sent something");
        };
        let (sent, took_ns) = (std::mem::take(&mut link.sent), std::mem::take(&mut link.took_ns));
        let most_ns = link.measured.likely_ns(sent).saturating_mul(UNLIKELY).max(TURN_NS / 10);
        let took_ns = took_ns.min(most_ns);
        link.left_ns = link.left_ns.saturating_sub_unsigned(took_ns);
        if sent > 0 {
            link.measured.add(took_ns, sent);
        }
    }
}

#[cfg(test)]
mod tests;
