//! The worker's shared receive ring, with frames of all ports whose frames come by way of the gate. Packets wait
//! here in front of their queues while earlier frames of their source are still on their way by the bridge, and
//! would be overtaken.
//!
//! Invariant: places taken out of the ring are given back to the gate's counts of the source and of the ring.
//! So neither is ever charged for a frame that is not in the ring or on its way there. A count of places has
//! one writer: the worker that serves the source. Each source's packets stay in order. A packet that waits
//! keeps its places, so a source never has more packets here than the gate grants it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::thread::Thread;

use weir_abi::gate::{home, out};
use weir_abi::{MAX_PORTS, meta_flags};
use weir_core::{PortId, PortSet, broken, invariant};
use weir_port::{Cells, Packet, Port};

use super::lanes::BURST_LEAST;

/// After the ring has been empty and nothing was steered for this long, frames that were taken and not given
/// back never arrived.
const QUIET_NS: u64 = 20_000_000;

#[derive(Debug)]
pub(super) struct Gathering<P> {
    pub(super) port: P,
    pub(super) room: Room,
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

impl<P: Port> Gathering<P> {
    pub(super) fn new(port: P, room: Room, clearing: Option<Thread>) -> Self {
        Self { port, room, clearing, waiting: BTreeMap::new() }
    }

    /// Corrects counts that lost frames have left too high.
    pub(super) fn chores(&mut self, now_ns: u64, sources: PortSet) {
        let empty = self.port.rx_waiting() == 0;
        self.room.correct(now_ns, empty, sources.iter());
        for source in sources.iter() {
            self.room.settle_lost(now_ns, empty, source);
        }
    }

    #[inline]
    pub(super) fn holds(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn held_packets(&self) -> u64 {
        self.waiting.values().map(|queue| queue.len() as u64).sum()
    }

    /// Returns the packet, unless it has to wait.
    #[inline]
    pub(super) fn pass(&mut self, packet: Packet) -> Option<Packet> {
        let at_bridge = packet.has(meta_flags::AT_BRIDGE);
        if !at_bridge && (self.waiting.is_empty() || !self.waiting.contains_key(&packet.ingress)) {
            return Some(packet);
        }
        self.hold(packet)
    }

    #[cold]
    fn hold(&mut self, packet: Packet) -> Option<Packet> {
        let source = packet.ingress;
        let bridged = self.room.taken.load(source.index(), out::BRIDGED);
        if bridged == self.room.cleared(source) && !self.waiting.contains_key(&source) {
            return Some(packet);
        }
        if let Some(thread) = self.clearing.as_ref().filter(|_| self.waiting.is_empty()) {
            thread.unpark();
        }
        self.waiting.entry(source).or_default().push_back(Held { bridged, packet });
        None
    }

    /// The next packet that no longer has to wait. Its places are given back.
    pub(super) fn next_released(&mut self) -> Option<Packet> {
        let may_go = |(source, queue): (&PortId, &VecDeque<Held>)| {
            let first = queue.front()?;
            // Neither count ever decreases.
            let ahead = first.bridged.wrapping_sub(self.room.cleared(*source));
            (ahead.cast_signed() <= 0).then_some(*source)
        };
        let source = self.waiting.iter().find_map(may_go)?;
        self.take(source)
    }

    fn take(&mut self, source: PortId) -> Option<Packet> {
        let queue = self.waiting.get_mut(&source)?;
        let held = queue.pop_front();
        if queue.is_empty() {
            self.waiting.remove(&source);
        }
        invariant!(held.is_some(), "a source waits without a packet");
        let packet = held?.packet;
        self.room.give_back(source, packet.frames());
        Some(packet)
    }

    /// Takes the packets of a source that wait, which are lost.
    pub(super) fn take_all(&mut self, source: PortId, lost: &mut Vec<Packet>) {
        while let Some(packet) = self.take(source) {
            lost.push(packet);
        }
    }
}

/// What was taken out of the ring at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatheredBatch {
    pub(super) packets: usize,
    pub(super) bytes: u64,
}

impl GatheredBatch {
    /// The number of packets to take next, which is small if there are superframes among them. A source may
    /// have some 512 KiB waiting for a link, which is eight superframes.
    pub(super) fn next_batch_size(self) -> usize {
        const LONG: u64 = 4096;
        if self.bytes > self.packets as u64 * LONG { 4 } else { BURST_LEAST }
    }
}

/// The gate's counts of places in the ring, as this worker sees them.
#[derive(Debug)]
pub(super) struct Room {
    /// The map `TAKEN`, which the gate writes.
    taken: Cells,
    /// The map `GIVEN_BACK`, which the workers write.
    given_back: Cells,
    queue: usize,
    /// Places given back in this turn, over all sources.
    pending: u64,
    /// When the ring's count of taken places last changed, and that count.
    quiet_since_ns: u64,
    taken_then: u64,
    /// By source.
    sources: Box<[SourceProgress]>,
}

/// The progress of a source's frames, which shows which ones were steered and never arrived.
#[derive(Clone, Copy, Debug, Default)]
struct SourceProgress {
    /// Steered frames that arrived, or are known to be lost.
    came: u64,
    /// The count of steered frames at its last change, the time of that change, and whether the ring has been
    /// empty since.
    steered_then: u64,
    since_ns: u64,
    was_empty: bool,
}

impl Room {
    pub(super) fn new(taken: Cells, given_back: Cells, worker: usize) -> Self {
        let queue = MAX_PORTS as usize + worker;
        let sources = vec![SourceProgress::default(); MAX_PORTS as usize].into_boxed_slice();
        Self { taken, given_back, queue, pending: 0, quiet_since_ns: 0, taken_then: 0, sources }
    }

