//! A packet's way through the engine: it is offered, gathered, released, queued, and given to a link.
//! Invariant: `held_*`, a pair's load, and a source's frames change together. No call here
//! allocates, except for a pair's first packet, and for a container when all are in use.

use super::Engine;
use super::state::{Link, Pair};
use crate::sched::{self, Caps, Next, Scheduler};
use crate::{Container, Load, Packet, PortId, PortSet, Reason, ReleaseReason, broken};

impl<P: Packet> Engine<P> {
    /// Takes a packet for `egress`, or returns it with the reason. The bounds count what is open and what is
    /// queued. A packet larger than its bound is taken when nothing else waits. A pair over its bound is
    /// marked as shed.
    #[inline]
    pub fn offer(
        &mut self,
        now: u64,
        ingress: PortId,
        egress: PortId,
        packet: P,
    ) -> Result<(), (P, Reason)> {
        let (scheduler, pair) = loop {
            let Some(Some(link)) = self.links.get_mut(egress.index()) else {
                return Err((packet, Reason::PortGone));
            };
            if let Some(pair) = link.pairs.get_mut(ingress) {
                break (&mut link.scheduler, pair);
            }
            if !self.open_pair(now, ingress, egress) {
                let hairpin = ingress == egress;
                return Err((packet, if hairpin { Reason::NoEgress } else { Reason::PortGone }));
            }
        };
        let Some(source) = self.sources.get_mut(ingress.index()) else {
            broken!("a pair is there and its source is not");
            return Err((packet, Reason::PortGone));
        };
        let load = Load::of(&packet);
        if let Err(for_frames) = pair.take_in(source, load) {
            self.refused(ingress, egress, for_frames);
            return Err((packet, Reason::QueueFull));
        }
        self.held_bytes += load.bytes;
        self.held_packets += 1;
        if let Some(open) = &mut pair.open
            && open.fits(load.bytes, 1)
        {
            open.push(packet);
            pair.last_ns = now;
            return Ok(());
        }
        let mut fresh = self.spares.take(now, ingress, egress);
        fresh.push(packet);
        match pair.open.replace(fresh) {
            None => self.open.push((ingress, egress)),
            Some(mut full) => {
                pair.end_filling(&mut full, &mut source.counts, now, ReleaseReason::Full);
                self.backlogged.insert(egress);
                if let Some(spare) = scheduler.enqueue(now, full, pair.joins()) {
                    self.spares.put(spare);
                }
            }
        }
        pair.last_ns = now;
        pair.plan_release(now);
        Ok(())
    }

    /// Takes a whole container from another worker, or returns it with the reason. It was released there, and
    /// goes straight to its queue here.
    pub fn accept(
        &mut self,
        now: u64,
        container: Container<P>,
    ) -> Result<(), (Container<P>, Reason)> {
        if container.is_empty() {
            self.spares.put(container);
            return Ok(());
        }
        let (ingress, egress) = (container.ingress(), container.egress());
        if self.pair(egress, ingress).is_none() {
            self.open_pair(now, ingress, egress);
        }
        // A container from another worker is never sent on to a third.
        let link = self.links.get_mut(egress.index()).and_then(Option::as_mut);
        let Some(link) = link.filter(|link| !link.remote) else {
            return Err((container, Reason::PortGone));
        };
        let pair = link.pairs.get_mut(ingress);
        let (Some(pair), Some(source)) = (pair, self.sources.get_mut(ingress.index())) else {
            return Err((container, Reason::PortGone));
        };
        let load = container.load();
        if let Err(for_frames) = pair.take_in(source, load) {
            self.refused(ingress, egress, for_frames);
            return Err((container, Reason::QueueFull));
        }
        self.held_bytes += load.bytes;
        self.held_packets += load.packets;
        self.backlogged.insert(egress);
        if let Some(spare) = link.scheduler.enqueue(now, container, pair.joins()) {
            self.spares.put(spare);
        }
        Ok(())
    }

