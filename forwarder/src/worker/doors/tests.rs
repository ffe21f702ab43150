use std::sync::Arc;

use weir_abi::door::CHARGE_AHEAD_NS;
use weir_core::sched::{Caps, Next};
use weir_core::{EngineConfig, PortSettings, Rate, Role};

use super::*;
use weir_port::cells::DOOR_WORDS;

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

/// A link of 1 Gbit/s, on which 125 bytes take a microsecond.
fn bed() -> (Side, Engine<Sized>, Cells) {
    let mut engine = Engine::new(EngineConfig::default(), Arc::new(Caps::default()));
    engine.add_port(0, FROM, &PortSettings::new(Role::Vif));
    let rate = Some(Rate::new(1_000_000_000));
    let link = PortSettings { link_rate: rate, ..PortSettings::new(Role::Uplink) };
    engine.add_port(0, TO, &link);
    let cells = Cells::heap(DOOR_WORDS);
    let mut doors = Side::new(cells.clone(), 0);
    doors.set(TO, engine.is_shaped(TO));
    (doors, engine, cells)
}

fn word(cells: &Cells) -> &std::sync::atomic::AtomicU64 {
    cells.word(TO.index(), line::DOOR).unwrap()
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
    // The gates have occupied the link for two milliseconds.
    word(&cells).store(Door::new(now + 2 * MS, false).word(), Ordering::Relaxed);
    doors.enter(TO, |until| engine.occupy(TO, until));
    assert!(door(&cells).is_closed());
    engine.offer(now, FROM, TO, Sized(1250)).unwrap();
    assert!(!sent(&mut engine, now), "the link is taken");
    assert!(sent(&mut engine, now + 2 * MS));
    // The packet takes ten microseconds; then nothing waits.
    chores(&mut doors, now + 3 * MS, &mut engine);
    chores(&mut doors, now + 3 * MS + HOLD_NS - 1, &mut engine);
    assert!(door(&cells).is_closed());
    chores(&mut doors, now + 3 * MS + HOLD_NS, &mut engine);
    assert_eq!(door(&cells), Door::new(now + 2 * MS + 10_000, false));
    let due_ns = now + 2 * MS + 10_000;
    assert_eq!(doors.look(TO, 0), Some(DoorLook { closed: false, closings: 1, due_ns }));
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
    assert_eq!((door(&cells), doors.look(TO, 0)), (Door::new(0, false), None));
}

/// A gate closed the door for a frame that is lost before it reaches the worker.
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

/// Two sources each offer a whole link of which the host takes half. Either the gates or the worker send, as
/// the door says.
#[test]
fn two_floods_share_evenly_what_the_host_leaves_of_a_link() {
    const OTHER: PortId = PortId(3);
    const STEP: u64 = 10_000;
    let (mut doors, mut engine, cells) = bed();
    engine.add_port(0, OTHER, &PortSettings::new(Role::Vif));
    let per_byte = 8 << weir_abi::door::PER_BYTE_BITS;
    let charged = |bytes: u32, now: u64| {
        let seen = door(&cells);
        if seen.is_closed() {
            let passed = cells.word(TO.index(), line::CHARGED).unwrap();
            passed.fetch_add(bytes.into(), Ordering::Relaxed);
        } else {
            word(&cells).store(seen.charged(now, bytes, per_byte).word(), Ordering::Relaxed);
        }
    };
    let start = 1_000 * MS;
    let (mut host, mut sent, mut windows) = (0_u64, [0_u64; 2], Vec::new());
    for step in 0..100_000 {
        let now = start + step * STEP;
        // Half of what the link can take, four frames at a time.
        if step % 8 == 0 {
            (0..4).for_each(|_| charged(1250, now));
            host += 4 * 1250;
        }
        for from in [FROM, OTHER] {
            while engine.port_depth(TO, from).0 < 50_000 {
                doors.enter(TO, |until| engine.occupy(TO, until));
                engine.offer(now, from, TO, Sized(1250)).unwrap();
            }
        }
        doors.settle(TO, |bytes| engine.charge_passing(now, TO, bytes, CHARGE_AHEAD_NS));
        engine.end_of_turn(now);
        while let Next::Container(mut container) = engine.next(now, TO) {
            let of = usize::from(container.ingress() == OTHER);
            while let Some(packet) = container.pop() {
                sent[of] += u64::from(packet.0);
            }
            engine.recycle(container);
        }
        if step % 1000 == 999 {
            windows.push(host + sent[0] + sent[1]);
        }
    }
    // In each ten milliseconds at most the rate is sent, plus the lead of one burst of the host, a prompt
    // container and another one.
    for (before, after) in windows.iter().zip(windows.iter().skip(1)) {
        let took = after - before;
        assert!(took <= 1_250_000 + 5_000 + 3 * 4096, "{took} bytes in 10 ms");
    }
    let all = windows.last().unwrap();
    assert!((124_000_000..=125_020_000).contains(all), "{all} of 125 MB");
    assert!(sent[0].abs_diff(sent[1]) <= 2 * 4096, "{sent:?}");
}

#[test]
fn a_host_that_takes_more_than_the_link_is_waited_for_no_longer_than_the_bound() {
    let (mut doors, mut engine, cells) = bed();
    let per_byte = 8 << weir_abi::door::PER_BYTE_BITS;
    let now = 1_000 * MS;
    // A whole second's worth through the open door at once: a tenth of it is charged.
    let mut seen = Door::new(0, false);
    for _ in 0..100_000 {
        seen = seen.charged(now, 1250, per_byte);
    }
    assert_eq!(seen, Door::new(now + CHARGE_AHEAD_NS, false));
    word(&cells).store(seen.word(), Ordering::Relaxed);
    assert_eq!(seen.drawn(now, 1250, per_byte, AHEAD), None, "the gate waits as well");
    // The same amount while the door is closed.
    doors.enter(TO, |until| engine.occupy(TO, until));
    engine.offer(now, FROM, TO, Sized(1250)).unwrap();
    cells.word(TO.index(), line::CHARGED).unwrap().store(125_000_000, Ordering::Relaxed);
    doors.settle(TO, |bytes| engine.charge_passing(now, TO, bytes, CHARGE_AHEAD_NS));
    let due_ns = engine.link_due(TO);
    assert_eq!(doors.look(TO, due_ns).unwrap().due_ns, now + CHARGE_AHEAD_NS);
    assert!(!sent(&mut engine, now + CHARGE_AHEAD_NS - 1_100_000));
    assert!(sent(&mut engine, now + CHARGE_AHEAD_NS));
    // A rate is removed and set again: nothing is charged twice.
    doors.set(TO, false);
    cells.word(TO.index(), line::CHARGED).unwrap().fetch_add(7, Ordering::Relaxed);
    doors.set(TO, true);
    doors.enter(TO, |_| ());
    doors.settle(TO, |bytes| panic!("{bytes} bytes"));
}
