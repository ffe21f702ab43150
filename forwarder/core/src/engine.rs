//! From ports to links: gathers packets into containers, and hands them out link by link. Where a
//! packet goes was decided before. Invariant: every packet that `offer` or `accept` took is in exactly
//! one container, open or queued, until `next`, `remove_port` or `drain` gives it out; none is dropped
//! in here.
//!
//! ```text
//!   offer ─► open container ─► scheduler ─► next ─► the device
//!  (bounds)     per pair     end_of_turn      ◄─ put_back
//!   from another worker:  accept ─►
//! ```
//! Each worker has an engine of its own, and all of them know all ports. A port that another worker
//! serves is `remote` here: what is queued for it waits in a plain hand-over queue, `next` gives it
//! out for the way to that worker, the engine there `accept`s it into the real scheduler, and
//! `taken` ends what it is charged for here.

mod handed;
mod live;
mod memory;
mod ports;
mod queue;
mod shed;
mod state;

use std::sync::Arc;

pub use handed::Handed;
pub use memory::EngineMemory;
pub use state::{ContainerCounts, PairCounts};

use self::shed::ShedChanges;
use self::state::{Link, Pair, Source};
use crate::container::Spares;
use crate::sched::Caps;
use crate::{MAX_PORTS, Packet, PortId, PortSet, PortSettings, ReleaseReason, SchedulerSettings};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    pub container_bytes: u32,
    /// Containers allocated up front; more are when they run out, and stay.
    pub container_stock: usize,
    pub scheduler: SchedulerSettings,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            container_bytes: 4096,
            container_stock: 256,
            scheduler: SchedulerSettings::default(),
        }
    }
}

pub struct Engine<P> {
    container_bytes: u32,
    scheduler: SchedulerSettings,
    caps: Arc<Caps>,
    ports: PortSet,
    /// The ports as destinations.
    links: Box<[Option<Box<Link<P>>>]>,
    /// The ports as origins, up to the last slot that was ever used.
    sources: Vec<Source>,
    /// How many pairs there are.
    pairs: usize,
    /// The pairs (ingress, egress) that have an open container, each once, oldest first.
    open: Vec<(PortId, PortId)>,
    spares: Spares<P>,
    backlogged: PortSet,
    shed: ShedChanges,
    held_packets: u64,
    held_bytes: u64,
    /// Containers let go for ports that are gone.
    past_releases: [u64; ReleaseReason::COUNT],
}

impl<P: Packet> Engine<P> {
    /// `caps` is shared with the engines of the other workers.
    #[must_use]
    pub fn new(config: EngineConfig, caps: Arc<Caps>) -> Self {
        Self {
            container_bytes: config.container_bytes,
            scheduler: config.scheduler,
            caps,
            ports: PortSet::EMPTY,
            links: (0..MAX_PORTS).map(|_| None).collect(),
            sources: Vec::new(),
            pairs: 0,
            open: Vec::new(),
            spares: Spares::new(config.container_bytes, config.container_stock),
            backlogged: PortSet::EMPTY,
            shed: ShedChanges::default(),
            held_packets: 0,
            held_bytes: 0,
            past_releases: [0; ReleaseReason::COUNT],
        }
    }

    #[must_use]
    pub fn settings(&self, port: PortId) -> Option<&PortSettings> {
        self.sources.get(port.index())?.settings.as_ref()
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

    /// What waits from `ingress` for `egress`: (bytes, packets), with the open container and what is
    /// on its way to the worker that serves `egress`.
    #[inline]
    #[must_use]
    pub fn port_depth(&self, egress: PortId, ingress: PortId) -> (u64, u64) {
        self.pair(egress, ingress).map_or((0, 0), |pair| (pair.bytes, pair.packets))
    }

    /// What went from `ingress` to the link `egress` since the pair came to be.
    #[must_use]
    pub fn pair_stats(&self, egress: PortId, ingress: PortId) -> PairCounts {
        self.pair(egress, ingress).map_or_else(PairCounts::default, |pair| pair.counts)
    }

    /// The containers of a source that were let go since its port was added. Those that another
    /// worker let go are counted there.
    #[must_use]
    pub fn container_stats(&self, ingress: PortId) -> ContainerCounts {
        self.sources.get(ingress.index()).map_or_else(ContainerCounts::default, |it| it.counts)
    }

    /// Frames of the pool in which packets from `ingress` wait here or are on their way to another
    /// worker.
    #[must_use]
    pub fn held_frames(&self, ingress: PortId) -> u64 {
        self.sources.get(ingress.index()).map_or(0, |source| source.frames)
    }

    /// Containers let go so far for this reason.
    #[must_use]
    pub fn released(&self, reason: ReleaseReason) -> u64 {
        let of = |counts: &[u64; ReleaseReason::COUNT]| {
            counts.get(reason as usize).copied().unwrap_or(0)
        };
        let now: u64 = self.sources.iter().map(|source| of(&source.counts.released)).sum();
        of(&self.past_releases) + now
    }

    /// Containers that lie ready to be filled: for tests that nothing is allocated or leaks.
    #[must_use]
    pub fn spare_containers(&self) -> usize {
        self.spares.len()
    }

    /// Superframes longer than this are to be cut before they are offered for `egress`, so that
    /// none holds a shaped link for longer than 50 us or one container, whichever is more: nobody
    /// waits long for its turn behind one packet, and a link fast enough to send a whole superframe
    /// in that time is not burdened with pieces. A link without a rate takes it at once anyhow.
    #[inline]
    #[must_use]
    pub fn piece_bytes(&self, egress: PortId) -> u32 {
        match self.links.get(egress.index()) {
            Some(Some(link)) => link.piece_bytes,
            _ => u32::MAX,
        }
    }

    /// The pairs that have come to be, in no particular order: (ingress, egress).
    pub fn pairs(&self) -> impl Iterator<Item = (PortId, PortId)> {
        let links = self.ports.iter().filter_map(|egress| {
            let link = self.links.get(egress.index())?.as_ref()?;
            Some((egress, link))
        });
        links.flat_map(|(egress, link)| link.pairs.ports().map(move |ingress| (ingress, egress)))
    }

    /// The sources that have sent to a link, in no particular order.
    pub fn sources_of(&self, egress: PortId) -> impl Iterator<Item = PortId> {
        let link = self.links.get(egress.index()).and_then(Option::as_ref);
        link.into_iter().flat_map(|link| link.pairs.ports())
    }

    #[inline]
    fn pair(&self, egress: PortId, ingress: PortId) -> Option<&Pair<P>> {
        self.links.get(egress.index())?.as_ref()?.pairs.get(ingress)
    }
}

fn pair_mut<P>(
    links: &mut [Option<Box<Link<P>>>],
    ingress: PortId,
    egress: PortId,
) -> Option<&mut Pair<P>> {
    links.get_mut(egress.index())?.as_mut()?.pairs.get_mut(ingress)
}