    /// Releases open containers by the policies of their ingress ports, after everything that had arrived was
    /// offered. Call it once a turn, and when `wakes_at` has come.
    #[inline]
    pub fn end_of_turn(&mut self, now: u64) {
        let Self { open, links, sources, spares, backlogged, caps, .. } = self;
        open.retain(|&(from, to)| {
            let (Some(Some(link)), Some(source)) =
                (links.get_mut(to.index()), sources.get_mut(from.index()))
            else {
                broken!("a pair with an open container has lost one of its ports");
                return false;
            };
            let Link { scheduler, pairs, rate, remote, .. } = &mut **link;
            let Some(pair) = pairs.get_mut(from) else {
                broken!("a pair that is gone is in the list of open containers");
                return false;
            };
            let shaped_elsewhere = *remote && rate.is_some();
            let reason = if now >= pair.deadline_ns {
                pair.at_deadline
            } else if pair.release.work_conserving
                && !shaped_elsewhere
                && free_at(scheduler, caps, now, pair) <= now
            {
                ReleaseReason::Idle
            } else {
                return true;
            };
            let Some(mut container) = pair.open.take() else {
                broken!("a pair without an open container is in the list of those that have one");
                return false;
            };
            pair.end_filling(&mut container, &mut source.counts, now, reason);
            backlogged.insert(to);
            if let Some(spare) = scheduler.enqueue(now, container, pair.joins()) {
                spares.put(spare);
            }
            false
        });
    }

    /// When the next open container must be released: call `end_of_turn` then. Containers of links with a
    /// backlog may have to be released earlier, but that backlog brings the worker back anyway.
    pub fn wakes_at(&self) -> Option<u64> {
        let due = |&(from, to): &(PortId, PortId)| {
            let link = self.link(to)?;
            let pair = link.pairs.get(from)?;
            Some(if pair.release.work_conserving && !(link.remote && link.rate.is_some()) {
                pair.deadline_ns.min(free_at(&link.scheduler, &self.caps, 0, pair))
            } else {
                pair.deadline_ns
            })
        };
        self.open.iter().filter_map(due).min()
    }

    /// Frames that do not pass through this engine occupy the link until then. Applies to a link with a rate
    /// that is served here.
    pub fn occupy(&mut self, egress: PortId, until: u64) {
        if let Some(clock) = self.clock(egress) {
            clock.occupy(until);
        }
    }

    /// Charges `bytes` that did not pass through this engine to a link with a rate that is served here. They
    /// put the link at most `ahead_ns` ahead of now.
    pub fn charge_passing(&mut self, now: u64, egress: PortId, bytes: u64, ahead_ns: u64) {
        if let Some(clock) = self.clock(egress) {
            clock.charge_passing(now, bytes, ahead_ns);
        }
    }

    fn clock(&mut self, egress: PortId) -> Option<&mut sched::Link> {
        self.links.get_mut(egress.index())?.as_mut()?.scheduler.link_mut()
    }

    /// When the link, at its rate, will have sent what it was given; 0: it has no rate, or has sent nothing.
    pub fn link_due(&self, egress: PortId) -> u64 {
        self.link(egress).map_or(0, |link| link.scheduler.opens_at(0))
    }

    /// Counts what a source with a maximum rate sent by another way, which takes its rate until then.
    pub fn occupy_source(&mut self, ingress: PortId, until: u64) {
        self.caps.occupy(ingress, until);
    }

    /// When the bytes that a source with a maximum rate has sent would have been sent at that rate.
    pub fn source_due(&self, ingress: PortId) -> u64 {
        self.caps.due_ns(ingress)
    }

    /// When a link for which nothing waits here is free again. Cold: it reads every source.
    pub fn idle_from(&self, egress: PortId) -> Option<u64> {
        let link = self.link(egress)?;
        let waits = link.pairs.iter().any(|(_, pair)| pair.load.packets > 0);
        (!waits).then(|| link.scheduler.opens_at(0))
    }

    /// Whether a link has a rate and is served here.
    #[inline]
    pub fn is_shaped(&self, egress: PortId) -> bool {
        self.link(egress).is_some_and(|link| link.rate.is_some() && !link.remote)
    }

    /// The sum of the weights of the sources that wait for a link.
    #[inline]
    pub fn waiting_weight(&self, egress: PortId) -> u64 {
        self.link(egress).map_or(1, |link| link.scheduler.weight())
    }

