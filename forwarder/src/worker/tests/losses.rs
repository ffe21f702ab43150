//! Injected losses: one frame is lost in each possible way, and is counted once, under that way's reason and
//! under no other.
//!
//! Invariant: a test fails for each reason that is neither injected here nor one of the program's (those are
//! injected in `tests/tests/program/losses.rs`). So no reason is added under which nothing can be lost.

use tokio::sync::oneshot;
use weir_abi::gso::gso_kind;
use weir_abi::{Counter, Meta, NO_EGRESS, meta_flags};
use weir_core::{Losses, PortId, Reason, Release, ReleaseSettings};
use weir_port::{Faults, Packet, Port, reason_of};

use super::*;

/// One way to lose one frame. Ports 0 and 2 belong to the first worker. With two workers, port 1 belongs to
/// the second.
struct Way {
    reason: Reason,
    how: &'static str,
    workers: usize,
    /// The number of frames that arrive; all but the lost one are delivered.
    frames: u64,
    inject: fn(&mut Bench),
}

const fn way(reason: Reason, how: &'static str, inject: fn(&mut Bench)) -> Way {
    Way { reason, how, workers: 1, frames: 1, inject }
}

const fn between(reason: Reason, how: &'static str, inject: fn(&mut Bench)) -> Way {
    Way { workers: 2, ..way(reason, how, inject) }
}

const ALWAYS: u16 = 1000;

static WAYS: &[Way] = &[
    way(Reason::RxRingFull, "the ring is full", |bench| {
        faulty(bench, 1, Faults { rx_full: ALWAYS, ..Faults::default() });
        bench.push(1, &frame(0, 1, 0));
    }),
    way(Reason::FillEmpty, "the kernel finds no frame", |bench| {
        faulty(bench, 1, Faults { fill_empty: ALWAYS, ..Faults::default() });
        bench.push(1, &frame(0, 1, 0));
    }),
    way(Reason::BadDescriptor, "the kernel names a frame that is not ours", |bench| {
        faulty(bench, 1, Faults { bad_descriptor: ALWAYS, ..Faults::default() });
        bench.push(1, &frame(0, 1, 0));
    }),
    way(Reason::BadDescriptor, "the metadata is of another program", |bench| {
        let frame = frame(0, 1, 0);
        let meta = Meta { abi: 0, ..bench.meta(1, &frame) };
        bench.push_meta(1, &frame, &meta);
    }),
    way(Reason::TruncatedChain, "the last part never comes", |bench| {
        faulty(bench, 1, Faults { truncated_chain: ALWAYS, ..Faults::default() });
        bench.push(1, &long(5000));
    }),
    way(Reason::NoEgress, "it is for the port it came from", |bench| {
        bench.push(1, &frame(1, 9, 0));
    }),
    way(Reason::NoEgress, "it is for no port", |bench| {
        let frame = frame(0, 1, 0);
        let meta = Meta { egress: NO_EGRESS, ..bench.meta(1, &frame) };
        bench.push_meta(1, &frame, &meta);
    }),
    way(Reason::NoFrames, "no frame is left for its segments", |bench| {
        cut_here(bench);
        let (frame, meta) = superframe(bench, 5000);
        bench.push_meta(1, &frame, &meta);
        let hoarded = hoard(bench);
        bench.turns(3);
        for packet in hoarded {
            bench.workers[0].pool.release(packet);
        }
    }),
    Way {
        frames: 2,
        ..way(Reason::QueueFull, "its queue has a packet already", |bench| {
            bench.push(1, &frame(0, 1, 0));
            bench.push(1, &frame(0, 1, 1));
        })
    },
    way(Reason::MtuExceeded, "it is longer than the egress MTU", |bench| {
        bench.push(1, &long(1600));
    }),
    way(Reason::GsoUnsupported, "it cannot be cut", |bench| {
        let (frame, meta) = superframe(bench, 5000);
        bench.push_meta(1, &frame, &Meta { gso_type: 7, ..meta });
    }),
    way(Reason::GsoUnsupported, "its segments are more than the ring holds", |bench| {
        cut_here(bench);
        let (frame, meta) = superframe(bench, 20_000);
        bench.push_meta(1, &frame, &Meta { gso_size: 100, ..meta });
    }),
    way(Reason::TxBusy, "the device drops it", |bench| {
        faulty(bench, 0, Faults { busy: ALWAYS, ..Faults::default() });
        bench.push(1, &frame(0, 1, 0));
    }),
    way(Reason::TxError, "the packet socket refuses it", |bench| {
        faulty(bench, 0, Faults { tx_error: ALWAYS, ..Faults::default() });
        let (frame, meta) = superframe(bench, 5000);
        bench.push_meta(1, &frame, &meta);
    }),
    way(Reason::PortGone, "its egress is not there", |bench| bench.push(1, &frame(7, 1, 0))),
    way(Reason::PortGone, "its egress is no port at all", |bench| {
        let frame = frame(0, 1, 0);
        let meta = Meta { egress: 0xfffe, ..bench.meta(1, &frame) };
        bench.push_meta(1, &frame, &meta);
    }),
    way(Reason::PortGone, "its egress is down", |bench| {
        bench.home(0).lanes.get_mut(PortId(0)).unwrap().port.down = true;
        bench.push(1, &frame(0, 1, 0));
    }),
    way(Reason::PortGone, "its egress is removed while it waits", |bench| {
        hold_one(bench);
        take(bench, 0, Reason::PortGone);
    }),
    way(Reason::PortGone, "its source is removed while it waits", |bench| {
        hold_one(bench);
        take(bench, 1, Reason::PortGone);
    }),
    way(Reason::Stalled, "it waits while the worker stands still", |bench| {
        hold_one(bench);
        bench.now_ns += heartbeat::LATE_NS;
    }),
    between(Reason::Stalled, "it is for a worker that stands still", |bench| {
        // The second worker, which serves port 1, keeps running.
        bench.now_ns += heartbeat::LATE_NS + heartbeat::EVERY_NS;
        clock::set(bench.now_ns);
        let now_ns = bench.now_ns;
        bench.workers[1].heart.beat(now_ns);
        bench.push(1, &frame(0, 1, 0));
        bench.workers[1].turn(now_ns);
    }),
    between(Reason::PortGone, "its egress is removed while it is between two workers", |bench| {
        send_across(bench);
        take(bench, 0, Reason::PortGone);
    }),
    way(Reason::Shutdown, "it still waits when all ports are taken out", |bench| {
        hold_one(bench);
        take(bench, 0, Reason::Shutdown);
    }),
    way(Reason::Shutdown, "it still waits when the worker stops", |bench| {
        hold_one(bench);
        bench.workers[0].finish();
    }),
    between(Reason::Shutdown, "it is between two workers when one stops", |bench| {
        send_across(bench);
        bench.workers[0].finish();
    }),
];

