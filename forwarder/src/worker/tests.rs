//! The whole loop on kernel-free ports: what comes in is delivered, held or lost under a name, with
//! and without faults, and when ports come and go.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use proptest::prelude::*;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::oneshot;
use weir_core::{EngineConfig, PortId, PortRole, Reason};
use weir_port::{Faults, MemPort, Pool};

use super::*;

const TURN_NS: u64 = 10_000;

struct Bench {
    worker: Worker<MemPort>,
    _commands: Sender<Command<MemPort>>,
    now_ns: u64,
    pushed: u64,
}

impl Bench {
    fn new(ports: u16, faults: Option<Faults>) -> Self {
        let (commands, inbox) = channel();
        let wake: Arc<OwnedFd> = Arc::new(eventfd(0, EventfdFlags::NONBLOCK).unwrap());
        let settings =
            WorkerSettings { core: 0, idle: IdlePolicy::Spin, engine: EngineConfig::default() };
        let mut worker = Worker::new(settings, Pool::heap(4096), inbox, wake);
        for slot in 0..ports {
            let mut port = MemPort::new(PortId(slot), 64);
            if let Some(faults) = &faults {
                port.set_faults(Faults { seed: faults.seed + u64::from(slot), ..faults.clone() });
            }
            worker.add(NewPort {
                id: PortId(slot),
                role: if slot == 0 { PortRole::Uplink } else { PortRole::Vif },
                queue_bytes: 64 * 1024,
                port,
            });
        }
        Self { worker, _commands: commands, now_ns: 0, pushed: 0 }
    }

    fn push(&mut self, at: u16, frame: &[u8]) {
        let Worker { lanes, pool, .. } = &mut self.worker;
        if let Some(lane) = lanes.get_mut(PortId(at)) {
            self.pushed += 1;
            lane.port.push_rx(pool, frame, self.now_ns);
        }
    }

    fn turn(&mut self) {
        self.now_ns += TURN_NS;
        self.worker.turn(self.now_ns);
        let census = self.worker.pool.census();
        assert!(census.adds_up(), "{census:?}");
    }

    /// Everything that was pushed is somewhere.
    fn assert_balanced(&mut self) {
        let snapshot = self.worker.snapshot(self.now_ns);
        let sum =
            |count: &dyn Fn(&PortSnapshot) -> u64| snapshot.ports.iter().map(count).sum::<u64>();
        let came = self.pushed + sum(&|p| p.copies + p.stats.segments_made);
        let lost = sum(&|p| p.losses.total() + p.stats.losses.total());
        let went = sum(&|p| p.stats.tx_packets + p.tx_outstanding + p.rx_waiting)
            + snapshot.held_packets
            + lost
            + snapshot.orphan_losses.total();
        assert_eq!(came, went, "{snapshot:#?}");
    }

    fn sent(&mut self, from: u16) -> Vec<Vec<u8>> {
        let lane = self.worker.lanes.get_mut(PortId(from)).unwrap();
        std::iter::from_fn(|| lane.port.take_tx()).map(|sent| sent.bytes).collect()
    }
}

fn frame(dst: u8, src: u8, tag: u8) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src, 0x88, 0xb5];
    frame.resize(60, tag);
    frame
}

#[test]
fn unknown_destinations_are_flooded_and_known_ones_are_not() {
    let mut bench = Bench::new(3, None);
    bench.push(1, &frame(2, 1, 0));
    bench.turn();
    bench.turn();
    assert_eq!(bench.sent(0).len(), 1);
    assert_eq!(bench.sent(2).len(), 1);
    assert_eq!(bench.sent(1).len(), 0, "never back out of the port it came from");
    bench.push(2, &frame(1, 2, 7));
    bench.turn();
    bench.turn();
    assert_eq!(bench.sent(1), [frame(1, 2, 7)]);
    assert_eq!(bench.sent(0).len(), 0);
    bench.assert_balanced();
}

#[test]
fn order_is_kept() {
    let mut bench = Bench::new(2, None);
    bench.push(1, &frame(9, 1, 0));
    bench.turn();
    bench.sent(0);
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
        bench.push(1, &frame(0xff, 1, n));
    }
    bench.turn();
    let (done, mut answer) = oneshot::channel();
    bench.worker.take(PortId(2), bench.now_ns, done);
    while answer.is_empty() {
        bench.turn();
        bench.worker.let_go(bench.now_ns);
    }
    let taken = answer.try_recv().unwrap().unwrap();
    let gone = taken.last.losses.get(Reason::PortGone);
    drop(taken.port);
    bench.worker.pool.reclaim(PortId(2));
    for _ in 0..20 {
        bench.turn();
    }
    let census = bench.worker.pool.census();
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
            if let Some(lane) = bench.worker.lanes.get_mut(PortId(slot)) {
                lane.port.set_faults(Faults::default());
            }
        }
        for _ in 0..200 {
            bench.turn();
        }
        bench.assert_balanced();
        let snapshot = bench.worker.snapshot(bench.now_ns);
        prop_assert_eq!(snapshot.held_packets, 0);
    }
}
