//! Watchers: a capture contains what was received and sent, with the reason of each loss; a followed packet
//! is seen at each step; a slow reader holds up nothing.

use weir_core::{Rate, Reason};

use super::*;

const CAPTURE: Purpose = Purpose::Capture(Points { arrival: true, departure: true, loss: true });

fn spec(purpose: Purpose) -> WatchSpec {
    WatchSpec { purpose, filter: Filter::default(), snaplen: 2048, buffer: 1 << 20 }
}

/// Sets a watcher in a worker.
fn watch(bench: &mut Bench, worker: usize, spec: WatchSpec) -> Watched {
    let (watcher, watched) = Watcher::new(spec);
    let before = bench.workers[worker].measure.watcher.replace(watcher);
    assert!(before.is_none(), "a watch was there before");
    watched
}

/// Runs a turn of each worker and what follows it in the loop.
fn turns(bench: &mut Bench, count: usize) {
    for _ in 0..count {
        bench.turn();
        let now_ns = bench.now_ns + 100;
        for worker in &mut bench.workers {
            worker.settle(now_ns);
        }
    }
}

fn read(watched: &mut Watched) -> Vec<(Event, Vec<u8>)> {
    let mut bytes = Vec::new();
    std::iter::from_fn(|| watched.next(&mut bytes).map(|event| (event, bytes.clone()))).collect()
}

