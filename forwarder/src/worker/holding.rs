//! Packets that wait in front of their queues, because what their source sent before them is still on its
//! way by the bridge: they would overtake it.
//!
//! Invariant: of each source in the order in which they came; whoever waits keeps its places in the ring, so
//! that a source never has more here than the gate grants it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::thread::Thread;

use weir_abi::gate::out;
use weir_abi::meta_flags;
use weir_core::PortId;
use weir_port::{Cells, Packet, Port};

use super::gathering::STRIDE;
use super::switching::Intake;
use super::turn::Worker;

#[derive(Debug)]
pub(super) struct Holding {
    /// The map `TAKEN`.
    out: Cells,
    /// Sends fences through the backlogs, and is told when somebody waits for them.
    clearing: Option<Thread>,
    waiting: BTreeMap<PortId, VecDeque<Held>>,
    packets: u64,
}

/// A packet, and how many of its source's frames must have left the backlogs before.
#[derive(Debug)]
struct Held {
    bridged: u64,
    packet: Packet,
}

impl Holding {
    pub(super) fn new(out: Cells, clearing: Option<Thread>) -> Self {
        Self { out, clearing, waiting: BTreeMap::new(), packets: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// Gives the packet back, unless it has to wait.
    #[inline]
    pub(super) fn pass(&mut self, packet: Packet) -> Option<Packet> {
        let at_bridge = packet.has(meta_flags::AT_BRIDGE);
        if !at_bridge && (self.waiting.is_empty() || !self.waiting.contains_key(&packet.ingress()))
        {
            return Some(packet);
        }
        self.hold(packet)
    }

    #[cold]
    fn hold(&mut self, packet: Packet) -> Option<Packet> {
        let source = packet.ingress();
        let (bridged, cleared) = self.words(source);
        if bridged == cleared && !self.waiting.contains_key(&source) {
            return Some(packet);
        }
        if let Some(thread) = self.clearing.as_ref().filter(|_| self.waiting.is_empty()) {
            thread.unpark();
        }
        self.waiting.entry(source).or_default().push_back(Held { bridged, packet });
        self.packets += 1;
        None
    }

    /// The next packet that need not wait any longer.
    pub(super) fn next(&mut self) -> Option<Packet> {
        let may_go = |(source, queue): (&PortId, &VecDeque<Held>)| {
            let (_, cleared) = self.words(*source);
            let first = queue.front()?;
            // Both only ever rise.
            (first.bridged.wrapping_sub(cleared).cast_signed() <= 0).then_some(*source)
        };
        let source = self.waiting.iter().find_map(may_go)?;
        self.take(source)
    }

    /// The next packet of a source that goes away.
    pub(super) fn take(&mut self, source: PortId) -> Option<Packet> {
        let queue = self.waiting.get_mut(&source)?;
        let held = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&source);
        }
        let held = held?;
        self.packets -= 1;
        Some(held.packet)
    }

    /// Frames of the source that were passed to the bridge, and those of them that have left every backlog.
    fn words(&self, source: PortId) -> (u64, u64) {
        let word = |n: usize| {
            let cell = self.out.get(source.index() * STRIDE + n);
            cell.map_or(0, |cell| cell.load(Ordering::Acquire))
        };
        let bridged = word(out::BRIDGED);
        (bridged, word(out::CLEARED))
    }
}

impl<P: Port> Worker<P> {
    /// Whether packets wait for what went by the bridge.
    #[inline]
    pub(super) fn holds(&self) -> bool {
        self.gathering.as_ref().is_some_and(|gathering| !gathering.holding.is_empty())
    }

    /// Queues what waited for the bridge and need not any longer. True if anything was.
    #[cold]
    pub(super) fn release_held(&mut self, now_ns: u64) -> bool {
        let Self { engine, lanes, gathering, pieces, measure, tap, doors, pool, .. } = self;
        let Some(gathering) = gathering else { return false };
        let mut any = false;
        while let Some(packet) = gathering.holding.next() {
            any = true;
            let ingress = packet.ingress();
            gathering.room.give_back(ingress, packet.frames());
            // Those of a port that goes are taken out before it is.
            let Some(lane) = lanes.get_mut(ingress) else { continue };
            let mut intake =
                Intake { engine, pool, lane, pieces, measure, tap, doors, now_ns, ingress };
            intake.take(packet);
        }
        gathering.room.publish();
        any
    }
}
