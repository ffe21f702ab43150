//! Which vif goes next, and what it is charged. The order is the one that `fair` describes: minimum rates,
//! prompt containers, weights.

use super::vif::{LAG_CONTAINERS, Vif};
use super::{Fair, cost, see_head};
use crate::sched::time::Time;
use crate::{Container, Packet, PortId, broken, invariant};

impl<P: Packet> Fair<P> {
    /// The vif that goes now; `Ok(None)` if no vif may go. `Err` is the time before which none may.
    #[inline]
    pub(super) fn turn(&mut self, now: u64) -> Result<Option<PortId>, u64> {
        if self.competing.is_empty() && self.ahead.is_empty() {
            return Ok(None);
        }
        let opens_at = self.link.opens_at(now);
        // This vif had its turn when the link allowed it. If its container was prompt, it may still go early.
        if let Some(id) = self.resume
            && (self.competing.contains(id) || self.ahead.contains(id))
            && (opens_at == 0 || self.link.opens_early_at(now) == 0)
        {
            return Ok(Some(id));
        }
        let (due, late) = if self.promised.is_empty() || !self.link.has_rate() {
            (None, false)
        } else {
            self.by_minimum(now)
        };
        if opens_at == 0 {
            let prompt = || self.prompt.first();
            return Ok(due.or_else(prompt).or_else(|| self.by_weight()));
        }
        // Prompt containers must not delay a vif that missed its minimum rate, unless that vif's own
        // container is prompt.
        let prompt =
            if late { due.filter(|&id| self.prompt.contains(id)) } else { self.prompt.first() };
        let Some(prompt) = prompt else { return Err(opens_at) };
        match self.link.opens_early_at(now) {
            0 => Ok(Some(prompt)),
            at => Err(at),
        }
    }

    /// The vif with the earliest deadline among those below their minimum rates, and whether it has missed
    /// that deadline.
    #[inline]
    fn by_minimum(&self, now: u64) -> (Option<PortId>, bool) {
        let now = Time::at(now);
        let mut first: Option<(Time, PortId)> = None;
        for id in &self.promised {
            if let Some(vif) = self.queues.vif(id)
                && vif.is_due(now)
                && first.is_none_or(|(earliest, _)| vif.deadline() < earliest)
            {
                first = Some((vif.deadline(), id));
            }
        }
        (first.map(|(_, id)| id), first.is_some_and(|(deadline, _)| deadline <= now))
    }

    /// The vif whose container would end first, among those not ahead of virtual time.
    #[inline]
    fn by_weight(&mut self) -> Option<PortId> {
        if !self.ahead.is_empty() {
            self.catch_up();
        }
        let virtual_now = self.mean.now();
        let mut first: Option<(i64, PortId)> = None;
        for id in &self.competing {
            let Some(vif) = self.queues.vif(id) else {
                broken!("who competes has no queue");
                continue;
            };
            let ahead = vif.tag.wrapping_sub(virtual_now);
            let end = ahead.wrapping_add(vif.head_step);
            if ahead <= 0 && first.is_none_or(|(earliest, _)| end < earliest) {
                first = Some((end, id));
            }
        }
        invariant!(first.is_some(), "everybody is ahead of the mean of all");
        first.map(|(_, id)| id)
    }

    /// Lets vifs that are no longer ahead compete again; if no vif competes, the one least ahead does.
    #[inline]
    fn catch_up(&mut self) {
        let virtual_now = self.mean.now();
        let mut least: Option<(i64, PortId)> = None;
        for id in self.ahead {
            let Some(vif) = self.queues.vif(id) else {
                broken!("who is ahead has no queue");
                continue;
            };
            let ahead = vif.tag.wrapping_sub(virtual_now);
            if ahead <= 0 {
                self.ahead.remove(id);
                self.compete(id);
            } else if least.is_none_or(|(by, _)| ahead < by) {
                least = Some((ahead, id));
            }
        }
        if self.competing.is_empty()
            && let Some((_, id)) = least
        {
            self.ahead.remove(id);
            self.compete(id);
        }
    }

