//! The worker's shared receive ring: frames of all ports whose frames come by way of the gate.
//!
//! Invariant: what is taken out of the ring is given back to the gate's count of the source and of
//! the ring, so that neither is ever charged for a frame that is not in the ring or on its way there.
//! A count is written by one worker only: the one that serves the source.

use std::sync::atomic::Ordering;
use std::thread::Thread;

use weir_abi::MAX_PORTS;
use weir_abi::gate::{home, out};
use weir_core::{PortId, PortSet, broken};
use weir_port::cells::STRIDE;
use weir_port::{Cells, Port};

use super::holding::Holding;
use super::lanes::BURST_LEAST;

/// The ring has been empty, and nothing was steered, for so long: what was taken and not given back
/// by then never arrived.
const QUIET_NS: u64 = 20_000_000;

#[derive(Debug)]
pub struct Gathering<P> {
    pub(super) port: P,
    pub(super) room: Room,
    pub(super) holding: Holding,
}

impl<P: Port> Gathering<P> {
    /// `clearing`: the thread that finds out what has arrived by the bridge.
    pub fn new(port: P, room: Room, clearing: Option<Thread>) -> Self {
        let holding = Holding::new(room.taken.clone(), clearing);
        Self { port, room, holding }
    }

    /// Sets counts right that lost frames have left too high.
    pub(super) fn chores(&mut self, now_ns: u64, sources: PortSet) {
        let empty = self.port.rx_waiting() == 0;
        self.room.correct(now_ns, empty, sources.iter());
        for source in sources.iter() {
            self.room.settle_lost(now_ns, empty, source);
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
    /// How many to take next: few where there are superframes among them. A source may have some 512 KiB
    /// waiting for a link, which eight of them are.
    pub(super) fn next_batch_size(self) -> usize {
        const LONG: u64 = 4096;
        if self.bytes > self.packets as u64 * LONG { 4 } else { BURST_LEAST }
    }
}

/// The gate's counts of places in the ring, as this worker sees them.
#[derive(Debug)]
pub struct Room {
    /// Of the gate.
    taken: Cells,
    /// Of the workers.
    given_back: Cells,
    queue: usize,
    /// Places given back in this turn, over all sources.
    pending: u64,
    /// When the ring's count of places taken was last seen to change, and the count.
    quiet_since_ns: u64,
    taken_then: u64,
    /// By source.
    sources: Box<[SourceProgress]>,
}

/// A source's frames, by which those are found that were steered and never came.
#[derive(Clone, Copy, Debug, Default)]
struct SourceProgress {
    /// Steered frames that came, or are known not to.
    came: u64,
    /// As of the last change that was seen, when that was, and whether the ring has been empty since.
    steered_then: u64,
    since_ns: u64,
    was_empty: bool,
}

impl Room {
    /// `taken` and `given_back` are the maps of these names; `queue` is the worker's.
    pub fn new(taken: Cells, given_back: Cells, queue: usize) -> Self {
        let queue = MAX_PORTS as usize + queue;
        let sources = vec![SourceProgress::default(); MAX_PORTS as usize].into_boxed_slice();
        Self { taken, given_back, queue, pending: 0, quiet_since_ns: 0, taken_then: 0, sources }
    }

    /// A port comes: what was steered in its slot before is none of its.
    pub(super) fn reset_source(&mut self, source: PortId) {
        let steered = word(&self.taken, source.index(), out::STEERED);
        set(&self.given_back, source.index(), home::DONE, steered);
        if let Some(known) = self.sources.get_mut(source.index()) {
            *known = SourceProgress { came: steered, ..SourceProgress::default() };
        }
    }

    /// Whether all of a source's steered frames have come to their end.
    pub(super) fn is_done(&self, source: PortId) -> bool {
        let done = word(&self.given_back, source.index(), home::DONE);
        done == word(&self.taken, source.index(), out::STEERED)
    }

    /// A packet was taken out of the ring.
    #[inline]
    pub(super) fn came(&mut self, source: PortId) {
        if let Some(source) = self.sources.get_mut(source.index()) {
            source.came += 1;
        }
    }

    /// So many places of the ring are the source's no longer.
    #[inline]
    pub(super) fn give_back(&mut self, source: PortId, places: u16) {
        self.pending += u64::from(places);
        add(&self.given_back, source.index(), places.into());
    }

    /// At the end of a turn.
    #[inline]
    pub(super) fn publish(&mut self) {
        add(&self.given_back, self.queue, std::mem::take(&mut self.pending));
    }

    /// Likewise for a source's frames, whatever the others do: when it has sent nothing for a while in
    /// which the ring was empty once, what has not come was lost, and nobody waits for it.
    fn settle_lost(&mut self, now_ns: u64, ring_is_empty: bool, source: PortId) {
        let steered = word(&self.taken, source.index(), out::STEERED);
        let Some(known) = self.sources.get_mut(source.index()) else { return };
        if steered != known.steered_then {
            (known.steered_then, known.since_ns) = (steered, now_ns);
            known.was_empty = false;
            return;
        }
        let quiet = now_ns.saturating_sub(known.since_ns) >= QUIET_NS;
        // Once it is quiet: what was steered last has reached the ring by then.
        known.was_empty |= quiet && ring_is_empty;
        if !known.was_empty {
            return;
        }
        // A worker that ended frames of who had the slot before has counted them for who has it now.
        let done = word(&self.given_back, source.index(), home::DONE);
        if done.wrapping_sub(steered).cast_signed() > 0 {
            set(&self.given_back, source.index(), home::DONE, steered);
        }
        let lost = steered.wrapping_sub(known.came);
        if lost == 0 {
            return;
        }
        known.came = steered;
        if let Some(done) = self.given_back.get(source.index() * STRIDE + home::DONE) {
            done.fetch_add(lost, Ordering::Release);
        }
    }

    /// A frame that the kernel lost between the gate and the ring stays in the counts. When nothing
    /// has been on its way for a while, what is taken is what was given back.
    fn correct(&mut self, now_ns: u64, ring_is_empty: bool, sources: impl Iterator<Item = PortId>) {
        let taken = load(&self.taken, self.queue);
        if taken != self.taken_then || !ring_is_empty {
            (self.taken_then, self.quiet_since_ns) = (taken, now_ns);
            return;
        }
        let quiet = now_ns.saturating_sub(self.quiet_since_ns) >= QUIET_NS;
        if !quiet || load(&self.given_back, self.queue) == taken {
            return;
        }
        store(&self.given_back, self.queue, taken);
        for source in sources {
            store(&self.given_back, source.index(), load(&self.taken, source.index()));
        }
    }
}

/// The `n`th word of a port's or a queue's line.
fn word(cells: &Cells, line: usize, n: usize) -> u64 {
    cells.get(line * STRIDE + n).map_or(0, |word| word.load(Ordering::Relaxed))
}

fn set(cells: &Cells, line: usize, n: usize, value: u64) {
    match cells.get(line * STRIDE + n) {
        Some(word) => word.store(value, Ordering::Relaxed),
        None => broken!("a source or a queue has no counts"),
    }
}

fn load(cells: &Cells, at: usize) -> u64 {
    word(cells, at, 0)
}

fn store(cells: &Cells, at: usize, value: u64) {
    set(cells, at, 0, value);
}

/// The count has one writer, so nothing is lost between the two halves.
#[inline]
fn add(cells: &Cells, at: usize, n: u64) {
    store(cells, at, load(cells, at).wrapping_add(n));
}

#[cfg(test)]
mod tests;