#[test]
fn a_capture_has_each_frame_as_it_came_and_as_it_went() {
    let mut bench = Bench::new(3, None);
    let mut watched = watch(&mut bench, 0, spec(CAPTURE));
    bench.push(1, &frame(2, 1, 7));
    turns(&mut bench, 2);
    bench.push(2, &frame(1, 2, 8));
    turns(&mut bench, 2);
    let seen = read(&mut watched);
    let arrivals: Vec<_> =
        seen.iter().filter(|(event, _)| matches!(event.step, Step::Arrived { .. })).collect();
    assert_eq!(arrivals.len(), 2);
    assert_eq!((arrivals[0].0.ingress, &arrivals[0].1), (PortId(1), &frame(2, 1, 7)));
    let departures: Vec<_> = seen
        .iter()
        .filter_map(|(event, bytes)| match event.step {
            Step::Sent(egress) => Some((egress, bytes.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(departures, [(PortId(2), frame(2, 1, 7)), (PortId(1), frame(1, 2, 8))]);
    assert_eq!(watched.missed(), 0);
    bench.assert_balanced();
}

#[test]
fn what_a_full_port_gives_back_is_captured_once() {
    // The port takes 64 frames at a time.
    let settings = |slot| PortSettings { queue_bytes: 1 << 20, ..settings_of(slot) };
    let mut bench =
        Bench::with(1, 2, Some(Faults { tx_full: 300, seed: 5, ..Faults::default() }), settings);
    let points = Points { departure: true, ..Points::default() };
    let mut watched = watch(&mut bench, 0, spec(Purpose::Capture(points)));
    for round in 0..4 {
        for tag in 0..50 {
            bench.push(1, &frame(0, 1, round * 50 + tag));
        }
        turns(&mut bench, 1);
    }
    turns(&mut bench, 200);
    let seen: Vec<Vec<u8>> = read(&mut watched).into_iter().map(|(_, bytes)| bytes).collect();
    let sent = bench.sent(0);
    assert_eq!(sent.len(), 200);
    assert_eq!(seen, sent);
    bench.assert_balanced();
}

#[test]
fn a_loss_is_captured_with_its_reason() {
    let slow = |slot| PortSettings {
        link_rate: (slot == 0).then_some(Rate::new(40_000_000)),
        queue_bytes: 8192,
        ..settings_of(slot)
    };
    let mut bench = Bench::with(1, 2, None, slow);
    let points = Points { loss: true, ..Points::default() };
    let mut watched = watch(&mut bench, 0, spec(Purpose::Capture(points)));
    for round in 0..8 {
        for tag in 0..60 {
            bench.push(1, &frame(0, 1, round * 10 + tag));
        }
        turns(&mut bench, 1);
    }
    let seen = read(&mut watched);
    let now_ns = bench.now_ns;
    let snapshot = bench.workers[0].snapshot(now_ns);
    let lost: u64 = snapshot.ports.iter().map(|port| port.losses.total()).sum();
    assert!(lost > 0 && seen.len() as u64 == lost, "{} of {lost}", seen.len());
    for (event, bytes) in seen {
        assert_eq!((event.step, event.ingress), (Step::Lost(Reason::QueueFull), PortId(1)));
        assert_eq!(bytes.len(), 60);
    }
    turns(&mut bench, 400);
    bench.assert_balanced();
}

#[test]
fn a_filter_and_a_snap_length_hold() {
    let mut bench = Bench::new(3, None);
    let mut ports = weir_core::PortSet::EMPTY;
    ports.insert(PortId(2));
    let filter = Filter { ports: Some(ports), ..Filter::default() };
    let mut watched = watch(&mut bench, 0, WatchSpec { filter, snaplen: 20, ..spec(CAPTURE) });
    bench.push(1, &frame(2, 1, 7));
    turns(&mut bench, 2);
    bench.push(2, &frame(1, 2, 8));
    turns(&mut bench, 2);
    let seen = read(&mut watched);
    assert!(seen.iter().all(|(event, bytes)| event.len == 60 && bytes.len() == 20));
    let steps: Vec<Step> = seen.iter().map(|(event, _)| event.step).collect();
    assert!(matches!(steps[..], [Step::Sent(PortId(2)), Step::Arrived { .. }]), "{steps:?}");
}

#[test]
fn a_ring_that_is_too_small_counts_what_it_missed_and_every_frame_is_forwarded() {
    let mut bench = Bench::new(2, None);
    let mut watched = watch(&mut bench, 0, WatchSpec { buffer: 1024, ..spec(CAPTURE) });
    for tag in 0..40 {
        bench.push(1, &frame(0, 1, tag));
    }
    turns(&mut bench, 3);
    assert_eq!(bench.sent(0).len(), 40);
    let seen = read(&mut watched).len() as u64;
    assert!(seen > 0 && watched.missed() > 0);
    assert_eq!(seen + watched.missed(), 80, "40 in, 40 out");
    bench.assert_balanced();
}

#[test]
fn a_followed_packet_is_seen_at_each_step_on_both_workers() {
    // Port 1 belongs to the other worker.
    let mut bench = Bench::with(2, 4, None, settings_of);
    let mut one = watch(&mut bench, 0, spec(Purpose::Trace));
    let mut other = watch(&mut bench, 1, spec(Purpose::Trace));
    one.follow(9);
    bench.push(2, &frame(1, 2, 0));
    bench.push(2, &frame(1, 2, 1));
    turns(&mut bench, 4);
    let here = read(&mut one);
    let there = read(&mut other);
    assert!(here.iter().chain(&there).all(|(event, _)| event.mark == 9), "one mark, one packet");
    assert_eq!(here[0].1, frame(1, 2, 0));
    let Step::Arrived { taken_ns } = here[0].0.step else { panic!("{:?}", here[0]) };
    assert_eq!((here.len(), here[1].0.step), (2, Step::Decided(PortId(1))));
    let [(end, _)] = &there[..] else { panic!("{there:?}") };
    let Step::Settled { egress, taken_ns: taken, released_ns, sent_ns } = end.step else {
        panic!("{end:?}")
    };
    assert_eq!((egress, taken, end.ingress_ns), (PortId(1), taken_ns, here[0].0.ingress_ns));
    assert!(taken <= released_ns && released_ns <= sent_ns && sent_ns <= end.at_ns);
    bench.assert_balanced();
}

#[test]
fn the_end_of_a_followed_packet_may_be_its_loss() {
    let mut bench = Bench::new(2, None);
    let mut watched = watch(&mut bench, 0, spec(Purpose::Trace));
    watched.follow(1);
    // The frame is for a port that does not exist.
    bench.push(1, &frame(7, 1, 0));
    turns(&mut bench, 2);
    let steps: Vec<Step> = read(&mut watched).into_iter().map(|(event, _)| event.step).collect();
    assert!(
        matches!(
            steps[..],
            [Step::Arrived { .. }, Step::Decided(PortId(7)), Step::Lost(Reason::PortGone)]
        ),
        "{steps:?}"
    );
}

#[test]
fn who_stops_watching_gets_the_watcher_back() {
    let mut bench = Bench::new(2, None);
    let mut watched = watch(&mut bench, 0, spec(CAPTURE));
    assert!(bench.workers[0].measure.watcher.take().is_some());
    bench.push(1, &frame(0, 1, 0));
    turns(&mut bench, 2);
    assert!(read(&mut watched).is_empty());
}