fn faulty(bench: &mut Bench, slot: u16, faults: Faults) {
    bench.home(slot).lanes.get_mut(PortId(slot)).unwrap().port.set_faults(faults);
}

/// Sets the device of port 0 to one without segmentation.
fn cut_here(bench: &mut Bench) {
    let lane = bench.home(0).lanes.get_mut(PortId(0)).unwrap();
    lane.port.retune(1500, weir_port::TxFeatures::default());
}

/// A frame of this length from port 1 to port 0.
fn long(len: usize) -> Vec<u8> {
    let mut long = frame(0, 1, 0);
    long.resize(len, 0);
    long
}

/// A TCP superframe from port 1 to port 0, with this much payload.
fn superframe(bench: &Bench, payload: usize) -> (Vec<u8>, Meta) {
    let mut frame = frame(0, 1, 0);
    frame.truncate(14);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    let mut ip = [0_u8; 40];
    ip[0] = 0x45;
    ip[2..4].copy_from_slice(&((40 + payload) as u16).to_be_bytes());
    (ip[8], ip[9], ip[32]) = (64, 6, 0x50);
    ip[12..20].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(ip);
    frame.resize(54 + payload, 7);
    let mut meta = bench.meta(1, &frame);
    meta.flags |= meta_flags::GSO | meta_flags::CSUM_PARTIAL;
    (meta.gso_size, meta.gso_type) = (1448, gso_kind::TCP4);
    (frame, meta)
}

/// Takes all free frames of the first worker's pool.
fn hoard(bench: &mut Bench) -> Vec<Packet> {
    let pool = &mut bench.workers[0].pool;
    std::iter::from_fn(|| pool.compose(&[0; 60], &Meta::default())).collect()
}

