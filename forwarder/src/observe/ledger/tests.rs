//! Ledgers of made-up numbers.

use super::*;

fn program(steered: u64, passed: u64) -> ProgramCounts {
    let amount = Amount::new(passed, 0);
    ProgramCounts {
        received: steered + passed,
        steered,
        passed: amount,
        ..ProgramCounts::default()
    }
}

fn worker(rx_packets: u64, tx_packets: u64, rx_waiting: u64) -> WorkerCounts {
    let [rx, tx] = [rx_packets, tx_packets].map(|frames| Traffic { frames, ..Traffic::default() });
    WorkerCounts { rx, tx, rx_waiting, ..WorkerCounts::default() }
}

fn port(before: &ProgramCounts, after: &ProgramCounts, worker: &WorkerCounts) -> PortLedger {
    PortLedger { before: before.clone(), after: after.clone(), worker: worker.clone() }
}

fn one(
    before: &ProgramCounts,
    after: &ProgramCounts,
    counts: &WorkerCounts,
    held: u64,
) -> LedgerReport {
    let workers = WorkersTotal { held_packets: held, ..WorkersTotal::default() };
    ledger(&[port(before, after, counts)], &workers)
}

/// Two workers: packets that came in at one go out at the other.
fn two(after: u64, rx: u64, tx: u64, workers: WorkersTotal) -> LedgerReport {
    let (before, after) = (program(100, 0), program(after, 0));
    let (from, to) = (worker(rx, 0, 0), worker(0, tx, 0));
    let quiet = ProgramCounts::default();
    ledger(&[port(&before, &after, &from), port(&quiet, &quiet, &to)], &workers)
}

fn between(held_packets: u64, handed_over: u64, taken_over: u64) -> WorkersTotal {
    WorkersTotal { held_packets, handed_over, taken_over, ..WorkersTotal::default() }
}

#[test]
fn what_is_between_two_workers_is_in_flight() {
    let ledger = two(100, 100, 60, between(10, 90, 60));
    assert_eq!((ledger.in_flight, ledger.balanced), (40, true));
}

#[test]
fn a_frame_that_vanished_between_two_workers_shows() {
    // A packet that was never taken over is in flight for ever.
    assert_eq!(two(100, 100, 99, between(0, 100, 99)).in_flight, 1);
    // A packet that was taken over and is gone.
    assert_eq!(two(100, 100, 99, between(0, 100, 100)).balance(), 1);
    // A packet made out of nothing.
    assert_eq!(two(100, 100, 101, between(0, 100, 100)).balance(), -1);
}

#[test]
fn a_worker_that_is_asked_later_may_have_taken_what_the_first_did_not_have_yet() {
    let ledger = two(150, 100, 120, between(0, 100, 120));
    assert_eq!((ledger.received, ledger.in_flight, ledger.balanced), (120, 0, true));
    // But no more than has come in.
    assert_eq!(two(110, 100, 120, between(0, 100, 120)).balance(), -10);
}

#[test]
fn a_worker_that_is_asked_later_may_hold_what_the_first_took_before() {
    // The giver was asked after the taker: what it handed over in between is in flight.
    let ledger = two(150, 140, 100, between(0, 140, 100));
    assert_eq!((ledger.in_flight, ledger.balanced), (40, true));
}

#[test]
fn quiet_books_balance_exactly() {
    let quiet = program(100, 7);
    assert!(one(&quiet, &quiet, &worker(100, 90, 0), 10).balanced);
}

#[test]
fn a_single_missing_frame_shows() {
    let quiet = program(100, 7);
    assert_eq!(one(&quiet, &quiet, &worker(99, 99, 0), 0).balance(), 1);
    assert_eq!(one(&quiet, &quiet, &worker(100, 99, 0), 0).balance(), 1);
    assert_eq!(one(&quiet, &quiet, &worker(101, 101, 0), 0).balance(), -1);
}

#[test]
fn traffic_between_the_two_readings_is_no_imbalance() {
    assert!(one(&program(100, 0), &program(150, 3), &worker(120, 120, 10), 0).balanced);
}

