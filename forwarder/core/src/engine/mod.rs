//! The switch: decides where a packet goes, gathers packets into containers, and hands them out
//! link by link. Invariant: every packet that `offer` took is in exactly one container, open or
//! queued, until `next`, `remove_port` or `drain` gives it out; none is dropped in here.
//!
//! ```text
//!  decide ─► To / Flood / Drop        offer ─► open container ─► scheduler ─► next ─► the device
//!   (FDB, learns)                     (bound)   per pair      end_of_burst      ◄─ put_back
//! ```

mod ports;
mod route;

pub use route::{Decision, Key};

use self::route::Last;
use crate::container::Spares;
use crate::sched::{Next, RoundRobin, Scheduler};
use crate::{
    Container, Fdb, MAX_PORTS, Packet, PortId, PortSet, Reason, ReleasePolicy, ReleaseReason,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    pub fdb_capacity: usize,
    pub fdb_ageing_ns: u64,
    /// Drawn at random by the caller, see [`Fdb`].
    pub fdb_seed: u64,
    pub container_bytes: u32,
    /// Containers allocated up front; more are when they run out, and stay.
    pub container_stock: usize,
    pub release: ReleasePolicy,
}

impl EngineConfig {
    /// What one vif may have waiting for one link, where its port does not say.
    pub const DEFAULT_QUEUE_BYTES: u64 = 512 << 10;
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            fdb_capacity: Fdb::DEFAULT_CAPACITY,
            fdb_ageing_ns: Fdb::DEFAULT_AGEING_NS,
            fdb_seed: 0,
            container_bytes: 4096,
            container_stock: 256,
            release: ReleasePolicy::Eager,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortRole {
    Vif,
    Uplink,
}

/// What one ingress port has waiting for one egress port.
struct Pair<P> {
    open: Option<Container<P>>,
    /// Open and queued.
    bytes: u64,
    packets: u64,
    bound: u64,
    /// Both ports are there.
    live: bool,
}

struct Egress<P> {
    scheduler: RoundRobin<P>,
    /// Indexed by the ingress port.
    pairs: Box<[Pair<P>]>,
    role: PortRole,
    /// As an ingress, towards each egress.
    queue_bytes: u64,
}

pub struct Engine<P> {
    release: ReleasePolicy,
    fdb: Fdb,
    ports: PortSet,
    egress: Box<[Option<Box<Egress<P>>>]>,
    last: Box<[Last]>,
    /// The pairs that have an open container, each once.
    open: Vec<(PortId, PortId)>,
    spares: Spares<P>,
    backlogged: PortSet,
    held_packets: u64,
    held_bytes: u64,
    releases: [u64; ReleaseReason::COUNT],
}

impl<P: Packet> Engine<P> {
    #[must_use]
    pub fn new(config: EngineConfig) -> Self {
        Self {
            release: config.release,
            fdb: Fdb::new(config.fdb_capacity, config.fdb_ageing_ns, config.fdb_seed),
            ports: PortSet::EMPTY,
            egress: (0..MAX_PORTS).map(|_| None).collect(),
            last: vec![Last::NEVER; MAX_PORTS].into_boxed_slice(),
            open: Vec::new(),
            spares: Spares::new(config.container_bytes, config.container_stock),
            backlogged: PortSet::EMPTY,
            held_packets: 0,
            held_bytes: 0,
            releases: [0; ReleaseReason::COUNT],
        }
    }

    #[inline]
    #[must_use]
    pub fn ports(&self) -> PortSet {
        self.ports
    }

    #[must_use]
    pub fn role(&self, port: PortId) -> Option<PortRole> {
        self.egress.get(port.index())?.as_ref().map(|egress| egress.role)
    }

    /// For `weir dump` and for static entries; what it answers is always asked anew after a change.
    #[must_use]
    pub fn fdb(&self) -> &Fdb {
        &self.fdb
    }

    #[must_use]
    pub fn fdb_mut(&mut self) -> &mut Fdb {
        &mut self.fdb
    }

    /// Takes a packet in for `egress`, or hands it back with the reason. The bound counts what is
    /// open and what is queued; a packet larger than the bound is taken when nothing else waits.
    #[inline]
    pub fn offer(
        &mut self,
        now: u64,
        ingress: PortId,
        egress: PortId,
        packet: P,
    ) -> Result<(), (P, Reason)> {
        let Some(Some(link)) = self.egress.get_mut(egress.index()) else {
            return Err((packet, Reason::PortGone));
        };
        let Some(pair) = link.pairs.get_mut(ingress.index()).filter(|pair| pair.live) else {
            let hairpin = ingress == egress;
            return Err((packet, if hairpin { Reason::NoEgress } else { Reason::PortGone }));
        };
        let bytes = u64::from(packet.len());
        if pair.bytes + bytes > pair.bound && pair.packets != 0 {
            return Err((packet, Reason::QueueFull));
        }
        pair.bytes += bytes;
        pair.packets += 1;
        self.held_bytes += bytes;
        self.held_packets += 1;
        if let Some(open) = &mut pair.open
            && open.fits(bytes, 1)
        {
            open.push(packet);
            return Ok(());
        }
        let mut fresh = self.spares.take(now, ingress, egress);
        fresh.push(packet);
        match pair.open.replace(fresh) {
            None => self.open.push((ingress, egress)),
            Some(mut full) => {
                full.release(now, ReleaseReason::Full);
                count(&mut self.releases, ReleaseReason::Full);
                self.backlogged.insert(egress);
                if let Some(spare) = link.scheduler.enqueue(now, full) {
                    self.spares.put(spare);
                }
            }
        }
        Ok(())
    }

