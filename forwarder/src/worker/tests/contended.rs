//! A link that becomes contended while its door is open: how soon the shares are right, and how far the gates
//! and the worker together are ever ahead of the rate.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use weir_abi::door::{DOOR_AHEAD_NS, Door, PER_BYTE_BITS};
use weir_core::sched::{Caps, Next};
use weir_core::{Engine, EngineConfig, Packet, PortId, PortSettings, Rate, Role};
use weir_port::Cells;

use crate::worker::doors::Doors;
use weir_port::cells::{DOOR_WORDS, STRIDE};

const LINK: PortId = PortId(4);
const LEN: u32 = 1250;
/// The time of a frame on 200 Mbit/s.
const TAKES_NS: u64 = 50_000;
const PER_BYTE: u64 = 40 << PER_BYTE_BITS;
const TURN_NS: u64 = 10_000;
const MS: u64 = 1_000_000;
/// When all sources begin to send.
const CONTENDED_NS: u64 = 100 * MS;
/// How soon the shares have to be right, by the requirements.
const SOON_NS: u64 = 5 * MS;

#[derive(Debug)]
struct Sized;

impl Packet for Sized {
    fn len(&self) -> u32 {
        LEN
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

/// A link, the gates before it, and the worker behind them.
struct Scene {
    engine: Engine<Sized>,
    doors: Doors,
    cells: Cells,
    /// The frames that got onto the link: the time and the source of each.
    sent: Vec<(u64, usize)>,
}

impl Scene {
    fn new(weights: &[u32]) -> Self {
        let mut engine = Engine::new(EngineConfig::default(), Arc::new(Caps::default()));
        for (source, weight) in weights.iter().enumerate() {
            let mut settings = PortSettings::new(Role::Vif);
            settings.share.weight = *weight;
            engine.add_port(0, PortId(source as u16), &settings);
        }
        let link_rate = Some(Rate::new(200_000_000));
        let link = PortSettings { link_rate, ..PortSettings::new(Role::Uplink) };
        engine.add_port(0, LINK, &link);
        let cells = Cells::heap(DOOR_WORDS);
        let mut doors = Doors::new(cells.clone());
        doors.links.set(LINK, engine.is_shaped(LINK));
        Self { engine, doors, cells, sent: Vec::new() }
    }

    /// Decides about a frame as a gate does.
    fn gate(&mut self, now_ns: u64, source: usize) {
        let cell = self.cells.get(LINK.index() * STRIDE).unwrap();
        let door = Door::of_word(cell.load(Ordering::Relaxed));
        let drawn = door.drawn(now_ns, LEN, PER_BYTE, DOOR_AHEAD_NS);
        if let Some(drawn) = drawn.filter(|_| !door.is_closed()) {
            cell.store(drawn.word(), Ordering::Relaxed);
            self.sent.push((now_ns, source));
            return;
        }
        cell.store(door.closed().word(), Ordering::Relaxed);
        self.doors.enter(&mut self.engine, PortId(source as u16), LINK);
        let _ = self.engine.offer(now_ns, PortId(source as u16), LINK, Sized);
    }

    fn worker(&mut self, now_ns: u64) {
        self.engine.end_of_turn(now_ns);
        while let Next::Container(mut container) = self.engine.next(now_ns, LINK) {
            let source = container.ingress().index();
            while container.pop().is_some() {
                self.sent.push((now_ns, source));
            }
            self.engine.recycle(container);
        }
        if now_ns.is_multiple_of(MS) {
            let occupy = |engine: &mut Engine<_>, port, at| engine.occupy(port, at);
            let free = |engine: &Engine<_>, port| engine.idle_from(port);
            self.doors.links.chores(now_ns, &mut self.engine, free, occupy);
        }
    }

    fn got(&self, from_ns: u64, to_ns: u64, source: usize) -> u64 {
        let within =
            |&&(at, whose): &&(u64, usize)| (from_ns..to_ns).contains(&at) && whose == source;
        self.sent.iter().filter(within).count() as u64
    }
}

/// One source has nine tenths of the link to itself, by the gates; then three want all of it.
#[test]
fn shares_are_right_five_milliseconds_after_a_link_became_contended() {
    let weights = [1, 2, 5];
    let mut scene = Scene::new(&weights);
    let end_ns = CONTENDED_NS + 400 * MS;
    let mut due_ns = 0;
    for now_ns in (0..end_ns).step_by(TURN_NS as usize) {
        if now_ns < CONTENDED_NS {
            while due_ns <= now_ns {
                scene.gate(now_ns, 0);
                due_ns += TAKES_NS * 10 / 9;
            }
        } else {
            (0..weights.len()).for_each(|source| scene.gate(now_ns, source));
        }
        scene.worker(now_ns);
    }
    let (alone, worked) = (scene.got(0, CONTENDED_NS, 0), scene.doors.links.look(LINK, 0).unwrap());
    assert!(alone >= 1790, "{alone} by the gates");
    assert_eq!((worked.closed, worked.closings), (true, 1));
    let all: u64 = u64::from(weights.iter().sum::<u32>());
    let right_ns = CONTENDED_NS + SOON_NS;
    for (source, weight) in weights.iter().enumerate() {
        let got = scene.got(right_ns, end_ns, source);
        let due = (end_ns - right_ns) / TAKES_NS * u64::from(*weight) / all;
        // The deviation is a container or two, however long the time.
        assert!(got.abs_diff(due) <= 8, "{source} got {got} of {due}");
    }
    // The link is never further ahead of the rate than the door allows a gate, plus a container.
    let mut due_ns = 0;
    for (at_ns, _) in &scene.sent {
        due_ns = due_ns.max(*at_ns) + TAKES_NS;
        assert!(due_ns <= at_ns + DOOR_AHEAD_NS + 4 * TAKES_NS, "{due_ns} at {at_ns}");
    }
}
