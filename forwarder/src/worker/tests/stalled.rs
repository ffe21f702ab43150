//! A worker that is stalled and recovers: everything that waited is lost under a reason, wherever it waited,
//! before anything is sent and before the gate is told that the worker runs.

use tokio::sync::oneshot;
use weir_abi::MAX_PORTS;
use weir_abi::gate::{home, out};
use weir_core::{Rate, Reason};
use weir_port::Port as _;
use weir_port::cells::STRIDE;

use super::heartbeat::{EVERY_NS, LATE_NS};
use super::*;

fn stalled(bench: &mut Bench) -> u64 {
    let now_ns = bench.now_ns;
    let mut lost = 0;
    for worker in &mut bench.workers {
        let snapshot = worker.snapshot(now_ns);
        for losses in snapshot.foreign_losses.iter().map(|(_, losses)| losses) {
            lost += losses.get(Reason::Stalled);
        }
        for port in &snapshot.ports {
            lost += port.losses.get(Reason::Stalled) + port.stats.losses.get(Reason::Stalled);
        }
    }
    lost
}

fn word(cells: &Cells, at: usize, n: usize) -> u64 {
    cells.get(at * STRIDE + n).unwrap().load(Ordering::Relaxed)
}

fn beat(bench: &Bench, worker: usize) -> u64 {
    word(&bench.out, MAX_PORTS as usize + worker, out::BEAT)
}

fn done(bench: &Bench, slot: usize) -> u64 {
    word(&bench.given_back, slot, home::DONE)
}

/// Advances the clock by this much without a turn.
fn stand_still(bench: &mut Bench, for_ns: u64) {
    bench.now_ns += for_ns;
    clock::set(bench.now_ns);
}

#[test]
fn what_waited_in_rings_and_queues_is_lost_and_what_comes_then_goes_on() {
    // A frame takes 200 us on the link.
    let slow = |slot| PortSettings { link_rate: Some(Rate::new(40_000_000)), ..settings_of(slot) };
    let frame = |src, tag| {
        let mut frame = frame(0, src, tag);
        frame.resize(1000, 0);
        frame
    };
    for (for_ns, lost) in [(LATE_NS - 2 * TURN_NS, false), (LATE_NS, true), (100 * LATE_NS, true)] {
        let mut bench = Bench::with(1, 3, None, slow);
        for tag in 0..40 {
            bench.push(1, &frame(1, tag));
        }
        bench.turn();
        for tag in 40..60 {
            bench.push(2, &frame(2, tag));
        }
        let sent = bench.sent(0).len() as u64;
        assert!(sent < 10, "{sent} left before");
        stand_still(&mut bench, for_ns);
        let expected = if lost { 60 - sent } else { 0 };
        bench.turn();
        assert_eq!(stalled(&mut bench), expected, "after {for_ns} ns");
        bench.assert_balanced();
        assert_eq!(bench.sent(0).is_empty(), lost);
        assert_eq!(beat(&bench, 0), bench.now_ns, "the gate hears of it");
        assert!(!lost || done(&bench, 1) + done(&bench, 2) == 60);
        bench.push(1, &frame(1, 99));
        bench.turns(2000);
        let last = bench.sent(0).pop().unwrap();
        assert_eq!(last, frame(1, 99));
        assert_eq!((stalled(&mut bench), done(&bench, 1) + done(&bench, 2)), (expected, 61));
        bench.assert_balanced();
    }
}

/// As with several receive queues, each of which has a ring.
#[test]
fn all_that_waited_in_a_ports_rings_is_lost() {
    const WAITING: usize = weir_abi::RX_PLACES as usize + 300;
    let mut bench = Bench::new(2, None);
    bench.home(1).lanes.get_mut(PortId(1)).unwrap().port = MemPort::new(PortId(1), WAITING);
    bench.turns(3);
    (0..WAITING).for_each(|tag| bench.push(1, &frame(0, 1, tag as u8)));
    stand_still(&mut bench, LATE_NS);
    bench.turn();
    assert_eq!((bench.sent(0).len(), stalled(&mut bench)), (0, WAITING as u64));
}

/// Port 0 has ten frames of port 1 in its transmit ring, which the kernel refuses to take.
fn with_ten_frames_in_a_ring() -> Bench {
    let mut bench = Bench::new(3, None);
    let port = &mut bench.home(0).lanes.get_mut(PortId(0)).unwrap().port;
    port.set_faults(Faults { again: 1000, ..Faults::default() });
    for tag in 0..10 {
        bench.push(1, &frame(0, 1, tag));
    }
    bench.turn();
    assert_eq!(bench.home(0).lanes.get_mut(PortId(0)).unwrap().port.tx_waiting(), 10);
    bench
}

