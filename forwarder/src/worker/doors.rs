//! The doors of links and of sources with a rate that this worker serves (`weir_abi::door`). Through an open
//! door the gates send; while it is closed, this worker alone sends.
//!
//! Invariant: the worker sends to a link, or for a source, only while its door is closed, and only after the
//! time until which the gates have occupied it. It opens the door with the time until which the worker itself
//! has occupied it. So both together never send more than the rate, however often the door changes. What the
//! host and the bridge send to a link meanwhile is charged to it before anything else is sent.
//!
//! The worker opens a door when nothing has waited, and the rate has not been reached, for [`HOLD_NS`].

use std::sync::atomic::Ordering;

use weir_abi::MAX_PORTS;
use weir_abi::door::{Door, SOURCE_DOORS, line};
use weir_core::{Engine, Packet, PortId, PortSet, broken};
use weir_port::Cells;

/// Long enough that a link at its limit does not change hands with every frame.
const HOLD_NS: u64 = 5_000_000;
/// A link is below its rate if it will be free within this time: a link at half its rate is occupied half the
/// time.
const AHEAD_NS: u64 = 500_000;

/// The doors of both kinds.
#[derive(Debug)]
pub(super) struct Doors {
    pub(super) links: Side,
    pub(super) sources: Side,
}

/// The doors of links, or those of sources.
#[derive(Debug)]
pub(super) struct Side {
    /// The map `DOORS`.
    cells: Cells,
    /// The first line of the doors of this kind in the map.
    first: usize,
    /// Ports with a rate that are served here.
    shaped: PortSet,
    /// Those of them whose doors are closed: this worker sends for them.
    closed: PortSet,
    watched: Box<[Watched]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Watched {
    /// Since when nothing has waited; 0: something waits, or the rate is reached.
    idle_since_ns: u64,
    closings: u64,
    /// The bytes that bypassed the gate and for which the link was charged here.
    charged: u64,
}

/// The report on a link with a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorLook {
    pub closed: bool,
    /// How often the door was closed.
    pub closings: u64,
    /// Until when the link is occupied by what was sent.
    pub due_ns: u64,
}

impl Doors {
    pub(super) fn new(cells: Cells) -> Self {
        Self {
            links: Side::new(cells.clone(), 0),
            sources: Side::new(cells, SOURCE_DOORS as usize),
        }
    }

    /// Closes the doors of a link and a source for which a packet is about to be queued.
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
    fn new(cells: Cells, first: usize) -> Self {
        let watched = vec![Watched::default(); MAX_PORTS as usize].into_boxed_slice();
        Self { cells, first, shaped: PortSet::EMPTY, closed: PortSet::EMPTY, watched }
    }

    /// The port has a rate from now on, or no longer has one.
    pub(super) fn set(&mut self, port: PortId, shaped: bool) {
        if shaped {
            if !self.shaped.contains(port) {
                self.shaped.insert(port);
                // The counter includes what was charged to another link, or while there was no rate.
                self.newly_charged(port);
            }
            return;
        }
        self.shaped.remove(port);
        self.closed.remove(port);
        self.put(port, Door::new(0, false));
    }

    /// Closes the door for a packet that is about to be queued. `occupy` gets the time until which the gates
    /// have occupied the link or the source.
    #[inline]
    pub(super) fn enter(&mut self, port: PortId, occupy: impl FnOnce(u64)) {
        if self.shaped.contains(port) && !self.closed.contains(port) {
            self.close(port, occupy);
        }
    }

    #[cold]
    fn close(&mut self, port: PortId, occupy: impl FnOnce(u64)) {
        let Some(cell) = self.cells.word(self.first + port.index(), line::DOOR) else {
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

    /// Calls `charge` with the bytes that bypassed the gate to a link whose door is closed.
    #[inline]
    pub(super) fn settle(&mut self, port: PortId, charge: impl FnOnce(u64)) {
        if self.closed.contains(port) {
            let bytes = self.newly_charged(port);
            if bytes > 0 {
                charge(bytes);
            }
        }
    }

    /// Same as `settle`, for all links.
    pub(super) fn settle_all(&mut self, mut charge: impl FnMut(PortId, u64)) {
        let closed = self.closed;
        for port in closed.iter() {
            self.settle(port, |bytes| charge(port, bytes));
        }
    }

    #[inline]
    fn newly_charged(&mut self, port: PortId) -> u64 {
        let cell = self.cells.word(self.first + port.index(), line::CHARGED);
        let (Some(cell), Some(watched)) = (cell, self.watched.get_mut(port.index())) else {
            broken!("a link with a rate has no door");
            return 0;
        };
        let charged = cell.load(Ordering::Acquire);
        charged.wrapping_sub(std::mem::replace(&mut watched.charged, charged))
    }

    /// Opens the doors that may be opened. `look` returns until when a port is occupied, or `None` while
    /// something waits for it.
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
                // A gate closed it for a frame that has not arrived yet, or never will.
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

    /// The report on a door. `due_ns` is the time until which a closed one is occupied.
    pub(super) fn look(&self, port: PortId, due_ns: u64) -> Option<DoorLook> {
        let watched = self.watched.get(port.index()).filter(|_| self.shaped.contains(port))?;
        let closed = self.closed.contains(port);
        let due_ns = if closed { due_ns } else { self.seen(port).due_ns() };
        Some(DoorLook { closed, closings: watched.closings, due_ns })
    }

    fn seen(&self, port: PortId) -> Door {
        Door::of_word(self.cells.load(self.first + port.index(), line::DOOR))
    }

    /// Only this worker writes a closed door, except for the bit that closes it.
    fn put(&self, port: PortId, door: Door) {
        match self.cells.word(self.first + port.index(), line::DOOR) {
            Some(cell) => cell.store(door.word(), Ordering::Release),
            None => broken!("a link has no door"),
        }
    }
}

#[cfg(test)]
mod tests;
