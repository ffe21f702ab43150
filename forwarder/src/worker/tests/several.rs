//! Several workers, with the ports divided between them.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::oneshot;
use weir_core::{PortId, Reason};
use weir_port::Faults;

use super::*;

/// Lets everything come to rest, and checks that every frame was returned to its home.
fn settle(bench: &mut Bench) {
    for worker in &mut bench.workers {
        let ids: Vec<PortId> = worker.lanes.all().iter().collect();
        for id in ids {
            worker.lanes.get_mut(id).unwrap().port.set_faults(Faults::default());
        }
    }
    bench.turns(300);
    bench.assert_balanced();
    for worker in &mut bench.workers {
        let snapshot = worker.snapshot(bench.now_ns);
        assert_eq!(snapshot.held_packets, 0);
        let census = snapshot.census;
        assert!(census.adds_up(), "{census:?}");
        assert_eq!((census.held, census.rx), (0, 0), "{census:?}");
    }
    let sum = |of: fn(&Peers) -> u64| bench.workers.iter().map(|it| of(&it.peers)).sum::<u64>();
    assert_eq!(sum(Peers::handed_over), sum(Peers::taken_over));
}

#[test]
fn a_frame_crosses_to_the_other_worker_and_back() {
    let mut bench = Bench::with(2, 4, None, settings_of);
    // Ports 1 and 3 belong to the second worker.
    bench.push(2, &frame(1, 2, 0));
    bench.turns(3);
    assert_eq!(bench.sent(1), [frame(1, 2, 0)]);
    for tag in 0..60 {
        bench.push(1, &frame(2, 1, tag));
    }
    bench.turns(5);
    settle(&mut bench);
    let tags: Vec<u8> = bench.sent(2).iter().map(|frame| frame[20]).collect();
    assert_eq!(tags, (0..60).collect::<Vec<u8>>());
}

#[test]
fn containers_do_not_gather_on_one_side() {
    let mut bench = Bench::with(2, 2, None, settings_of);
    let mut spares = Vec::new();
    for round in 0..2000_u32 {
        for tag in 0..20 {
            bench.push(0, &frame(1, 9, tag));
        }
        bench.turn();
        bench.sent(1);
        if round % 500 == 499 {
            spares.push(bench.workers.iter().map(|w| w.engine.spare_containers()).sum::<usize>());
        }
    }
    settle(&mut bench);
    assert!(spares.windows(2).all(|two| two[1] <= two[0] + 64), "{spares:?}");
}

#[test]
fn a_remote_port_that_leaves_takes_nothing_along() {
    let mut bench = Bench::with(2, 4, None, settings_of);
    for tag in 0..100 {
        bench.push(0, &frame(1 + tag % 3, 9, tag));
    }
    bench.turn();
    let now_ns = bench.now_ns;
    bench.workers[0].remove_remote(PortId(3), Reason::PortGone, now_ns);
    let (done, mut answer) = oneshot::channel();
    bench.workers[1].take(PortId(3), now_ns, Reason::PortGone, done);
    while answer.is_empty() {
        bench.turn();
        let now_ns = bench.now_ns;
        bench.workers[1].return_leaving_ports(now_ns);
    }
    let taken = answer.try_recv().unwrap().unwrap();
    drop(taken.port);
    bench.workers[1].pool.reclaim(PortId(3));
    bench.turns(50);
    for worker in &bench.workers {
        let census = worker.pool.census();
        assert_eq!((census.held, census.tx), (0, 0), "{census:?}");
    }
}

#[test]
fn a_worker_that_stands_still_does_not_fill_up_with_anothers_frames() {
    let bounded =
        |slot| PortSettings { queue_bytes: 64 * 1024, queue_frames: 600, ..settings_of(slot) };
    let mut bench = Bench::with(2, 4, None, bounded);
    // The second worker serves port 1.
    for round in 0..100_u64 {
        for tag in 0..40 {
            bench.push(0, &frame(1, 9, tag));
        }
        bench.now_ns += TURN_NS;
        let now_ns = bench.now_ns;
        bench.workers[0].turn(now_ns);
        let snapshot = bench.workers[0].snapshot(now_ns);
        let there = snapshot.held_packets + snapshot.handed_over;
        assert!(there <= 600, "{there} packets in round {round}");
        assert!(bench.workers[0].pool.available_to_fill() > 0);
    }
    // Packets from other ports still get through.
    bench.push(2, &frame(0, 2, 7));
    bench.turns(3);
    assert_eq!(bench.sent(0), [frame(0, 2, 7)]);
    settle(&mut bench);
}

/// Takes all frames from a worker's pool, as if they waited in queues and devices of the other worker.
fn run_dry(worker: &mut Worker<MemPort>) -> Vec<weir_port::Frame> {
    std::iter::from_fn(|| worker.pool.alloc()).collect()
}

#[test]
fn a_worker_without_frames_wakes_when_they_come_home() {
    const LONG: Duration = Duration::from_secs(20);
    let mut bench = Bench::with(2, 2, None, settings_of);
    let away = run_dry(&mut bench.workers[0]);
    assert!(away.len() > 256);
    let (dry, other) = bench.workers.split_at_mut(1);
    let (dry, other) = (&mut dry[0], &mut other[0]);
    let bells = Arc::clone(&other.peers.bells);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            dry.sleep(LONG.as_nanos() as u64);
            dry
        });
        while !bells[0].is_asleep() {
            assert!(began.elapsed() < LONG, "it never slept");
            std::thread::yield_now();
        }
        for frame in away {
            other.pool.free(frame);
        }
        other.turn(0);
        let dry = sleeper.join().unwrap();
        assert!(began.elapsed() < LONG / 2, "no bell was rung");
        dry.turn(0);
        let census = dry.pool.census();
        assert!(census.free > 256, "{census:?}");
    });
}

#[test]
fn a_worker_without_frames_looks_for_single_ones() {
    let mut bench = Bench::with(2, 2, None, settings_of);
    assert!(bench.workers[0].chore_gap() > 50_000_000);
    let away = run_dry(&mut bench.workers[0]);
    assert!(bench.workers[0].chore_gap() <= 1_000_000);
    for frame in away {
        bench.workers[0].pool.free(frame);
    }
    settle(&mut bench);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_goes_wrong_between_workers_is_counted(
        workers in 2_usize..4,
        seed in 0_u64..1000,
        often in 0_u16..300,
        steps in prop::collection::vec((0_u16..5, 0_u8..7, 0_u8..7, 0_usize..40), 1..60),
    ) {
        let mut bench = Bench::with(workers, 5, Some(Faults::all(seed, often)), settings_of);
        for (at, dst, src, count) in steps {
            for tag in 0..count {
                bench.push(at, &frame(dst, src, tag as u8));
            }
            bench.turn();
            bench.assert_balanced();
        }
        settle(&mut bench);
    }
}
