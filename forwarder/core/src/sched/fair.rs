//! Weighted sharing of one link by virtual time, with minimum and maximum rates. `drr` and `wrr` share this
//! code. They differ in what they count, bytes or packets: see [`cost`]. Invariant: every vif with a
//! container queued is in exactly one of `competing`, `ahead` and `aside`; no other vif is in any of them;
//! `mean` sums over exactly those in `competing`.
//!
//! # Weights
//!
//! Deficit round robin gives a vif of weight 30 a run of 30 containers. This is right in the long run, but up
//! to thirty containers from the ideal share in between. So the deficit is kept as a tag per vif instead: the
//! service that the vif got, divided by its weight. The link's virtual time is the weighted mean of the tags
//! of the vifs that compete: the tag that all of them would have had they been served as a fluid. A vif that
//! is not ahead of it is eligible (there is always one). Of the eligible vifs the one goes next whose
//! container would end first: smallest tag + container / weight (EEVDF).
//!
//! Bound, for vifs that compete all the time, in what the policy counts: from when a vif began to wait it
//! gets its ideal share to within one of the largest containers, so between any two later moments to within
//! two. Measured: 1.00 between two vifs, 1.8 among six, 1.95 among 64 with all weights different. With whole
//! containers, some weights necessarily need more than one.
//!
//! A vif whose queue was empty continues from its old tag, or from the virtual time if that is later: it
//! keeps its debt and gains no credit. Its debt is forgotten after `inactive_after`, but not within 16
//! containers on this link; otherwise, on a slow link, a vif could pause after each container and never pay.
//! A vif that leaves takes its tag with it, and virtual time becomes the mean of the others.
//!
//! # Minimum rates
//!
//! Each vif with a minimum rate has a second clock, in time: when the service it got so far would have been
//! due at that rate. The clock is never more than a container later than now. It is never earlier than now by
//! more than `LAG_NS` or 4 containers (the vif's own at that rate, or the largest on the link, whichever take
//! longer), so that a device that stood still does not cause endless catching up. A vif whose clock is not
//! after now goes first, by earliest deadline. If it is then ahead of the virtual time, its weight alone
//! gives it less than its minimum. Its tag is put at most two of the largest containers ahead, the excess is
//! forgotten, and the vif does not compete until virtual time reaches its tag. So it gets
//! `max(weight * level, min)`. A vif that lives by its minimum alone neither pays for it afterwards nor
//! shifts the mean of the others. Minimum rates are kept on links that have a rate. Vifs below their minimum
//! are served out of turn, which adds one container for each of them to the bound of the others.
//!
//! # Maximum rates
//!
//! A vif that its cap does not allow to send, see [`Caps`], is set aside until it may send. Its part of the
//! cap is reserved: links get the cap in the order in which they ask. Meanwhile the vif does not compete. It
//! returns as if it had been idle, with its debt and without credit. The time it may then wait for its turn
//! is less than its cap has in reserve.
//!
//! # Prompt containers
//!
//! A container is prompt if it came to an empty queue and is the only one queued for its vif, and if one of
//! two conditions holds: it puts the vif no further ahead of virtual time than any turn does, or it is due by
//! the vif's minimum rate. Such a vif is no flood and is within its share. Its container goes at once,
//! although the link is still busy with another (it is charged, and later containers wait that much longer),
//! unless another vif would miss its minimum rate. A polite vif among floods thus waits as long as on an idle
//! link. A vif that takes more than its share is soon too far ahead, or has more queued, and waits.
//!
//! # Cost
//!
//! A decision reads each vif that waits on this link once, at one cache line, and divides once. Vifs that do
//! not wait cost nothing. Only the queues allocate.

mod mean;
#[cfg(test)]
mod tests;
mod turn;
mod vif;

use std::sync::Arc;

use self::mean::Mean;
use self::vif::Vif;
use super::link::Link;
use super::queues::{Pushed, Queue, Queues};
use super::{Caps, Next};
use crate::{Container, Packet, Policy, PortId, PortSet, SchedulerSettings, Share, broken};

