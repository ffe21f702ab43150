use super::*;
use weir_api::{TraceEnd, TraceStep, VERSION};

fn packet(outcome: TraceOutcome, steps: &[(u64, TraceEvent)]) -> TraceLine {
    let steps = steps.iter().map(|(at_ns, what)| TraceStep { at_ns: *at_ns, what: what.clone() });
    TraceLine::Packet(Box::new(TracedPacket {
        version: VERSION,
        number: 1,
        port: "v1".into(),
        ingress_unix_ns: 5,
        length: 1042,
        vlan: 0,
        segment: 0,
        flags: vec!["ipv4".into(), "udp".into()],
        summary: "02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 UDP 10.0.0.1:7 > 10.0.0.2:9".into(),
        outcome,
        steps: steps.collect(),
    }))
}

#[test]
fn a_packets_way_is_a_block_of_aligned_lines() {
    let to = || "v2".to_owned();
    let line = packet(
        TraceOutcome::Delivered,
        &[
            (0, TraceEvent::Steered),
            (12_340, TraceEvent::Taken { core: 1, waited_ns: 12_340 }),
            (12_340, TraceEvent::Decided { to: to() }),
            (15_000, TraceEvent::Released { to: to(), container_ns: 2660 }),
            (1_015_000, TraceEvent::Sent { to: to(), queue_ns: 1_000_000 }),
            (1_017_000, TraceEvent::Delivered { to: to(), tx_ns: 2000, residence_ns: 1_017_000 }),
        ],
    );
    let expected = "\
packet 1 at v1: 1,042 bytes, delivered
  02:00:00:00:00:01 > 02:00:00:00:00:02, IPv4 UDP 10.0.0.1:7 > 10.0.0.2:9
  metadata: ipv4 udp
      0.0 us  steered     by the program, to the worker
     12.3 us  taken       by the worker on core 1, 12.3 us in the ring
     12.3 us  decided     to v2
     15.0 us  released    for v2, 2.6 us in its container
  1,015.0 us  sent        to v2, 1,000.0 us in the queue
  1,017.0 us  delivered   to v2, 2.0 us to the kernel, 1,017.0 us in all

";
    assert_eq!(text(&line), expected);
}

#[test]
fn a_loss_says_what_it_means_within_80_columns() {
    let reason = weir_core::Reason::Spoofed;
    let (name, means) = (reason.name().to_owned(), reason.describe().to_owned());
    let shown = text(&packet(TraceOutcome::Lost, &[(0, TraceEvent::Lost { reason: name, means })]));
    assert!(shown.contains("      0.0 us  lost        spoofed: The source address"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
}

#[test]
fn lines_may_come_in_parts_and_the_end_says_what_is_missing() {
    let end = TraceEnd { version: VERSION, packets: 1, missed: 1200 };
    assert_eq!(
        text(&TraceLine::End(end.clone())),
        "1,200 steps are missing: the buffer was full\n"
    );
    assert_eq!(text(&TraceLine::End(TraceEnd { missed: 0, ..end.clone() })), "");
    let json = serde_json::to_string(&TraceLine::End(end)).unwrap();
    let mut lines = Lines::default();
    for part in json.as_bytes().chunks(10) {
        lines.show(part, true, Path::new("x")).unwrap();
    }
    assert_eq!(lines.0.len(), json.len());
}
