//! The engine gathers packets into containers and hands them out link by link. Where a packet goes was
//! decided before. Invariant: every packet that `offer` or `accept` took is in exactly one container, open or
//! queued, until `next`, `remove_port` or `drain` returns it; the engine drops none. What is kept per pair is
//! kept only for pairs that exist: nothing grows with the number of ports times itself.
//!
//! ```text
//!   offer ─► open container ─► scheduler ─► next ─► the device
//!  (bounds)     per pair     end_of_turn      ◄─ put_back
//!   from another worker:  accept ─►
//! ```
//! Each worker has its own engine, and every engine knows all ports. A port that another worker serves is
//! `remote` here. What is queued for it waits in a plain hand-over queue. `next` returns its containers, the
//! other worker's engine `accept`s them into the real scheduler, and `taken` ends the charge for them here.
//! So what a source has in both engines and between them never exceeds what the two engines allow it.

mod ports;
mod queue;
mod shed;
mod state;

use std::sync::Arc;

pub use state::{ContainerCounts, PairCounts};

use self::shed::ShedChanges;
use self::state::{Link, Pair, Source};
use crate::container::Spares;
use crate::sched::Caps;
use crate::{
    Container, Load, MAX_PORTS, Packet, PortId, PortSet, PortSettings, SchedulerSettings, broken,
    invariant,
};

/// Containers allocated up front. More are allocated when they run out, and are kept.
const CONTAINER_STOCK: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    pub container_bytes: u32,
    pub scheduler: SchedulerSettings,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { container_bytes: 4096, scheduler: SchedulerSettings::default() }
    }
}

pub struct Engine<P> {
    config: EngineConfig,
    caps: Arc<Caps>,
    ports: PortSet,
    /// The ports as destinations.
    links: Box<[Option<Box<Link<P>>>]>,
    /// The ports as sources, up to the highest slot ever used.
    sources: Vec<Source>,
    /// The number of pairs.
    pairs: usize,
    /// The pairs (ingress, egress) that have an open container, each once, oldest first.
    open: Vec<(PortId, PortId)>,
    spares: Spares<P>,
    backlogged: PortSet,
    shed: ShedChanges,
    held_packets: u64,
    held_bytes: u64,
}

impl<P: Packet> Engine<P> {
    /// `caps` is shared with the engines of the other workers.
    pub fn new(config: EngineConfig, caps: Arc<Caps>) -> Self {
        Self {
            config,
            caps,
            ports: PortSet::EMPTY,
            links: (0..MAX_PORTS).map(|_| None).collect(),
            sources: Vec::new(),
            pairs: 0,
            open: Vec::new(),
            spares: Spares::new(config.container_bytes, CONTAINER_STOCK),
            backlogged: PortSet::EMPTY,
            shed: ShedChanges::default(),
            held_packets: 0,
            held_bytes: 0,
        }
    }

    pub fn settings(&self, port: PortId) -> Option<&PortSettings> {
        self.sources.get(port.index())?.settings.as_ref()
    }

    /// Packets held here, open and queued.
    #[inline]
    pub fn held_packets(&self) -> u64 {
        self.held_packets
    }

    #[inline]
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// What waits from `ingress` for `egress`: (bytes, packets). It includes the open container and what is
    /// on its way to the worker that serves `egress`.
    #[inline]
    pub fn port_depth(&self, egress: PortId, ingress: PortId) -> (u64, u64) {
        self.pair(egress, ingress).map_or((0, 0), |pair| (pair.load.bytes, pair.load.packets))
    }

    /// What was sent from `ingress` to the link `egress` since the pair was created.
    pub fn pair_stats(&self, egress: PortId, ingress: PortId) -> PairCounts {
        self.pair(egress, ingress).map_or_else(PairCounts::default, |pair| pair.counts)
    }

    /// The containers of a source that were released since its port was added. Those that another worker
    /// released are counted there.
    #[must_use]
    pub fn container_stats(&self, ingress: PortId) -> ContainerCounts {
        self.sources.get(ingress.index()).map_or_else(ContainerCounts::default, |it| it.counts)
    }

    /// Frames of the pool held by packets from `ingress` that wait here or are on their way to another
    /// worker.
    pub fn held_frames(&self, ingress: PortId) -> u64 {
        self.sources.get(ingress.index()).map_or(0, |source| source.frames)
    }

    /// Containers ready to be filled: for tests that check that none leaks and that nothing is allocated.
    pub fn spare_containers(&self) -> usize {
        self.spares.len()
    }

    /// The length above which superframes are to be cut before they are offered for `egress`. No piece then
    /// holds a shaped link for longer than 50 us or one container, whichever is more. No other packet waits
    /// long behind one piece, and a link fast enough to send a whole superframe in that time is not burdened
    /// with pieces. For a link without a rate there is no limit.
    #[inline]
    pub fn piece_bytes(&self, egress: PortId) -> u32 {
        self.link(egress).map_or(u32::MAX, |link| link.piece_bytes)
    }

    /// The pairs that exist, in no particular order: (ingress, egress).
    pub fn pairs(&self) -> impl Iterator<Item = (PortId, PortId)> {
        let links = self.ports.iter().filter_map(|egress| Some((egress, self.link(egress)?)));
        links.flat_map(|(egress, link)| link.pairs.ports().map(move |ingress| (ingress, egress)))
    }

    /// The sources that have sent to a link, in no particular order.
    pub fn sources_of(&self, egress: PortId) -> impl Iterator<Item = PortId> {
        self.link(egress).into_iter().flat_map(|link| link.pairs.ports())
    }

    /// The other worker has taken a container. Before `remove_port`, call this for all containers of that
    /// port that are still on their way: afterwards no pair or source is charged for them.
    pub fn taken(&mut self, handed: &Handed) {
        let Handed { ingress, egress, load } = *handed;
        let pair = pair_mut(&mut self.links, ingress, egress);
        let (Some(pair), Some(source)) = (pair, self.sources.get_mut(ingress.index())) else {
            return broken!("a container was handed over, and its pair is gone");
        };
        let Load { bytes, packets, frames } = pair.load;
        invariant!(
            bytes >= load.bytes && packets >= load.packets && frames >= load.frames,
            "more came to the other worker than was handed over"
        );
        pair.load = Load {
            bytes: bytes.saturating_sub(load.bytes),
            packets: packets.saturating_sub(load.packets),
            frames: frames.saturating_sub(load.frames),
        };
        source.frames = source.frames.saturating_sub(load.frames);
        if !source.starved.is_empty() {
            self.relieve(ingress, egress);
        }
    }

    #[inline]
    fn link(&self, egress: PortId) -> Option<&Link<P>> {
        self.links.get(egress.index())?.as_deref()
    }

    #[inline]
    fn pair(&self, egress: PortId, ingress: PortId) -> Option<&Pair<P>> {
        self.link(egress)?.pairs.get(ingress)
    }
}

fn pair_mut<P>(
    links: &mut [Option<Box<Link<P>>>],
    ingress: PortId,
    egress: PortId,
) -> Option<&mut Pair<P>> {
    links.get_mut(egress.index())?.as_mut()?.pairs.get_mut(ingress)
}

/// The charge for a container on its way to another worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Handed {
    ingress: PortId,
    egress: PortId,
    load: Load,
}

impl Handed {
    pub fn of<P: Packet>(container: &Container<P>) -> Self {
        let (ingress, egress) = (container.ingress(), container.egress());
        Self { ingress, egress, load: container.load() }
    }

    /// Whether the container came from this port or is for it.
    pub fn names(&self, port: PortId) -> bool {
        self.ingress == port || self.egress == port
    }
}