/// The scheduler of one link; see the module.
#[derive(Debug)]
pub struct Fair<P> {
    /// The queues, with the state of each vif.
    queues: Queues<P, Vif>,
    pub(super) link: Link,
    caps: Arc<Caps>,
    mean: Mean,
    /// The vifs that are counted in `mean`.
    competing: PortSet,
    /// The vifs that their minimum rates have put ahead of virtual time.
    ahead: PortSet,
    /// The vifs over their caps.
    aside: PortSet,
    /// Those of `competing` and `ahead` that have a minimum rate.
    promised: PortSet,
    /// Those of `competing` whose only container is prompt.
    prompt: PortSet,
    /// The earliest time at which a vif of `aside` may go.
    aside_until: u64,
    /// The largest cost of a container so far.
    largest_cost: u64,
    /// The vif that had its turn when the device took less than its container.
    resume: Option<PortId>,
    settings: SchedulerSettings,
}

/// A debt is remembered at least for the time that this many containers take on the link.
const REMEMBERED: u32 = 16;

/// What a container costs: the quantity that weights share.
#[inline]
fn cost<P: Packet>(policy: Policy, container: &Container<P>) -> u64 {
    match policy {
        // By packets, whatever their size: weighted round robin as published. A vif that sends larger packets
        // gets more bytes. Times 1024, so that one packet divided by the largest weight is still exact
        // enough.
        Policy::Wrr => (container.len() as u64) << 10,
        // By bytes, so that no vif gains by the size of its packets.
        Policy::Drr | Policy::Fifo => container.bytes(),
    }
}

impl<P: Packet> Fair<P> {
    pub(super) fn new(settings: SchedulerSettings, caps: Arc<Caps>) -> Self {
        Self {
            queues: Queues::new(),
            link: Link::default(),
            caps,
            mean: Mean::default(),
            competing: PortSet::EMPTY,
            ahead: PortSet::EMPTY,
            aside: PortSet::EMPTY,
            promised: PortSet::EMPTY,
            prompt: PortSet::EMPTY,
            aside_until: u64::MAX,
            largest_cost: 0,
            resume: None,
            settings,
        }
    }

    /// Updates what is known of a vif's first container.
    #[inline]
    fn see_head(&mut self, id: PortId) {
        if let Some(queue) = self.queues.get_mut(id) {
            see_head(self.settings.policy, queue, &mut self.largest_cost);
        }
    }

    #[inline]
    fn compete(&mut self, id: PortId) {
        let Some(vif) = self.queues.vif(id) else { return broken!("who competes has no queue") };
        self.mean.add(vif.tag, vif.weight);
        self.competing.insert(id);
        if vif.has_min() {
            self.promised.insert(id);
        }
    }

    /// Handles a container that arrived at an empty queue.
    #[inline]
    fn arrive(&mut self, now: u64, id: PortId) {
        let remembered_ns =
            self.settings.inactive_after_ns.max(self.link.time_of_largest_ns(REMEMBERED));
        let Some(queue) = self.queues.get_mut(id) else {
            return broken!("a container was queued and there is no queue");
        };
        see_head(self.settings.policy, queue, &mut self.largest_cost);
        let vif = &mut queue.vif;
        let forget = now.saturating_sub(vif.seen_ns) >= remembered_ns;
        vif.arrive(now, self.mean.now(), forget);
        vif.seen_ns = now;
        self.mean.add(vif.tag, vif.weight);
        self.competing.insert(id);
        if vif.has_min() {
            self.promised.insert(id);
        }
        if vif.is_owed(now, self.mean.now(), self.largest_cost, self.link.has_rate()) {
            self.prompt.insert(id);
        }
    }

    #[inline]
    fn is_owed(&self, now: u64, id: PortId) -> bool {
        self.queues.vif(id).is_some_and(|vif| {
            vif.is_owed(now, self.mean.now(), self.largest_cost, self.link.has_rate())
        })
    }

    /// Removes a vif from whichever set it is in.
    #[inline]
    fn leave(&mut self, id: PortId) {
        if self.competing.remove(id) {
            match self.queues.vif(id) {
                Some(vif) => self.mean.remove(vif.tag, vif.weight),
                None => broken!("who competes has no queue"),
            }
            self.prompt.remove(id);
        } else {
            self.ahead.remove(id);
            self.aside.remove(id);
        }
        self.promised.remove(id);
    }
}