#[test]
fn what_the_kernel_was_not_asked_to_take_is_taken_back() {
    let mut bench = with_ten_frames_in_a_ring();
    assert_eq!(done(&bench, 1), 0);
    let port = &mut bench.home(0).lanes.get_mut(PortId(0)).unwrap().port;
    port.set_faults(Faults::default());
    stand_still(&mut bench, LATE_NS);
    bench.turn();
    assert_eq!((bench.sent(0).len(), stalled(&mut bench), done(&bench, 1)), (0, 10, 10));
    bench.push(1, &frame(0, 1, 11));
    bench.turns(2);
    assert_eq!((bench.sent(0).len(), done(&bench, 1)), (1, 11));
    bench.assert_balanced();
}

/// Frames of other ports in a leaving port's transmit ring are over: their sources do not wait for them.
#[test]
fn what_a_leaving_port_has_not_sent_is_over_for_its_sources() {
    let mut bench = with_ten_frames_in_a_ring();
    let (answers, mut answer) = oneshot::channel();
    let now_ns = bench.now_ns;
    bench.home(0).take(PortId(0), now_ns, Reason::PortGone, answers);
    while answer.is_empty() {
        bench.turn();
        let now_ns = bench.now_ns;
        bench.home(0).return_leaving_ports(now_ns);
    }
    let taken = answer.try_recv().unwrap().unwrap();
    assert_eq!((taken.last.losses.get(Reason::PortGone), done(&bench, 1)), (10, 10));
}

/// Places in the ring that ports share are given back.
#[test]
fn places_in_the_shared_ring_are_given_back() {
    let mut bench = Bench::with_shared_ring();
    let (out, given_back) = (bench.out.clone(), bench.given_back.clone());
    // Earlier frames of the source are still on their way by the bridge, so the first ones are held.
    out.get(STRIDE + out::BRIDGED).unwrap().store(3, Ordering::Relaxed);
    (0..5).for_each(|_| bench.push_shared(true));
    bench.turn();
    assert_eq!(bench.workers[0].gathering.as_ref().unwrap().held_packets(), 5);
    (0..7).for_each(|_| bench.push_shared(false));
    stand_still(&mut bench, LATE_NS);
    bench.turn();
    let queue = MAX_PORTS as usize;
    let back = |at| word(&given_back, at, home::BACK);
    assert_eq!((stalled(&mut bench), back(1), back(queue)), (12, 12, 12));
    assert_eq!((bench.sent(0).len(), done(&bench, 1)), (0, 12));
    out.get(STRIDE + out::CLEARED).unwrap().store(3, Ordering::Relaxed);
    bench.push_shared(true);
    bench.turns(3);
    assert_eq!((bench.sent(0).len(), done(&bench, 1), back(1)), (1, 13, 13));
    bench.assert_balanced();
}

/// Wherever in a turn the worker is stalled, nothing is sent afterwards that was there before.
#[test]
fn a_worker_that_stands_still_in_the_middle_of_a_turn_sends_nothing_of_it() {
    let mut jumped = 0;
    for looks in 0..40 {
        let mut bench = Bench::new(4, None);
        bench.turns(3);
        for tag in 0..30 {
            bench.push(1, &frame(0, 1, tag));
            bench.push(2, &frame(0, 2, tag));
            bench.push(2, &frame(3, 2, tag));
        }
        clock::jump_after(looks, 2 * LATE_NS);
        bench.turn();
        if clock::jump_is_off() {
            continue;
        }
        bench.now_ns += 2 * LATE_NS;
        let before = [0, 3].map(|slot| bench.sent(slot).len() as u64);
        let lost = stalled(&mut bench);
        assert_eq!(lost + before[0] + before[1], 90, "after {looks} looks");
        // Nothing is lost if all had been sent before the last reading of the clock.
        jumped += u64::from(lost > 0);
        bench.turns(3);
        assert_eq!([0, 3].map(|slot| bench.sent(slot).len()), [0, 0], "after {looks} looks");
        bench.push(2, &frame(0, 2, 1));
        bench.turns(2);
        assert_eq!(bench.sent(0).len(), 1);
        assert_eq!(done(&bench, 1) + done(&bench, 2), 91);
        bench.assert_balanced();
    }
    assert!(jumped >= 3, "{jumped}");
}

