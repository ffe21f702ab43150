//! Weighted sharing of one link by virtual time, with minimum and maximum rates: what `drr` and
//! `wrr` have in common. They differ in what they count, bytes or packets: see [`Measure`].
//! Invariant: every vif with a container queued is in exactly one of `competing`, `ahead`, `aside`;
//! no other vif is in any of them; `mean` sums over exactly those in `competing`.
//!
//! # Weights
//!
//! Deficit round robin gives a vif of weight 30 a run of 30 containers: right in the long run, and
//! thirty containers from the ideal share in between. So the deficit is kept as a tag per vif
//! instead: what it was served, divided by its weight. The mean of the tags of those that compete,
//! weighted, is the link's virtual time: where all of them would be had they been served as a
//! fluid. Who is not ahead of it is eligible (there is always one), and of these goes whose
//! container would end first: smallest tag + container / weight (EEVDF).
//!
//! Bound, for vifs that compete all the time, in what the measure counts: since a vif began to wait
//! it has got its ideal share to within one largest container; so between any two moments later to
//! within two. Measured: 1.00 between two vifs, 1.8 among six, 1.95 among 64 with all weights
//! different; that some weights need more than one is in the nature of whole containers.
//!
//! Who comes to an empty queue goes on from its old tag, or from the virtual time if that is later:
//! it keeps its debt and gains no credit. Its debt is forgotten after `inactive_after`, but not
//! within 16 containers on this link: on a slow link a vif could otherwise pause after each one and
//! never pay. Who leaves takes its tag with it, and the mean of the others is where they are.
//!
//! # Minimum rates
//!
//! A second clock for each vif that has one, in time: when the service it got so far would have
//! been due at that rate, never more than a container later than now, and not more than
//! `LAG_NS` or 4 containers earlier (its own at that rate, or the largest on the link, whichever take longer), so
//! that a device that stood still leads to no endless catching up. Whose clock is not after now goes first, by earliest deadline. If it is ahead of
//! the virtual time by then, its weight alone gives it less than its minimum: its tag is put at most
//! two largest containers ahead, what is beyond that forgotten, and it does not compete until virtual time
//! has come to its tag. So it gets `max(weight * level, min)`, and whoever only lives by its minimum
//! neither pays for it afterwards nor shifts the mean of the others. Minimum rates are kept on links
//! that have a rate. Their vifs are taken out of turn, which for the others adds one container to
//! the bound for each.
//!
//! # Maximum rates
//!
//! Who may not go because of its cap, see [`Caps`], is set aside until it may, and its part of the
//! cap is reserved: links get it in the order in which they ask. It does not compete meanwhile, and comes back as if it had been idle, with its debt and without credit. What it may
//! have to wait for its turn then is less than its cap has in reserve.
//!
//! # Prompt containers
//!
//! A vif that has but one container queued, which came to an empty queue, and that this one puts no
//! further ahead of virtual time than a turn puts any other, or whose minimum rate says that it is
//! due, is no flood and within its share. That container goes at once, although the link is still
//! busy with another (it is charged, and whoever comes later waits for that much longer), unless
//! somebody else would miss a minimum rate. A polite vif among floods thus waits as long as on an idle
//! link. Who takes more than its share is soon too far ahead, or has more queued, and waits.
//!
//! # Cost
//!
//! A decision looks once at each vif that waits on this link, at one cache line of its own, and
//! divides once. Vifs that do not wait cost nothing. No allocation but that of the queues.

mod control;
mod mean;
#[cfg(test)]
mod tests;
mod turn;
mod vif;

use std::marker::PhantomData;
use std::sync::Arc;

use self::mean::Mean;
use self::vif::Vif;
use super::link::Link;
use super::queues::{Pushed, Queue, Queues};
use super::{Caps, Next, Scheduler};
use crate::{Container, Packet, PortId, PortSet, Rate, SchedulerSettings, Share, broken};

/// What a weight is a share of.
pub trait Measure {
    /// In any unit, as long as it is below 2^32 and coarse against 2^-20 of its thousandth.
    fn cost<P: Packet>(container: &Container<P>) -> u64;
}

/// See the module.
#[derive(Debug)]
pub struct Fair<P, M> {
    /// With what is known of each vif.
    queues: Queues<P, Vif>,
    link: Link,
    caps: Arc<Caps>,
    mean: Mean,
    /// Who is counted in `mean`.
    competing: PortSet,
    /// Who is ahead of virtual time by its minimum rate.
    ahead: PortSet,
    /// Over their caps.
    aside: PortSet,
    /// Those of `competing` and `ahead` that have a minimum rate.
    promised: PortSet,
    /// Those of `competing` whose only container is prompt.
    prompt: PortSet,
    /// No vif of `aside` may go before.
    aside_until: u64,
    /// What the largest container so far cost.
    largest_cost: u64,
    /// Had its turn, but the device took less.
    resume: Option<PortId>,
    inactive_after_ns: u64,
    measure: PhantomData<M>,
}