    /// Takes a vif's first container out and charges for it.
    #[inline]
    pub(super) fn serve(&mut self, now: u64, id: PortId) -> Option<Container<P>> {
        let container = self.queues.pop(id)?;
        let resumed = self.resume.take() == Some(id);
        let (bytes, cost) = (container.bytes(), cost(self.settings.policy, &container));
        self.link.charge(now, bytes);
        if let Some(queue) = self.queues.get_mut(id) {
            let vif = &mut queue.vif;
            if vif.reserved != 0 {
                // Charged again from now, so that going later than was reserved saves up nothing.
                self.caps.refund(id, std::mem::take(&mut vif.reserved));
            }
            self.caps.charge(now, id, bytes);
            let virtual_now = self.mean.now();
            let by_minimum = self.link.has_rate()
                && vif.has_min()
                && vif.is_due(Time::at(now))
                && vif.tag.wrapping_sub(virtual_now) > 0;
            if by_minimum && self.competing.remove(id) {
                self.mean.remove(vif.tag, vif.weight);
                self.prompt.remove(id);
                self.ahead.insert(id);
            }
            let most = virtual_now.wrapping_add(2 * vif.step(self.largest_cost));
            let step = vif.serve(now, cost, by_minimum.then_some(most));
            if vif.has_min() {
                let link_lag_ns = self.link.time_of_largest_ns(LAG_CONTAINERS);
                vif.serve_minimum(now, bytes, resumed, link_lag_ns);
            }
            let competes = self.competing.contains(id);
            if queue.head().is_some() {
                if competes {
                    self.mean.shift(step, queue.vif.weight);
                }
                see_head(self.settings.policy, queue, &mut self.largest_cost);
            } else if competes {
                let Vif { tag, weight, .. } = queue.vif;
                self.mean.shift(step, weight);
                self.mean.remove(tag, weight);
                self.competing.remove(id);
                self.prompt.remove(id);
                self.promised.remove(id);
            } else {
                self.leave(id);
            }
        }
        self.link.leave_behind(!self.competing.is_empty() || !self.ahead.is_empty());
        Some(container)
    }

    /// When the vif's first container may go by its cap; 0: now.
    #[inline]
    pub(super) fn allowed_at(&self, now: u64, id: PortId) -> u64 {
        match self.queues.vif(id) {
            // A vif with a reservation had its time fixed when it was set aside, and that time has come.
            Some(vif) if vif.reserved == 0 => self.caps.ready_at(now, id, vif.head_bytes),
            _ => 0,
        }
    }

    /// Sets a vif aside until then, because it is over its cap. The cap is charged at once: links that want
    /// the same source's cap get it in the order in which they ask, so that a link with room to spare cannot
    /// take it all.
    pub(super) fn set_aside(&mut self, now: u64, id: PortId, until: u64) {
        self.leave(id);
        self.aside.insert(id);
        self.reserve(now, id, until);
        self.aside_until = self.aside_until.min(until);
    }

    fn reserve(&mut self, now: u64, id: PortId, until: u64) {
        let Some(vif) = self.queues.vif_mut(id) else {
            return broken!("who is set aside has no queue");
        };
        vif.aside_until = until;
        vif.reserved = vif.head_bytes;
        self.caps.charge(now, id, vif.head_bytes);
    }

    /// Returns a reservation that is not needed.
    pub(super) fn give_up(&mut self, id: PortId) {
        if let Some(vif) = self.queues.vif_mut(id)
            && vif.reserved != 0
        {
            self.caps.refund(id, std::mem::take(&mut vif.reserved));
        }
    }

    /// Re-reads a vif's cap, which may have changed.
    pub(super) fn look_again(&mut self, id: PortId) {
        if let Some(vif) = self.queues.vif_mut(id) {
            vif.aside_until = 0;
            self.aside_until = 0;
        }
    }

    /// Readmits the vifs whose time has come.
    pub(super) fn release(&mut self, now: u64) {
        self.aside_until = u64::MAX;
        for id in self.aside {
            let until = self.queues.vif(id).map_or(0, |vif| vif.aside_until);
            let until = if until == 0 {
                self.give_up(id);
                let until = self.allowed_at(now, id);
                if until != 0 {
                    self.reserve(now, id, until);
                }
                until
            } else {
                until
            };
            if until <= now {
                match self.queues.vif_mut(id) {
                    Some(vif) => vif.arrive(now, self.mean.now(), false),
                    None => broken!("who is set aside has no queue"),
                }
                self.aside.remove(id);
                self.compete(id);
            } else {
                self.aside_until = self.aside_until.min(until);
            }
        }
    }
}