    /// Resets a slot for a new port: frames steered in the slot before are not its frames.
    pub(super) fn reset_source(&mut self, source: PortId) {
        let steered = self.taken.load(source.index(), out::STEERED);
        set(&self.given_back, source.index(), home::DONE, steered);
        if let Some(known) = self.sources.get_mut(source.index()) {
            *known = SourceProgress { came: steered, ..SourceProgress::default() };
        }
    }

    /// Whether all of a source's steered frames have come to their end.
    pub(super) fn is_done(&self, source: PortId) -> bool {
        let done = self.given_back.load(source.index(), home::DONE);
        done == self.taken.load(source.index(), out::STEERED)
    }

    /// The number of the source's frames that went to the bridge and have left every backlog.
    fn cleared(&self, source: PortId) -> u64 {
        self.taken.load(source.index(), out::CLEARED)
    }

    /// Counts a packet of the source that was taken out of the ring.
    #[inline]
    pub(super) fn came(&mut self, source: PortId) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.came += 1;
        }
    }

    /// Gives back places of the ring that the source held.
    #[inline]
    pub(super) fn give_back(&mut self, source: PortId, places: u16) {
        self.pending += u64::from(places);
        add(&self.given_back, source.index(), places.into());
    }

    /// Publishes the places given back in this turn.
    #[inline]
    pub(super) fn publish(&mut self) {
        add(&self.given_back, self.queue, std::mem::take(&mut self.pending));
    }

    /// Finds a source's frames that were lost before the ring, whatever other sources do. If the source has
    /// sent nothing for a while, and the ring was empty once after that, frames that have not arrived were
    /// lost.
    fn settle_lost(&mut self, now_ns: u64, ring_is_empty: bool, source: PortId) {
        let steered = self.taken.load(source.index(), out::STEERED);
        let Some(known) = self.sources.get_mut(source.index()) else { return };
        if steered != known.steered_then {
            (known.steered_then, known.since_ns) = (steered, now_ns);
            known.was_empty = false;
            return;
        }
        let quiet = now_ns.saturating_sub(known.since_ns) >= QUIET_NS;
        // Only after the quiet time: by then the last steered frame has reached the ring.
        known.was_empty |= quiet && ring_is_empty;
        if !known.was_empty {
            return;
        }
        // Another worker may have ended frames of the slot's previous port, and counted them for the present
        // one.
        let done = self.given_back.load(source.index(), home::DONE);
        if done.wrapping_sub(steered).cast_signed() > 0 {
            set(&self.given_back, source.index(), home::DONE, steered);
        }
        let lost = steered.wrapping_sub(known.came);
        known.came = steered;
        // Below 0: a late frame of the slot's previous port has come.
        if lost.cast_signed() <= 0 {
            return;
        }
        if let Some(done) = self.given_back.word(source.index(), home::DONE) {
            done.fetch_add(lost, Ordering::Release);
        }
    }

    /// Corrects the places of frames that the kernel lost between the gate and the ring. If nothing has been
    /// on its way for a while, all places taken count as given back.
    fn correct(&mut self, now_ns: u64, ring_is_empty: bool, sources: impl Iterator<Item = PortId>) {
        let taken = self.taken.load(self.queue, out::TAKEN);
        if taken != self.taken_then || !ring_is_empty {
            (self.taken_then, self.quiet_since_ns) = (taken, now_ns);
            return;
        }
        let quiet = now_ns.saturating_sub(self.quiet_since_ns) >= QUIET_NS;
        if !quiet || self.given_back.load(self.queue, home::BACK) == taken {
            return;
        }
        set(&self.given_back, self.queue, home::BACK, taken);
        for source in sources {
            let taken = self.taken.load(source.index(), out::TAKEN);
            set(&self.given_back, source.index(), home::BACK, taken);
        }
    }
}

fn set(cells: &Cells, line: usize, n: usize, value: u64) {
    match cells.word(line, n) {
        Some(word) => word.store(value, Ordering::Relaxed),
        None => broken!("a source or a queue has no counts"),
    }
}

/// Counts places as given back, without an atomic addition: the count has only one writer.
#[inline]
fn add(given_back: &Cells, line: usize, places: u64) {
    match given_back.word(line, home::BACK) {
        Some(back) => {
            back.store(back.load(Ordering::Relaxed).wrapping_add(places), Ordering::Relaxed);
        }
        None => broken!("a source or a queue has no counts"),
    }
}

#[cfg(test)]
mod tests;