/// Ports 0 and 2 belong to the first worker, 1 and 3 to the second.
#[test]
fn a_worker_that_stands_still_in_the_middle_of_a_turn_hands_nothing_over() {
    let mut some_lost = 0;
    for looks in 0..40 {
        let mut bench = Bench::with(2, 4, None, settings_of);
        bench.turns(3);
        for tag in 0..30 {
            bench.push(0, &frame(1, 9, tag));
            bench.push(2, &frame(3, 9, tag));
        }
        clock::jump_after(looks, 2 * LATE_NS);
        let now_ns = bench.now_ns;
        bench.workers[0].turn(now_ns);
        clock::jump_is_off();
        // The other worker has been running.
        clock::set(now_ns);
        bench.workers[1].turn(now_ns);
        bench.workers[1].settle(now_ns);
        let sent = [1, 3].map(|slot| bench.sent(slot).len() as u64);
        let lost = stalled(&mut bench);
        assert_eq!(lost + sent[0] + sent[1], 60, "after {looks} looks");
        some_lost += u64::from(lost > 0);
        bench.assert_balanced();
    }
    assert!(some_lost >= 2, "{some_lost}");
}

/// The first worker holds frames for its slow link, from its own source and from the second worker's, which
/// is stalled.
#[test]
fn a_worker_sends_nothing_that_came_from_another_that_stands_still() {
    const EACH: usize = 40;
    // A frame takes 20 ms on the link.
    let slow = |slot| PortSettings { link_rate: Some(Rate::new(400_000)), ..settings_of(slot) };
    let mut bench = Bench::with(2, 3, None, slow);
    stand_still(&mut bench, EVERY_NS);
    bench.turn();
    for tag in 0..EACH {
        for from in [1, 2] {
            let mut frame = frame(0, from as u8, tag as u8);
            frame.resize(1000, 0);
            bench.push(from, &frame);
        }
    }
    bench.turns(2);
    let mut sent = Vec::new();
    let since = bench.now_ns;
    // The worker notices with its next beat.
    while bench.now_ns <= since + LATE_NS + EVERY_NS {
        stand_still(&mut bench, EVERY_NS);
        let now_ns = bench.now_ns;
        bench.workers[0].turn(now_ns);
        bench.workers[0].settle(now_ns);
        sent.append(&mut bench.sent(0));
    }
    let of = |sent: &[Vec<u8>], from: u8| sent.iter().filter(|frame| frame[11] == from).count();
    let before = of(&sent, 1);
    assert!(before > 0 && before < EACH / 2, "{before}");
    assert_eq!((stalled(&mut bench), done(&bench, 1)), ((EACH - before) as u64, EACH as u64));
    for _ in 0..2 * EACH {
        stand_still(&mut bench, EVERY_NS);
        let now_ns = bench.now_ns;
        bench.workers[0].turn(now_ns);
        bench.workers[0].settle(now_ns);
        sent.append(&mut bench.sent(0));
    }
    assert_eq!((of(&sent, 1), of(&sent, 2), done(&bench, 2)), (before, EACH, EACH as u64));
    bench.assert_balanced();
}

/// Ports 0 and 2 belong to the first worker, 1 and 3 to the second, which is stalled.
#[test]
fn a_worker_sends_nothing_to_another_that_stands_still() {
    let mut bench = Bench::with(2, 4, None, settings_of);
    bench.turns(2);
    bench.push(0, &frame(1, 9, 1));
    // The frames are handed over just before the stall.
    let now_ns = bench.now_ns;
    bench.workers[0].turn(now_ns);
    let mut sent = 1;
    let since = bench.now_ns;
    while bench.now_ns < since + 2 * LATE_NS {
        stand_still(&mut bench, EVERY_NS);
        for slot in [0, 2] {
            bench.push(slot, &frame(1, 9, 2));
            bench.push(slot, &frame(2 - slot as u8, 9, 3));
        }
        sent += 4;
        let now_ns = bench.now_ns;
        bench.workers[0].turn(now_ns);
        bench.workers[0].settle(now_ns);
    }
    let own = bench.sent(0).len() + bench.sent(2).len();
    assert_eq!(own, (sent - 1) / 2, "its own links are not concerned");
    let held = bench.workers[0].engine.held_packets();
    assert_eq!(held, 0, "it keeps nothing for the other");
    bench.turn();
    assert_eq!(bench.sent(1).len(), 0);
    assert_eq!(stalled(&mut bench), (sent - own) as u64);
    bench.turns(5);
    bench.assert_balanced();
    bench.push(0, &frame(1, 9, 4));
    bench.turns(5);
    assert_eq!(bench.sent(1), [frame(1, 9, 4)]);
    assert_eq!(done(&bench, 0) + done(&bench, 2), sent as u64 + 1);
}
