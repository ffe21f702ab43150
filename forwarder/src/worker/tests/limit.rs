//! A worker that has more to send than it has time for: which sources wait for it, and which do not.

use weir_core::{PortId, PortSettings, Share};

use super::*;

const FLOODS: [(u16, u32); 3] = [(1, 1), (2, 2), (3, 4)];
const POLITE: u16 = 4;
/// Frames that each flood offers in a turn: together three times what a turn sends.
const OFFERED: usize = 25;
/// The time between two readings of the clock, of which there is one for each container.
const CONTAINER_NS: u64 = 8_000;
const FRAME_LEN: usize = 1000;

/// A bench whose floods can go to one port, or each to a separate port.
fn bench(workers: usize) -> Bench {
    let weight = |slot| FLOODS.iter().find(|(flood, _)| *flood == slot).map_or(1, |flood| flood.1);
    let bench = Bench::with(workers, 9, None, |slot| PortSettings {
        queue_bytes: 32 * 1024,
        share: Share { weight: weight(slot), ..Share::default() },
        ..settings_of(slot)
    });
    clock::tick_by(CONTAINER_NS);
    bench
}

fn long(dst: u16, src: u16, tag: u8) -> Vec<u8> {
    let mut frame = frame(dst as u8, src as u8, tag);
    frame.resize(FRAME_LEN, tag);
    frame
}

/// Offers the frames of the floods and of the polite source, as far as the gate would let them through.
/// Returns how many of each source were sent, and how many turns the slowest polite frame took.
fn play(bench: &mut Bench, turns: usize, to: impl Fn(u16) -> u16) -> ([u64; 5], usize) {
    let (mut came, mut slowest, mut since) = ([0; 5], 0, None);
    for turn in 0..turns {
        for (flood, _) in FLOODS {
            for _ in 0..OFFERED {
                if !bench.is_shed(flood, to(flood)) {
                    bench.push(flood, &long(to(flood), flood, 0));
                }
            }
        }
        if since.is_none() {
            assert!(!bench.is_shed(POLITE, to(POLITE)), "it is below its share");
            bench.push(POLITE, &long(to(POLITE), POLITE, 0));
            since = Some(turn);
        }
        bench.turn();
        assert!(turn < 10 || bench.workers[0].work.is_limit(), "turn {turn}");
        for egress in [0, 5, 6, 7, 8] {
            for frame in bench.sent(egress) {
                let source = usize::from(frame[11]);
                came[source] += 1;
                if source == usize::from(POLITE)
                    && let Some(since) = since.take()
                {
                    slowest = slowest.max(turn - since);
                }
            }
        }
    }
    (came, slowest)
}

#[track_caller]
fn assert_by_weight(came: &[u64; 5]) {
    let per_weight =
        FLOODS.map(|(flood, weight)| came[usize::from(flood)] as f64 / f64::from(weight));
    let mean = per_weight.iter().sum::<f64>() / per_weight.len() as f64;
    for one in per_weight {
        assert!((one / mean - 1.0).abs() < 0.03, "{came:?}");
    }
}

#[test]
fn floods_to_one_port_share_the_worker_by_weight_and_a_polite_source_does_not_wait() {
    let mut bench = bench(1);
    play(&mut bench, 200, |_| 0);
    let (came, slowest) = play(&mut bench, 1_000, |_| 0);
    assert_by_weight(&came);
    assert!(came[usize::from(POLITE)] > 400 && slowest <= 1, "{came:?}, {slowest} turns");
    assert_eq!(bench.home(POLITE).lanes.get(PortId(POLITE)).unwrap().losses.total(), 0);
    finish(bench);
}

#[test]
fn a_flood_to_a_port_of_its_own_has_its_part_of_the_worker_and_no_more() {
    let mut bench = bench(1);
    // With four links that wait, a turn is four times as long.
    clock::tick_by(4 * CONTAINER_NS);
    let to = |from: u16| 4 + from;
    play(&mut bench, 200, to);
    let (came, slowest) = play(&mut bench, 1_000, to);
    // Here reading the clock for a link costs as much as two containers, so containers of a link that sends
    // few cost more each. The parts are exact in time (`core::work`); in frames they only follow the weights.
    assert!(came[1] > 500 && 3 * came[1] < 2 * came[2] && 3 * came[2] < 2 * came[3], "{came:?}");
    assert!(came[usize::from(POLITE)] > 300 && slowest <= 2, "{came:?}, {slowest} turns");
    finish(bench);
}

/// Lets the queues drain without offering anything, and checks that the worker is no longer the limit and no
/// source is shed.
fn finish(mut bench: Bench) {
    clock::tick_by(0);
    bench.turns(300);
    assert!(!bench.workers[0].work.is_limit());
    for (flood, _) in FLOODS {
        assert!((0..9).all(|egress| !bench.is_shed(flood, egress)));
    }
    bench.assert_balanced();
    assert_eq!(bench.workers[0].engine.held_packets(), 0);
}