    /// Whether the link is at its rate, so that nothing may leave by it yet.
    #[inline]
    pub fn is_at_rate(&self, now: u64, egress: PortId) -> bool {
        self.link(egress).is_some_and(|link| link.scheduler.opens_at(now) > now)
    }

    /// Egress ports with something to send.
    #[inline]
    pub fn backlogged(&self) -> PortSet {
        self.backlogged
    }

    /// The next container for a link. Its contents are no longer held here. If another worker serves the
    /// link, they count towards the bounds until `taken` is called.
    #[inline]
    pub fn next(&mut self, now: u64, egress: PortId) -> Next<P> {
        let Some(Some(link)) = self.links.get_mut(egress.index()) else { return Next::Empty };
        let container = match link.scheduler.next(now) {
            Next::Container(container) => container,
            nothing => return nothing,
        };
        if link.scheduler.is_empty() {
            self.backlogged.remove(egress);
        }
        let (ingress, load) = (container.ingress(), container.load());
        if link.remote {
            self.spares.gone();
        }
        self.held_bytes -= load.bytes;
        self.held_packets -= load.packets;
        let pair = link.pairs.get_mut(ingress);
        let (Some(pair), Some(source)) = (pair, self.sources.get_mut(ingress.index())) else {
            broken!("a queued container is of no pair");
            return Next::Container(container);
        };
        pair.counts.sent_bytes += load.bytes;
        pair.counts.sent_packets += load.packets;
        if !link.remote {
            pair.load -= load;
            source.frames -= load.frames;
            if pair.shed || !source.starved.is_empty() {
                self.relieve(ingress, egress);
            }
        }
        Next::Container(container)
    }

    /// Takes back what is left of a container when the device was full. It goes to the head of its queue, and
    /// its source keeps its turn. The queue may exceed its bound by what was accepted meanwhile. If `next`
    /// returned several containers, put the last one back first. The container is returned if one of its
    /// ports is gone.
    #[inline]
    pub fn put_back(
        &mut self,
        now: u64,
        egress: PortId,
        container: Container<P>,
    ) -> Result<(), (Container<P>, Reason)> {
        if container.is_empty() {
            self.spares.put(container);
            return Ok(());
        }
        let ingress = container.ingress();
        if self.pair(egress, ingress).is_none() {
            // The port was removed and added again meanwhile.
            self.open_pair(now, ingress, egress);
        }
        let Some(Some(link)) = self.links.get_mut(egress.index()) else {
            return Err((container, Reason::PortGone));
        };
        let pair = link.pairs.get_mut(ingress);
        let pair = pair.filter(|_| container.egress() == egress);
        let (Some(pair), Some(source)) = (pair, self.sources.get_mut(ingress.index())) else {
            return Err((container, Reason::PortGone));
        };
        let load = container.load();
        // If the pair was recreated meanwhile, its counters never included these packets.
        pair.counts.sent_bytes = pair.counts.sent_bytes.saturating_sub(load.bytes);
        pair.counts.sent_packets = pair.counts.sent_packets.saturating_sub(load.packets);
        // A container for another worker is still counted here.
        if !link.remote {
            pair.load += load;
            source.frames += load.frames;
        }
        self.held_bytes += load.bytes;
        self.held_packets += load.packets;
        link.scheduler.put_back(now, container);
        self.backlogged.insert(egress);
        Ok(())
    }

    /// Takes an empty container back for reuse. The caller has already accounted for each of its packets.
    #[inline]
    pub fn recycle(&mut self, container: Container<P>) {
        self.spares.put(container);
    }

    /// An empty container that came from another worker and is not needed here. Sending it back to be
    /// recycled there spares both workers the allocator.
    #[inline]
    pub fn surplus(&mut self) -> Option<Container<P>> {
        self.spares.surplus()
    }
}

/// When the link would take the pair's open container at once; `u64::MAX` while others wait for it. For a
/// link with a rate that another worker serves, the time is not known: it may be busy.
#[inline]
fn free_at<P: Packet>(scheduler: &Scheduler<P>, caps: &Caps, now: u64, pair: &Pair<P>) -> u64 {
    let Some(open) = &pair.open else { return u64::MAX };
    if !scheduler.is_empty() {
        return u64::MAX;
    }
    scheduler.opens_at(now).max(caps.ready_at(now, open.ingress(), open.bytes()))
}
