//! The worker's part of isolation: it tells the program which sources to shed, waits until a link may send,
//! and leaves the queue where the scheduler controls it.

use tokio::sync::oneshot;
use weir_core::{PortId, PortSettings, Rate, Reason, Share};
use weir_port::Faults;

use super::*;

/// 60-byte frames at this rate take 12 us each.
const LINK: Rate = Rate::new(40_000_000);

fn shaped(slot: u16) -> PortSettings {
    let link_rate = (slot == 0).then_some(LINK);
    PortSettings { queue_bytes: 16 * 1024, link_rate, ..settings_of(slot) }
}

/// Offers a flood from port 1 to port 0 for this many turns.
fn flood(bench: &mut Bench, turns: usize) {
    for _ in 0..turns {
        for tag in 0..30 {
            bench.push(1, &frame(0, 1, tag));
        }
        bench.turn();
    }
}

#[test]
fn a_flood_is_shed_for_its_link_alone_and_for_as_long_as_it_lasts() {
    for workers in [1, 2] {
        let mut bench = Bench::with(workers, 3, None, shaped);
        assert!(!bench.is_shed(1, 0));
        flood(&mut bench, 40);
        assert!(bench.is_shed(1, 0), "{workers} workers");
        assert!(!bench.is_shed(1, 2) && !bench.is_shed(2, 0));
        // The flood has ended: the queue drains, and the program may let frames through.
        bench.turns(600);
        assert!(!bench.is_shed(1, 0));
        bench.assert_balanced();
        assert_eq!(bench.workers.iter().map(|w| w.engine.held_packets()).sum::<u64>(), 0);
    }
}

#[test]
fn a_shed_port_that_leaves_is_not_shed_when_it_returns() {
    let mut bench = Bench::with(1, 3, None, shaped);
    flood(&mut bench, 40);
    assert!(bench.is_shed(1, 0));
    let (done, _answer) = oneshot::channel();
    let now_ns = bench.now_ns;
    bench.workers[0].take(PortId(1), now_ns, Reason::PortGone, done);
    assert!(!bench.is_shed(1, 0));
}

#[test]
fn the_worker_knows_when_the_link_is_free() {
    let mut bench = Bench::with(1, 2, None, shaped);
    flood(&mut bench, 20);
    let due_ns = bench.workers[0].due_ns.expect("something waits for its time");
    assert!(due_ns > bench.now_ns && due_ns < bench.now_ns + 5_000_000, "{due_ns}");
    assert!(!bench.workers[0].engine.backlogged().is_empty());
    bench.turns(600);
    assert_eq!(bench.workers[0].due_ns, None, "nothing waits any more");
}

#[test]
fn weights_change_between_two_turns_without_loss_or_reordering() {
    let mut bench =
        Bench::with(1, 3, None, |slot| PortSettings { queue_bytes: 1 << 20, ..shaped(slot) });
    let mut tags = [0_u8; 3];
    for turn in 0..200_u32 {
        for slot in [1_u16, 2] {
            let tag = &mut tags[usize::from(slot)];
            bench.push(slot, &frame(0, slot as u8, *tag));
            *tag = tag.wrapping_add(1);
        }
        if turn % 10 == 0 {
            let weight = 1 + turn % 30;
            let share = Share { weight, ..Share::default() };
            let change = Change {
                ports: vec![(PortId(1), PortSettings { share, queue_bytes: 1 << 20, ..shaped(1) })],
                scheduler: None,
            };
            let now_ns = bench.now_ns;
            bench.workers[0].reshape(now_ns, &change);
        }
        bench.turn();
    }
    bench.turns(2000);
    let sent = bench.sent(0);
    assert_eq!(sent.len(), 400);
    for slot in [1_u8, 2] {
        let got: Vec<u8> = sent.iter().filter(|f| f[11] == slot).map(|f| f[20]).collect();
        assert_eq!(got, (0..200).collect::<Vec<u8>>(), "port {slot}");
    }
    bench.assert_balanced();
}

#[test]
fn a_device_that_takes_nothing_loses_nothing() {
    let roomy = |slot| PortSettings { queue_bytes: 1 << 20, ..settings_of(slot) };
    let mut bench = Bench::with(1, 2, None, roomy);
    let down = Faults { seed: 1, again: 1000, ..Faults::default() };
    bench.workers[0].lanes.get_mut(PortId(0)).unwrap().port.set_faults(down);
    for tag in 0..200 {
        for part in 0..10 {
            let mut frame = frame(0, 1, tag);
            frame[21] = part;
            bench.push(1, &frame);
        }
        bench.turn();
    }
    assert!(bench.sent(0).len() < 100);
    bench.workers[0].lanes.get_mut(PortId(0)).unwrap().port.set_faults(Faults::default());
    bench.turns(500);
    let arrived: Vec<(u8, u8)> = bench.sent(0).iter().map(|f| (f[20], f[21])).collect();
    assert_eq!(arrived.len(), 2000);
    assert!(arrived.is_sorted());
    bench.assert_balanced();
}