/// Makes a frame from port 1 to port 0 wait in an open container.
fn hold_one(bench: &mut Bench) {
    let release = ReleaseSettings {
        policy: Release::Fixed,
        timeout_ns: 1_000_000_000,
        work_conserving: false,
        ..ReleaseSettings::default()
    };
    let settings = PortSettings { release, ..settings_of(1) };
    let change = Change { ports: vec![(PortId(1), settings)], scheduler: None };
    let now_ns = bench.now_ns;
    bench.workers[0].reshape(now_ns, &change);
    bench.push(1, &frame(0, 1, 0));
    bench.turn();
    assert_eq!(bench.workers[0].engine.held_packets(), 1);
}

/// Hands a frame from the second worker to the first, which has not taken it yet.
fn send_across(bench: &mut Bench) {
    bench.push(1, &frame(0, 1, 0));
    let now_ns = bench.now_ns;
    bench.workers[1].turn(now_ns);
    assert_eq!(bench.workers[1].peers.handed_over(), 1);
}

fn take(bench: &mut Bench, slot: u16, why: Reason) {
    let (done, mut answer) = oneshot::channel();
    let now_ns = bench.now_ns;
    bench.home(slot).take(PortId(slot), now_ns, why, done);
    let taken = answer.try_recv().unwrap().unwrap();
    assert!(taken.last.losses.is_empty() && taken.last.stats.losses.is_empty());
    drop(taken.port);
    bench.home(slot).pool.reclaim(PortId(slot));
}

/// The losses by reason, from every place where a worker counts them.
fn losses(all: &[WorkerSnapshot]) -> Losses {
    let mut sum = Losses::default();
    for worker in all {
        sum += worker.orphan_losses;
        worker.foreign_losses.iter().for_each(|(_, losses)| sum += *losses);
        for port in &worker.ports {
            sum += port.losses;
            sum += port.stats.losses;
        }
    }
    sum
}

#[test]
fn one_lost_frame_is_counted_once_under_its_own_reason() {
    for way in WAYS {
        // A queue holds one frame of any length.
        let one = |slot| PortSettings { queue_bytes: 64, ..settings_of(slot) };
        let mut bench = Bench::with(way.workers, 3, None, one);
        (way.inject)(&mut bench);
        bench.turns(50);
        let Way { reason, how, .. } = way;
        bench.assert_balanced();
        let now_ns = bench.now_ns;
        let all: Vec<WorkerSnapshot> =
            bench.workers.iter_mut().map(|worker| worker.snapshot(now_ns)).collect();
        let lost: Vec<(Reason, u64)> = losses(&all).iter().collect();
        assert_eq!(lost, [(*reason, 1)], "{how}");
        let sum = |of: &dyn Fn(&PortSnapshot) -> u64| {
            all.iter().flat_map(|worker| &worker.ports).map(of).sum::<u64>()
        };
        assert_eq!(sum(&|port| port.copies + port.stats.segments_made), 0, "{how}");
        assert_eq!(sum(&|port| port.stats.tx_packets), way.frames - 1, "{how}");
        for worker in &all {
            let census = worker.census;
            assert_eq!((census.held, census.rx, census.tx), (0, 0, 0), "{how}: {census:?}");
        }
    }
}

#[test]
fn every_reason_is_injected_here_or_is_the_programs() {
    for reason in Reason::ALL {
        let here = WAYS.iter().any(|way| way.reason == reason);
        let programs = Counter::all().any(|counter| reason_of(counter) == Some(reason));
        assert!(here || programs, "nothing is ever lost under `{reason}`");
    }
}

/// A frame was on its way by the gate when its port was removed, and would have to wait for the bridge.
#[test]
fn a_late_frame_of_a_port_that_is_gone_is_not_held() {
    let mut bench = Bench::with_shared_ring();
    let bridged = bench.out.get(weir_port::cells::STRIDE + weir_abi::gate::out::BRIDGED).unwrap();
    bridged.store(3, Ordering::Relaxed);
    bench.push_shared(true);
    bench.turn();
    let (done, _) = oneshot::channel();
    let now_ns = bench.now_ns;
    bench.workers[0].take(PortId(1), now_ns, Reason::PortGone, done);
    bench.push_shared(true);
    bench.turn();
    let snapshot = bench.workers[0].snapshot(now_ns);
    assert_eq!(snapshot.orphan_losses.get(Reason::PortGone), 2);
    assert_eq!(snapshot.held_packets, 0);
    bench.assert_balanced();
}
