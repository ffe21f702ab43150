//! Packets that wait in front of their queues, because earlier frames of their source are still on their way
//! by the bridge, and would be overtaken.
//!
//! Invariant: each source's packets stay in order. A packet that waits keeps its places in the ring, so a
//! source never has more packets here than the gate grants it.

use std::collections::{BTreeMap, VecDeque};
use std::thread::Thread;

use weir_abi::gate::out;
use weir_abi::meta_flags;
use weir_core::{PortId, invariant};
use weir_port::{Cells, Packet};

#[derive(Debug)]
pub(super) struct Holding {
    /// The map `TAKEN`.
    out: Cells,
    /// The thread that sends fences through the backlogs; it is woken when a packet has to wait.
    clearing: Option<Thread>,
    waiting: BTreeMap<PortId, VecDeque<Held>>,
}

/// A packet, and how many of its source's frames must have left the backlogs before it may go.
#[derive(Debug)]
struct Held {
    bridged: u64,
    packet: Packet,
}

impl Holding {
    pub(super) fn new(out: Cells, clearing: Option<Thread>) -> Self {
        Self { out, clearing, waiting: BTreeMap::new() }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn packets(&self) -> u64 {
        self.waiting.values().map(|queue| queue.len() as u64).sum()
    }

    /// Returns the packet, unless it has to wait.
    #[inline]
    pub(super) fn pass(&mut self, packet: Packet) -> Option<Packet> {
        let at_bridge = packet.has(meta_flags::AT_BRIDGE);
        if !at_bridge && (self.waiting.is_empty() || !self.waiting.contains_key(&packet.ingress))
        {
            return Some(packet);
        }
        self.hold(packet)
    }

    #[cold]
    fn hold(&mut self, packet: Packet) -> Option<Packet> {
        let source = packet.ingress;
        let (bridged, cleared) = self.words(source);
        if bridged == cleared && !self.waiting.contains_key(&source) {
            return Some(packet);
        }
        if let Some(thread) = self.clearing.as_ref().filter(|_| self.waiting.is_empty()) {
            thread.unpark();
        }
        self.waiting.entry(source).or_default().push_back(Held { bridged, packet });
        None
    }

    /// The next packet that no longer has to wait.
    pub(super) fn next(&mut self) -> Option<Packet> {
        let may_go = |(source, queue): (&PortId, &VecDeque<Held>)| {
            let (_, cleared) = self.words(*source);
            let first = queue.front()?;
            // Neither count ever decreases.
            (first.bridged.wrapping_sub(cleared).cast_signed() <= 0).then_some(*source)
        };
        let source = self.waiting.iter().find_map(may_go)?;
        self.take(source)
    }

    /// The next packet of a source that is being removed.
    pub(super) fn take(&mut self, source: PortId) -> Option<Packet> {
        let queue = self.waiting.get_mut(&source)?;
        let held = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&source);
        }
        invariant!(held.is_some(), "a source waits without a packet");
        Some(held?.packet)
    }

    /// The number of the source's frames that were passed to the bridge, and of those that have left every
    /// backlog.
    fn words(&self, source: PortId) -> (u64, u64) {
        let bridged = self.out.load(source.index(), out::BRIDGED);
        (bridged, self.out.load(source.index(), out::CLEARED))
    }
}