/// Records the cost of a queue's first container, which the vif pays next.
#[inline]
fn see_head<P: Packet>(policy: Policy, queue: &mut Queue<P, Vif>, largest_cost: &mut u64) {
    if let Some(head) = queue.head() {
        let (bytes, cost) = (head.bytes(), cost(policy, head));
        *largest_cost = cost.max(*largest_cost);
        queue.vif.see_head(bytes, cost);
    }
}

impl<P: Packet> Fair<P> {
    #[inline]
    pub(super) fn enqueue(
        &mut self,
        now: u64,
        container: Container<P>,
        join: bool,
    ) -> Option<Container<P>> {
        let id = container.ingress();
        match self.queues.push(container, join) {
            Pushed::First => {
                self.arrive(now, id);
                None
            }
            Pushed::Behind => {
                self.prompt.remove(id);
                None
            }
            Pushed::Returned { container, at_head } => {
                if at_head {
                    if self.aside.contains(id) {
                        // The container now costs more than was reserved for it.
                        self.look_again(id);
                    }
                    self.see_head(id);
                    if !self.is_owed(now, id) {
                        self.prompt.remove(id);
                    }
                }
                Some(container)
            }
        }
    }

    #[inline]
    pub(super) fn next(&mut self, now: u64) -> Next<P> {
        if now >= self.aside_until {
            self.release(now);
        }
        loop {
            let id = match self.turn(now) {
                Ok(Some(id)) => id,
                Ok(None) if self.aside.is_empty() => return Next::Empty,
                Ok(None) => return Next::NotBefore(self.aside_until.max(self.link.opens_at(now))),
                Err(at) => return Next::NotBefore(at),
            };
            let at = self.allowed_at(now, id);
            if at != 0 {
                self.set_aside(now, id, at);
            } else if let Some(container) = self.serve(now, id) {
                return Next::Container(container);
            } else {
                // Without this the loop would never end.
                broken!("it is a vif's turn and nothing is queued for it");
                self.leave(id);
            }
        }
    }

    #[inline]
    pub(super) fn put_back(&mut self, now: u64, container: Container<P>) {
        let (id, bytes) = (container.ingress(), container.bytes());
        let cost = cost(self.settings.policy, &container);
        let waited = self.queues.ready().contains(id);
        if !self.queues.push_front(container) {
            return;
        }
        self.link.refund(bytes);
        self.caps.refund(id, bytes);
        if let Some(vif) = self.queues.vif_mut(id) {
            let step = vif.refund(bytes, cost);
            vif.seen_ns = now;
            if self.competing.contains(id) {
                self.mean.shift(step.wrapping_neg(), vif.weight);
            }
        }
        self.see_head(id);
        if !waited {
            self.compete(id);
        } else if self.aside.contains(id) {
            self.look_again(id);
        }
        self.resume = Some(id);
    }

    pub(super) fn take(&mut self, id: PortId) -> Option<Container<P>> {
        let container = self.queues.pop(id)?;
        self.give_up(id);
        if self.queues.ready().contains(id) {
            self.see_head(id);
        } else {
            self.leave(id);
        }
        if self.resume == Some(id) {
            self.resume = None;
        }
        Some(container)
    }

    pub(super) fn drain(&mut self) -> Option<Container<P>> {
        let id = self.queues.ready().first()?;
        self.take(id)
    }

    /// Cold. Nothing that is queued moves.
    pub(super) fn set_share(&mut self, now: u64, id: PortId, share: &Share) {
        if self.queues.vif(id).is_none() {
            if *share == Share::default() {
                return;
            }
            self.queues.make(id);
        }
        let Some(vif) = self.queues.vif_mut(id) else { return };
        let virtual_now = self.mean.now();
        let competes = self.competing.contains(id);
        if competes {
            self.mean.remove(vif.tag, vif.weight);
        }
        vif.change(now, virtual_now, share);
        if competes {
            self.mean.add(vif.tag, vif.weight);
        }
        if vif.has_min() && (competes || self.ahead.contains(id)) {
            self.promised.insert(id);
        } else {
            self.promised.remove(id);
        }
        if self.aside.contains(id) {
            // The cap may be higher now.
            self.look_again(id);
        }
        self.see_head(id);
    }

    pub(super) fn forget(&mut self, ingress: PortId) {
        self.queues.forget(ingress);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queues.ready().is_empty()
    }

    #[inline]
    pub(super) fn weight(&self) -> u64 {
        self.mean.weight().unsigned_abs().max(1)
    }
}
