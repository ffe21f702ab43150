//! The doors of links and of sources with a rate that this worker serves (`weir_abi::door`): open, the gates
//! send through them; closed, this worker alone does.
//!
//! Invariant: the worker sends to a link, or for a source, only while its door is closed, and from the time
//! on until which the gates have taken it; it opens the door with the time until which it has taken it
//! itself. So both together never send more than the rate, however often it passes from one to the other.
//!
//! The worker opens a door when nothing has waited, and the rate has not been reached, for [`HOLD_NS`].

use std::sync::atomic::Ordering;

use weir_abi::MAX_PORTS;
use weir_abi::door::{Door, SOURCE_DOORS};
use weir_core::{Engine, Packet, PortId, PortSet};
use weir_port::Cells;

use super::gathering::STRIDE;

/// Words of the map `DOORS`.
pub const DOOR_WORDS: usize = 2 * MAX_PORTS as usize * STRIDE;
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
}

/// What is said of a link with a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorLook {
    pub closed: bool,
    /// How often the link has become the worker's.
    pub closings: u64,
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
            self.shaped.insert(port);
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
        let Some(cell) = self.cells.get(self.at(port)) else { return };
        let bit = Door::new(0, true).word();
        let door = Door::of_word(cell.fetch_or(bit, Ordering::AcqRel));
        occupy(door.due_ns());
        self.closed.insert(port);
        if let Some(watched) = self.watched.get_mut(port.index()) {
            watched.idle_since_ns = 0;
            watched.closings += 1;
        }
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

    pub(super) fn look(&self, port: PortId) -> Option<DoorLook> {
        let watched = self.watched.get(port.index()).filter(|_| self.shaped.contains(port))?;
        Some(DoorLook { closed: self.closed.contains(port), closings: watched.closings })
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
        if let Some(cell) = self.cells.get(self.at(port)) {
            cell.store(door.word(), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use weir_core::sched::{Caps, Next};
    use weir_core::{EngineConfig, PortRole, PortSettings, Rate};

    use super::*;

    const FROM: PortId = PortId(1);
    const TO: PortId = PortId(2);
    const MS: u64 = 1_000_000;
    const AHEAD: u64 = weir_abi::door::DOOR_AHEAD_NS;

    fn chores(doors: &mut Side, now_ns: u64, engine: &mut Engine<Sized>) {
        doors.chores(
            now_ns,
            engine,
            |engine, port| engine.idle_from(port),
            |engine, port, at| {
                engine.occupy(port, at);
            },
        );
    }

    #[derive(Debug)]
    struct Sized(u32);

    impl Packet for Sized {
        fn len(&self) -> u32 {
            self.0
        }
        fn arrived_ns(&self) -> u64 {
            0
        }
    }

    /// A link of 1 Gbit/s: a microsecond for 125 bytes.
    fn bed() -> (Side, Engine<Sized>, Cells) {
        let mut engine = Engine::new(EngineConfig::default(), Arc::new(Caps::new()));
        engine.add_port(0, FROM, &PortSettings::new(PortRole::Vif));
        let rate = Some(Rate::new(1_000_000_000));
        let link = PortSettings { link_rate: rate, ..PortSettings::new(PortRole::Uplink) };
        engine.add_port(0, TO, &link);
        let cells = Cells::heap(DOOR_WORDS);
        let mut doors = Side::new(cells.clone(), 0);
        doors.set(TO, engine.is_shaped(TO));
        (doors, engine, cells)
    }

    fn word(cells: &Cells) -> &std::sync::atomic::AtomicU64 {
        cells.get(TO.index() * STRIDE).unwrap()
    }

    fn door(cells: &Cells) -> Door {
        Door::of_word(word(cells).load(Ordering::Relaxed))
    }

    fn sent(engine: &mut Engine<Sized>, now_ns: u64) -> bool {
        engine.end_of_turn(now_ns);
        match engine.next(now_ns, TO) {
            Next::Container(mut container) => {
                while container.pop().is_some() {}
                engine.recycle(container);
                true
            }
            _ => false,
        }
    }

    #[test]
    fn what_the_gates_sent_is_waited_for_and_what_the_worker_sent_is_told() {
        let (mut doors, mut engine, cells) = bed();
        let now = 100 * MS;
        // The gates have taken the link for two milliseconds.
        word(&cells).store(Door::new(now + 2 * MS, false).word(), Ordering::Relaxed);
        doors.enter(TO, |until| engine.occupy(TO, until));
        assert!(door(&cells).is_closed());
        engine.offer(now, FROM, TO, Sized(1250)).unwrap();
        assert!(!sent(&mut engine, now), "the link is taken");
        assert!(sent(&mut engine, now + 2 * MS));
        // Ten microseconds for that; and then nothing waits.
        chores(&mut doors, now + 3 * MS, &mut engine);
        chores(&mut doors, now + 3 * MS + HOLD_NS - 1, &mut engine);
        assert!(door(&cells).is_closed());
        chores(&mut doors, now + 3 * MS + HOLD_NS, &mut engine);
        assert_eq!(door(&cells), Door::new(now + 2 * MS + 10_000, false));
        assert_eq!(doors.look(TO), Some(DoorLook { closed: false, closings: 1 }));
    }

    #[test]
    fn a_link_for_which_something_waits_stays_the_workers() {
        let (mut doors, mut engine, cells) = bed();
        doors.enter(TO, |until| engine.occupy(TO, until));
        for n in 1..100 {
            engine.offer(n * MS, FROM, TO, Sized(1250)).unwrap();
            chores(&mut doors, n * MS, &mut engine);
            assert!(door(&cells).is_closed());
            assert!(sent(&mut engine, n * MS));
        }
        doors.set(TO, false);
        assert_eq!((door(&cells), doors.look(TO)), (Door::new(0, false), None));
    }

    /// The frame for which a gate has closed the door is lost before it is here.
    #[test]
    fn a_door_that_was_closed_for_nothing_is_opened_again() {
        let (mut doors, mut engine, cells) = bed();
        word(&cells).store(Door::new(7, true).word(), Ordering::Relaxed);
        for n in 1..9 {
            chores(&mut doors, n * MS, &mut engine);
        }
        assert!(!door(&cells).is_closed());
    }

    #[test]
    fn a_gate_draws_no_more_than_the_rate_and_a_little_ahead() {
        let per_byte = 8 << weir_abi::door::PER_BYTE_BITS;
        let (mut seen, mut bytes) = (Door::new(0, false), 0u64);
        let start = 50 * MS;
        for step in 0..20_000 {
            let now = start + step * 1_000;
            while let Some(drawn) = seen.drawn(now, 125, per_byte, AHEAD) {
                (seen, bytes) = (drawn, bytes + 125);
            }
        }
        let may = (20_000 * 1_000 + AHEAD) / 8;
        assert!((may - 1_000..=may).contains(&bytes), "{bytes} of {may}");
    }
}
