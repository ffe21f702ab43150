//! One worker: forwarding, order, ports that leave, and everything that can go wrong.

use proptest::prelude::*;
use tokio::sync::oneshot;
use weir_core::{PortId, Reason};
use weir_port::Faults;

use super::{Bench, frame};

#[test]
fn a_frame_leaves_by_the_port_that_the_program_named() {
    let mut bench = Bench::new(3, None);
    bench.push(1, &frame(2, 1, 0));
    bench.push(2, &frame(1, 2, 7));
    bench.turns(2);
    assert_eq!(bench.sent(2), [frame(2, 1, 0)]);
    assert_eq!(bench.sent(1), [frame(1, 2, 7)]);
    assert_eq!(bench.sent(0).len(), 0);
    bench.assert_balanced();
}

#[test]
fn order_is_kept() {
    let mut bench = Bench::new(2, None);
    for tag in 0..200 {
        bench.push(0, &frame(1, 9, tag));
        if tag % 40 == 0 {
            bench.turn();
        }
    }
    for _ in 0..20 {
        bench.turn();
    }
    let tags: Vec<u8> = bench.sent(1).iter().map(|frame| frame[20]).collect();
    let in_order: Vec<u8> = tags.clone();
    assert!(in_order.is_sorted(), "{tags:?}");
    bench.assert_balanced();
}

#[test]
fn a_port_that_leaves_takes_nothing_along() {
    let mut bench = Bench::new(3, None);
    for n in 0..100 {
        bench.push(1, &frame(n % 2 * 2, 1, n));
    }
    bench.turn();
    let (done, mut answer) = oneshot::channel();
    let now_ns = bench.now_ns;
    bench.workers[0].take(PortId(2), now_ns, Reason::PortGone, done);
    while answer.is_empty() {
        bench.turn();
        let now_ns = bench.now_ns;
        bench.workers[0].return_leaving_ports(now_ns);
    }
    let taken = answer.try_recv().unwrap().unwrap();
    let gone = taken.last.losses.get(Reason::PortGone);
    drop(taken.port);
    bench.workers[0].pool.reclaim(PortId(2));
    for _ in 0..20 {
        bench.turn();
    }
    let census = bench.workers[0].pool.census();
    assert_eq!((census.held, census.tx), (0, 0), "{census:?}, lost with the port: {gone}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_goes_wrong_is_counted(
        seed in 0_u64..1000,
        often in 0_u16..300,
        steps in prop::collection::vec((0_u16..4, 0_u8..6, 0_u8..6, 0_usize..40), 1..60),
    ) {
        let mut bench = Bench::new(4, Some(Faults::all(seed, often)));
        for (at, dst, src, count) in steps {
            for tag in 0..count {
                bench.push(at, &frame(dst, src, tag as u8));
            }
            bench.turn();
            bench.assert_balanced();
        }
        for slot in 0..4 {
            if let Some(lane) = bench.workers[0].lanes.get_mut(PortId(slot)) {
                lane.port.set_faults(Faults::default());
            }
        }
        for _ in 0..200 {
            bench.turn();
        }
        bench.assert_balanced();
        let now_ns = bench.now_ns;
        let snapshot = bench.workers[0].snapshot(now_ns);
        prop_assert_eq!(snapshot.held_packets, 0);
    }
}