#[test]
fn a_frame_that_is_lost_behind_the_gate_between_the_two_readings_is_no_imbalance() {
    let (before, mut after) = (program(100, 0), program(99, 0));
    after.received += 1;
    after.lost.add(Reason::NoMeta, 1);
    let ledger = one(&before, &after, &worker(99, 99, 0), 0);
    assert_eq!((ledger.received, ledger.lost, ledger.balanced), (100, 1, true));
}

#[test]
fn a_superframe_in_the_ring_is_one_frame() {
    let quiet = program(101, 0);
    let ledger = one(&quiet, &quiet, &worker(100, 100, 17), 0);
    assert_eq!((ledger.in_flight, ledger.balanced), (1, true));
}

#[test]
fn what_the_program_dropped_is_lost_under_its_reason() {
    let mut counters = PortCounters::default();
    for (n, counter) in Counter::all().enumerate() {
        counters.frames[counter as usize] = n as u64 + 1;
    }
    let counts = ProgramCounts::new(&counters, [0; 2]);
    let total: u64 = counters.frames.iter().sum();
    let lost: u64 = counts.lost.iter().map(|(_, frames)| frames).sum();
    assert_eq!(counts.received, total);
    assert_eq!(counts.steered + counts.express.frames + counts.passed.frames + lost, total);
}

/// A port that sent this many frames by the express lane, and received this many.
fn express(sent: u64, reached: u64) -> ProgramCounts {
    let mut counters = PortCounters::default();
    counters.frames[Counter::Express as usize] = sent;
    counters.bytes[Counter::Express as usize] = sent * 100;
    ProgramCounts::new(&counters, [reached, reached * 100])
}

#[test]
fn what_the_gate_handed_over_is_delivered_and_never_in_flight() {
    let (mut from, to) = (express(70, 0), express(0, 70));
    assert_eq!((from.received, from.express), (70, Amount::new(70, 7_000)));
    assert_eq!((to.received, to.reached), (0, Amount::new(70, 7_000)));
    // And some by a worker as well.
    (from.received, from.steered) = (from.received + 30, 30);
    let (sent, quiet) = (worker(30, 20, 0), WorkerCounts::default());
    let ports = [port(&from, &from, &sent), port(&to, &to, &quiet)];
    let ledger = ledger(&ports, &WorkersTotal { held_packets: 10, ..WorkersTotal::default() });
    assert_eq!((ledger.received, ledger.delivered, ledger.express), (100, 90, 70));
    assert_eq!((ledger.in_flight, ledger.balance()), (10, 0));
}

#[test]
fn express_frames_between_the_readings_are_no_imbalance() {
    let (before, mut after) = (program(100, 0), program(100, 0));
    (after.received, after.express.frames) = (after.received + 50, 50);
    let ledger = one(&before, &after, &worker(100, 100, 0), 0);
    assert_eq!((ledger.received, ledger.delivered, ledger.balance()), (150, 150, 0));
}

#[test]
fn books_of_two_lives_add_up() {
    let mut counts = express(3, 4);
    counts.merge(&express(10, 20));
    assert_eq!((counts.received, counts.express), (13, Amount::new(13, 1_300)));
    assert_eq!(counts.reached, Amount::new(24, 2_400));
}

#[test]
fn lanes_add_up_to_what_a_port_sent_and_was_delivered() {
    let mut program = express(70, 50);
    program.passed = Amount::new(3, 180);
    let mut worker = worker(30, 20, 0);
    (worker.rx.bytes, worker.tx.bytes) = (3_000, 2_000);
    let (sent, delivered) = lanes(&program, &worker);
    assert_eq!(sent.express + sent.scheduled, Amount::new(100, 10_000));
    assert_eq!(sent.bridge, Amount::new(3, 180));
    assert_eq!(delivered.express, Amount::new(50, 5_000));
    assert_eq!(delivered.express + delivered.scheduled, Amount::new(70, 7_000));
}
