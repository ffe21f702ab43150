//! The doors of links and of sources with a rate that this worker serves (`weir_abi::door`): open, the gates
//! send through them; closed, this worker alone does.
//!
//! Invariant: the worker sends to a link, or for a source, only while its door is closed, and from the time
//! on until which the gates have taken it; it opens the door with the time until which it has taken it
//! itself. So both together never send more than the rate, however often it passes from one to the other.
//! What the host and the bridge send to a link meanwhile is charged to it before anything else is sent.
//!
//! The worker opens a door when nothing has waited, and the rate has not been reached, for [`HOLD_NS`].

use std::sync::atomic::Ordering;

use weir_abi::MAX_PORTS;
use weir_abi::door::{Door, SOURCE_DOORS, line};
use weir_core::{Engine, Packet, PortId, PortSet, broken};
use weir_port::Cells;
use weir_port::cells::STRIDE;

/// Long enough that a link at its limit is not passed to and fro with every frame.
const HOLD_NS: u64 = 5_000_000;
/// A link is below its rate if it is free by then: one that is half full is taken half the time.
const AHEAD_NS: u64 = 500_000;

/// Of both kinds.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) links: Side,
    pub(super) sources: Side,
}

/// Those of links, or those of sources.
#[derive(Debug)]
pub(super) struct Side {
    /// The map `DOORS`.
    cells: Cells,
    /// Where the doors of this kind begin in it.
    base: usize,
    /// Ports with a rate, as far as they are served here.
    shaped: PortSet,
    /// Those of them that are this worker's now.
    closed: PortSet,
    watched: Box<[Watched]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// Nothing has waited since then; 0: something does.
    idle_since_ns: u64,
    closings: u64,
    /// Of what has passed by the gate, the bytes that the link was charged for here.
    charged: u64,
}

/// What is said of a link with a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorLook {
    pub closed: bool,
    /// How often the link has become the worker's.
    pub closings: u64,
    /// Until when what was sent takes it.
    pub due_ns: u64,
}

impl Doors {
    pub(super) fn new(cells: Cells) -> Self {
        Self {
            links: Side::new(cells.clone(), 0),
            sources: Side::new(cells, SOURCE_DOORS as usize * STRIDE),
        }
    }

    /// A packet of the source is about to be queued for the link.
    #[inline]
    pub(super) fn enter<P: Packet>(
        &mut self,
        engine: &mut Engine<P>,
        source: PortId,
        link: PortId,
    ) {
        self.links.enter(link, |until_ns| engine.occupy(link, until_ns));
        self.sources.enter(source, |until_ns| engine.occupy_source(source, until_ns));
    }
}

impl Side {
    fn new(cells: Cells, base: usize) -> Self {
        let watched = vec![Watched::default(); MAX_PORTS as usize].into_boxed_slice();
        Self { cells, base, shaped: PortSet::EMPTY, closed: PortSet::EMPTY, watched }
    }

    /// The port has a rate from now on, or has none.
    pub(super) fn set(&mut self, port: PortId, shaped: bool) {
        if shaped {
            if !self.shaped.contains(port) {
                self.shaped.insert(port);
                // What the counter says is of another link, or of a time without a rate.
                self.newly_charged(port);
            }
            return;
        }
        self.shaped.remove(port);
        self.closed.remove(port);
        self.put(port, Door::new(0, false));
    }

    /// A packet is about to be queued; `occupy` is told until when the gates have taken the link, or the
    /// source.
    #[inline]
    pub(super) fn enter(&mut self, port: PortId, occupy: impl FnOnce(u64)) {
        if self.shaped.contains(port) && !self.closed.contains(port) {
            self.close(port, occupy);
        }
    }

    #[cold]
    fn close(&mut self, port: PortId, occupy: impl FnOnce(u64)) {
        let Some(cell) = self.cells.get(self.at(port)) else {
            return broken!("a link with a rate has no door");
        };
        let bit = Door::new(0, true).word();
        let door = Door::of_word(cell.fetch_or(bit, Ordering::AcqRel));
        occupy(door.due_ns());
        self.closed.insert(port);
        if let Some(watched) = self.watched.get_mut(port.index()) {
            watched.idle_since_ns = 0;
            watched.closings += 1;
        }
    }

    /// `charge` is told how many bytes have passed by the gate to a link whose door is closed.
    #[inline]
    pub(super) fn settle(&mut self, port: PortId, charge: impl FnOnce(u64)) {
        if self.closed.contains(port) {
            let bytes = self.newly_charged(port);
            if bytes > 0 {
                charge(bytes);
            }
        }
    }

    /// The same for all links.
    pub(super) fn settle_all(&mut self, mut charge: impl FnMut(PortId, u64)) {
        let closed = self.closed;
        for port in closed.iter() {
            self.settle(port, |bytes| charge(port, bytes));
        }
    }

    #[inline]
    fn newly_charged(&mut self, port: PortId) -> u64 {
        let (at, watched) = (self.at(port) + line::CHARGED, self.watched.get_mut(port.index()));
        let (Some(cell), Some(watched)) = (self.cells.get(at), watched) else {
            broken!("a link with a rate has no door");
            return 0;
        };
        let charged = cell.load(Ordering::Acquire);
        charged.wrapping_sub(std::mem::replace(&mut watched.charged, charged))
    }

    /// Opens what may be opened. `look` tells whose nothing waits, and until when it is taken.
    pub(super) fn chores<T>(
        &mut self,
        now_ns: u64,
        all: &mut T,
        look: impl Fn(&T, PortId) -> Option<u64>,
        occupy: impl Fn(&mut T, PortId, u64),
    ) {
        let shaped = self.shaped;
        for port in shaped.iter() {
            if !self.closed.contains(port) {
                // Closed by a gate whose frame has not come, or never will.
                if self.seen(port).is_closed() {
                    self.close(port, |until_ns| occupy(all, port, until_ns));
                }
                continue;
            }
            let free_ns = look(all, port).filter(|at| *at <= now_ns + AHEAD_NS);
            let Some(watched) = self.watched.get_mut(port.index()) else { continue };
            let Some(free_ns) = free_ns else {
                watched.idle_since_ns = 0;
                continue;
            };
            if watched.idle_since_ns == 0 {
                watched.idle_since_ns = now_ns;
            } else if now_ns.saturating_sub(watched.idle_since_ns) >= HOLD_NS {
                self.closed.remove(port);
                self.put(port, Door::new(free_ns, false));
            }
        }
    }

    /// `due_ns` is what a closed one is taken until.
    pub(super) fn look(&self, port: PortId, due_ns: u64) -> Option<DoorLook> {
        let watched = self.watched.get(port.index()).filter(|_| self.shaped.contains(port))?;
        let closed = self.closed.contains(port);
        let due_ns = if closed { due_ns } else { self.seen(port).due_ns() };
        Some(DoorLook { closed, closings: watched.closings, due_ns })
    }

    fn at(&self, port: PortId) -> usize {
        self.base + port.index() * STRIDE
    }

    fn seen(&self, port: PortId) -> Door {
        let cell = self.cells.get(self.at(port));
        Door::of_word(cell.map_or(0, |cell| cell.load(Ordering::Acquire)))
    }

    /// A closed door is nobody else's to write, but for the bit that says so.
    fn put(&self, port: PortId, door: Door) {
        match self.cells.get(self.at(port)) {
            Some(cell) => cell.store(door.word(), Ordering::Release),
            None => broken!("a link has no door"),
        }
    }
}

#[cfg(test)]
mod tests;
