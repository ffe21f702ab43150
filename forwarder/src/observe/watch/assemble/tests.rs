//! Events of packets, and the traces made of them.

use super::*;
use crate::worker::{Filter, Purpose, WatchSpec, Watcher};
use std::net::Ipv6Addr;
use weir_core::Reason;

fn event(mark: u8, at_ns: u64, step: Step) -> Observation {
    Observation::Worker(
        0,
        Event {
            at_ns,
            step,
            ingress_ns: 1000,
            ingress: PortId(1),
            mark,
            len: 60,
            captured: 0,
            facts: Facts::default(),
        },
    )
}

fn settled(egress: u16) -> Step {
    let egress = PortId(egress);
    Step::Settled { egress, taken_ns: 1200, released_ns: 1500, sent_ns: 1900 }
}

fn assembler(wanted: u64) -> TraceAssembler {
    let mut assembler = TraceAssembler::new(vec![4, 5], 0, wanted);
    for (slot, name) in [(1, "v1"), (2, "v2"), (3, "nic0")] {
        assembler.name(PortId(slot), name);
    }
    assembler
}

fn packet(line: Option<TraceLine>) -> TracedPacket {
    match line {
        Some(TraceLine::Packet(packet)) => *packet,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_delivered_packets_stages_add_up_to_its_residence() {
    let mut assembler = assembler(1);
    assert_eq!(
        assembler.observe(&event(7, 1000, Step::Arrived { taken_ns: 1200 }), &[0; 60]),
        None
    );
    let decided = Step::Decided(PortId(2));
    assert_eq!(assembler.observe(&event(7, 1200, decided), &[]), None);
    let told = packet(assembler.observe(&event(7, 2300, settled(2)), &[]));
    assert_eq!((told.number, told.port.as_str()), (1, "v1"));
    assert_eq!(told.outcome, TraceOutcome::Delivered);
    let to = || "v2".to_owned();
    let expected = [
        (0, TraceEvent::Steered),
        (200, TraceEvent::Taken { core: 4, waited_ns: 200 }),
        (200, TraceEvent::Decided { to: to() }),
        (500, TraceEvent::Released { to: to(), container_ns: 300 }),
        (900, TraceEvent::Sent { to: to(), queue_ns: 400 }),
        (1300, TraceEvent::Delivered { to: to(), tx_ns: 400, residence_ns: 1300 }),
    ];
    assert_eq!(told.steps, expected.map(|(at_ns, what)| TraceStep { at_ns, what }));
    assert!(assembler.is_done());
}

#[test]
fn pieces_are_waited_for() {
    let mut assembler = assembler(5);
    assembler.observe(&event(1, 1000, Step::Arrived { taken_ns: 1200 }), &[]);
    assembler.observe(&event(1, 1200, Step::Decided(PortId(3))), &[]);
    assembler.observe(&event(1, 1200, Step::Cut { egress: PortId(3), pieces: 3 }), &[]);
    for _ in 0..2 {
        assert_eq!(assembler.observe(&event(1, 2000, settled(3)), &[]), None);
    }
    let told = packet(assembler.observe(&event(1, 2000, Step::Lost(Reason::QueueFull)), &[]));
    assert_eq!(told.outcome, TraceOutcome::Partly);
    assert!(!assembler.is_done());
}

#[test]
fn a_mark_of_somebody_else_is_no_ones_story() {
    let mut assembler = assembler(2);
    assert_eq!(assembler.observe(&event(9, 2000, settled(2)), &[]), None);
    assert!(assembler.end_stale(2000 + PATIENCE_NS + 1, false).is_empty());
    assert_eq!(assembler.finished, 0);
}

#[test]
fn what_the_program_drops_is_told_at_once() {
    let mut assembler = assembler(1);
    let seen = Observation::Program {
        outcome: Counter::Spoofed,
        port: PortId(1),
        at_ns: 5,
        len: 60,
        facts: Facts::default(),
    };
    let told = packet(assembler.observe(&seen, &[]));
    assert_eq!(told.outcome, TraceOutcome::Lost);
    assert!(
        matches!(&told.steps[..], [TraceStep { at_ns: 0, what: TraceEvent::Lost { reason, .. } }] if reason == "spoofed")
    );
    assert_eq!(assembler.observe(&seen, &[]), None, "no more than was wanted");
}

#[test]
fn one_that_does_not_end_is_told_as_it_is() {
    let mut assembler = assembler(2);
    assembler.observe(&event(1, 1000, Step::Arrived { taken_ns: 1200 }), &[]);
    assert!(assembler.end_stale(1000, false).is_empty());
    let told = packet(assembler.end_stale(2000 + PATIENCE_NS, false).pop());
    assert_eq!((told.outcome, told.steps.len()), (TraceOutcome::Unfinished, 2));
}

#[test]
fn no_more_are_followed_than_wanted_and_marks_come_back() {
    let spec =
        WatchSpec { purpose: Purpose::Trace, filter: Filter::default(), snaplen: 64, buffer: 4096 };
    let mut workers = vec![Watcher::new(spec).1, Watcher::new(spec).1];
    let mut assembler = assembler(3);
    let share = MARKS / 2;
    let free = |assembler: &TraceAssembler| -> Vec<usize> {
        assembler.free.iter().map(Vec::len).collect()
    };
    assembler.follow(&mut workers);
    assert_eq!(free(&assembler), [share - 3, share - 3], "any of them may take all three");
    assembler.follow(&mut workers);
    assert_eq!(free(&assembler), [share - 3, share - 3]);
    let mark = share as u8;
    assembler.observe(&event(mark, 1000, Step::Arrived { taken_ns: 1200 }), &[]);
    assembler.observe(&event(mark, 1300, Step::Lost(Reason::NoEgress)), &[]);
    assert_eq!(assembler.finished, 1);
    assembler.follow(&mut workers);
    assert_eq!(free(&assembler), [share - 2, share - 3]);
    let all: std::collections::HashSet<u8> = assembler.free.iter().flatten().copied().collect();
    assert!(!all.contains(&0) && all.len() == 2 * share - 5);
}

fn summary_of(kind: u16, body: &[u8]) -> String {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(kind.to_be_bytes());
    frame.extend(body);
    let verdict = weir_abi::classify(&frame[..]).unwrap();
    summary(&Facts::from(&verdict), &frame)
}

#[test]
fn says_who_speaks_to_whom() {
    let mut udp = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    udp.extend([0x04, 0xd2, 0, 53, 0, 8, 0, 0]);
    let ends = "02:00:00:00:00:02 > 02:00:00:00:00:01";
    assert_eq!(summary_of(0x0800, &udp), format!("{ends}, IPv4 UDP 10.0.0.1:1234 > 10.0.0.2:53"));
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 1];
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    assert_eq!(summary_of(0x0806, &arp), format!("{ends}, ARP 10.0.0.1 > 10.0.0.2"));
    assert_eq!(summary_of(0x88b5, &[0; 46]), format!("{ends}, EtherType 0x88b5"));
    let mut tcp = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    tcp.extend(Ipv6Addr::LOCALHOST.octets());
    tcp.extend(Ipv6Addr::LOCALHOST.octets());
    tcp.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    assert_eq!(summary_of(0x86dd, &tcp), format!("{ends}, IPv6 TCP [::1]:80 > [::1]:81"));
    assert_eq!(summary(&Facts::default(), &[]), "");
}