/// Containers on the link for which a debt is remembered in any case.
const REMEMBERED: u32 = 16;

impl<P: Packet, M: Measure> Fair<P, M> {
    #[must_use]
    pub fn new(settings: &SchedulerSettings, caps: Arc<Caps>) -> Self {
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
            inactive_after_ns: settings.inactive_after_ns,
            measure: PhantomData,
        }
    }

    /// Looks at a vif's first container anew.
    #[inline]
    fn see_head(&mut self, id: PortId) {
        if let Some(queue) = self.queues.get_mut(id) {
            see_head::<P, M>(queue, &mut self.largest_cost);
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

    /// Its queue was empty until now.
    #[inline]
    fn arrive(&mut self, now: u64, id: PortId) {
        let remembered_ns = self.inactive_after_ns.max(self.link.time_of_largest_ns(REMEMBERED));
        let Some(queue) = self.queues.get_mut(id) else {
            return broken!("a container was queued and there is no queue");
        };
        see_head::<P, M>(queue, &mut self.largest_cost);
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

    /// Takes it out of whatever it is in.
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

    /// After something was taken from its queue.
    #[inline]
    fn after_pop(&mut self, id: PortId) {
        if self.queues.ready().contains(id) {
            self.see_head(id);
        } else {
            self.leave(id);
        }
    }

    fn out_of_turn(&mut self, id: PortId) -> Option<Container<P>> {
        let container = self.queues.pop(id)?;
        self.give_up(id);
        self.after_pop(id);
        if self.resume == Some(id) {
            self.resume = None;
        }
        Some(container)
    }
}

/// What a queue's first container costs is what its vif pays next.
#[inline]
fn see_head<P: Packet, M: Measure>(queue: &mut Queue<P, Vif>, largest_cost: &mut u64) {
    if let Some(head) = queue.head() {
        let (bytes, cost) = (head.bytes(), M::cost(head));
        *largest_cost = cost.max(*largest_cost);
        queue.vif.see_head(bytes, cost);
    }
}

impl<P: Packet, M: Measure> Scheduler<P> for Fair<P, M> {
    #[inline]
    fn enqueue(&mut self, now: u64, container: Container<P>, join: bool) -> Option<Container<P>> {
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
            Pushed::Joined { emptied, at_head } => {
                if at_head {
                    if self.aside.contains(id) {
                        // More than was reserved for it.
                        self.look_again(id);
                    }
                    self.see_head(id);
                    if !self.is_owed(now, id) {
                        self.prompt.remove(id);
                    }
                }
                Some(emptied)
            }
            Pushed::Refused(container) => Some(container),
        }
    }

    #[inline]
    fn next(&mut self, now: u64) -> Next<P> {
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
                // It must not be asked for ever.
                broken!("it is a vif's turn and nothing is queued for it");
                self.leave(id);
            }
        }
    }

    #[inline]
    fn put_back(&mut self, now: u64, container: Container<P>) {
        let (id, bytes, cost) = (container.ingress(), container.bytes(), M::cost(&container));
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

    fn take(&mut self, ingress: PortId) -> Option<Container<P>> {
        self.out_of_turn(ingress)
    }

    fn drain(&mut self) -> Option<Container<P>> {
        let id = self.queues.ready().first()?;
        self.out_of_turn(id)
    }

    fn set_share(&mut self, now: u64, ingress: PortId, share: &Share) {
        self.change_share(now, ingress, share);
    }

    fn forget(&mut self, ingress: PortId) {
        self.queues.forget(ingress);
    }

    fn memory(&self) -> usize {
        self.queues.memory()
    }

    fn set_link_rate(&mut self, now: u64, rate: Option<Rate>) {
        self.link.set(now, rate);
    }

    #[inline]
    fn backlog_bytes(&self) -> u64 {
        self.queues.bytes()
    }

    #[inline]
    fn backlog_packets(&self) -> u64 {
        self.queues.packets()
    }

    #[inline]
    fn weight(&self) -> u64 {
        self.mean.weight().unsigned_abs().max(1)
    }

    #[inline]
    fn opens_at(&self, now: u64) -> u64 {
        self.link.opens_at(now)
    }

    fn occupy(&mut self, until: u64) {
        self.link.occupy(until);
    }

    fn charge_passing(&mut self, now: u64, bytes: u64, ahead_ns: u64) {
        self.link.charge_passing(now, bytes, ahead_ns);
    }
}