    /// A poll burst is over: open containers are let go as their policy says.
    #[inline]
    pub fn end_of_burst(&mut self, now: u64) {
        let Self { open, egress, spares, backlogged, releases, release, .. } = self;
        open.retain(|&(from, to)| {
            let Some(Some(link)) = egress.get_mut(to.index()) else { return false };
            let Some(pair) = link.pairs.get_mut(from.index()) else { return false };
            let reason = match &pair.open {
                Some(container) => release.at_end_of_burst(now, container.opened_ns()),
                None => return false,
            };
            let Some(reason) = reason else { return true };
            if let Some(mut container) = pair.open.take() {
                container.release(now, reason);
                count(releases, reason);
                backlogged.insert(to);
                if let Some(spare) = link.scheduler.enqueue(now, container) {
                    spares.put(spare);
                }
            }
            false
        });
    }

    /// Egress ports with something to send.
    #[inline]
    #[must_use]
    pub fn backlogged(&self) -> PortSet {
        self.backlogged
    }

    /// The next container for a link. What is in it is no longer held here.
    #[inline]
    pub fn next(&mut self, now: u64, egress: PortId) -> Option<Container<P>> {
        let link = self.egress.get_mut(egress.index())?.as_mut()?;
        let Next::Container(container) = link.scheduler.next(now) else { return None };
        if link.scheduler.backlog_packets() == 0 {
            self.backlogged.remove(egress);
        }
        let packets = container.len() as u64;
        if let Some(pair) = link.pairs.get_mut(container.ingress().index()) {
            pair.bytes -= container.bytes();
            pair.packets -= packets;
        }
        self.held_bytes -= container.bytes();
        self.held_packets -= packets;
        Some(container)
    }

    /// The device was full: what is left goes to the head of its queue and keeps its turn. It may
    /// exceed the bound by what was accepted meanwhile. Of several taken by `next`, put the last
    /// back first. Handed back when one of its ports is gone.
    #[inline]
    pub fn put_back(
        &mut self,
        egress: PortId,
        container: Container<P>,
    ) -> Result<(), (Container<P>, Reason)> {
        if container.is_empty() {
            self.spares.put(container);
            return Ok(());
        }
        let Some(Some(link)) = self.egress.get_mut(egress.index()) else {
            return Err((container, Reason::PortGone));
        };
        let ingress = container.ingress().index();
        let pair = link.pairs.get_mut(ingress).filter(|pair| pair.live);
        let Some(pair) = pair.filter(|_| container.egress() == egress) else {
            return Err((container, Reason::PortGone));
        };
        let packets = container.len() as u64;
        pair.bytes += container.bytes();
        pair.packets += packets;
        self.held_bytes += container.bytes();
        self.held_packets += packets;
        link.scheduler.put_back(container);
        self.backlogged.insert(egress);
        Ok(())
    }

    /// Gives an emptied container's storage back. It must be empty: it is the caller's to say what
    /// became of each packet.
    #[inline]
    pub fn recycle(&mut self, container: Container<P>) {
        self.spares.put(container);
    }

    /// Packets inside, open and queued.
    #[inline]
    #[must_use]
    pub fn held_packets(&self) -> u64 {
        self.held_packets
    }

    #[inline]
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// What waits from `ingress` for `egress`, open container included: (bytes, packets).
    #[inline]
    #[must_use]
    pub fn port_depth(&self, egress: PortId, ingress: PortId) -> (u64, u64) {
        self.egress
            .get(egress.index())
            .and_then(Option::as_ref)
            .and_then(|link| link.pairs.get(ingress.index()))
            .map_or((0, 0), |pair| (pair.bytes, pair.packets))
    }

    /// Containers let go so far for this reason.
    #[must_use]
    pub fn released(&self, reason: ReleaseReason) -> u64 {
        self.releases.get(reason as usize).copied().unwrap_or(0)
    }

    /// Containers that lie ready to be filled: for tests that nothing is allocated or leaks.
    #[must_use]
    pub fn spare_containers(&self) -> usize {
        self.spares.len()
    }
}

#[inline]
fn count(releases: &mut [u64; ReleaseReason::COUNT], reason: ReleaseReason) {
    if let Some(n) = releases.get_mut(reason as usize) {
        *n += 1;
    }
}
