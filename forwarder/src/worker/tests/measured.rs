//! Measurements: every delivered packet is recorded once with stages that add up, and every flow's packets
//! are counted under its key.

use weir_core::{FlowRow, PortId, PortSettings, Role, Stage, VifLatency};
use weir_core::{Release, ReleaseSettings};

use super::{Bench, TURN_NS, TX_NS, frame};

/// The records of a source, over all workers.
fn latency(bench: &mut Bench, slot: u16) -> VifLatency {
    let mut sum = VifLatency::default();
    for worker in &mut bench.workers {
        sum.merge(&worker.measure.swap_latency(PortId(slot), Box::default()));
    }
    sum
}

fn rows(bench: &Bench) -> Vec<FlowRow> {
    let mut all = Vec::new();
    for worker in &bench.workers {
        let mut from = Some(0);
        while let Some(at) = from {
            let mut page = Vec::with_capacity(3);
            from = worker.measure.flows.copy_rows(at, true, &mut page);
            all.append(&mut page);
        }
    }
    all
}

/// UDP over IPv4, or over IPv6 if tagged.
fn udp(dst: u8, src: u8, port: u16, tagged: bool) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, dst, 2, 0, 0, 0, 0, src];
    let ports = [port.to_be_bytes(), 9_000_u16.to_be_bytes()].concat();
    if tagged {
        frame.extend([0x81, 0, 0, 42, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 8, 17, 64]);
        for last in [src, dst] {
            frame.extend([0xfd; 15]);
            frame.push(last);
        }
    } else {
        frame.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
        frame.extend([10, 0, 0, src, 10, 0, 0, dst]);
    }
    frame.extend(ports);
    frame.extend([0, 8, 0, 0]);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn check_sums(latency: &VifLatency, delivered: u64) {
    assert_eq!(latency.residence().len(), delivered);
    for stage in Stage::ALL {
        assert_eq!(latency.stage(stage).len(), delivered, "{}", stage.name());
    }
}

#[test]
fn each_delivered_packet_is_in_every_stage_once() {
    for workers in [1, 2] {
        let mut bench = Bench::with(workers, 3, None, super::settings_of);
        for round in 0..30 {
            for _ in 0..3 {
                bench.push(1, &frame(2, 1, round));
            }
            bench.push(2, &frame(1, 2, round));
            bench.turn();
        }
        bench.turns(10);
        let delivered: usize = (0..3).map(|slot| bench.sent(slot).len()).sum();
        assert_eq!(delivered, 30 * 4, "{workers} workers");
        let (one, two) = (latency(&mut bench, 1), latency(&mut bench, 2));
        check_sums(&two, 30);
        check_sums(&one, 90);
        assert!(latency(&mut bench, 1).is_empty(), "what was taken is gone");
        bench.assert_balanced();
    }
}

#[test]
fn stages_are_told_apart() {
    let waits = |slot| {
        let role = if slot == 0 { Role::Uplink } else { Role::Vif };
        let release = ReleaseSettings {
            policy: Release::Fixed,
            timeout_ns: 5 * TURN_NS,
            work_conserving: false,
            ..ReleaseSettings::default()
        };
        PortSettings { release, ..PortSettings::new(role) }
    };
    let mut bench = Bench::with(1, 2, None, waits);
    // The packet waits a turn in the receive ring, five in its container, and none in the queue.
    bench.push(1, &frame(0, 1, 0));
    bench.turns(10);
    assert_eq!(bench.sent(0).len(), 1);
    let latency = latency(&mut bench, 1);
    let close = |stage: Stage, ns: u64| {
        let histogram = latency.stage(stage);
        assert!(histogram.equivalent(histogram.max(), ns), "{}: {histogram:?}", stage.name());
    };
    close(Stage::Steer, TURN_NS);
    close(Stage::Container, 5 * TURN_NS);
    close(Stage::Queue, 0);
    close(Stage::Tx, TX_NS);
    let residence = latency.residence();
    assert!(residence.equivalent(residence.max(), 6 * TURN_NS + TX_NS));
}

#[test]
fn flows_are_told_apart_and_their_packets_counted() {
    for workers in [1, 2] {
        let mut bench = Bench::with(workers, 3, None, super::settings_of);
        for _ in 0..10 {
            bench.push(1, &udp(2, 1, 1000, false));
            bench.push(1, &udp(2, 1, 1001, false));
            bench.push(1, &udp(2, 1, 1000, true));
            bench.turns(2);
        }
        bench.turns(10);
        let all = rows(&bench);
        for (port, vlan, addresses) in [
            (1000, 0, ("10.0.0.1", "10.0.0.2")),
            (1001, 0, ("10.0.0.1", "10.0.0.2")),
            (
                1000,
                42,
                (
                    "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fd01",
                    "fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fd02",
                ),
            ),
        ] {
            let mine: Vec<&FlowRow> = all
                .iter()
                .filter(|row| (row.key.src_port, row.key.vlan) == (port, vlan))
                .filter(|row| row.key.ingress == 1 && row.key.proto == 17)
                .collect();
            assert_eq!(mine.len(), workers, "one in each worker that saw it: {all:#?}");
            let sum =
                |count: &dyn Fn(&FlowRow) -> u64| mine.iter().map(|row| count(row)).sum::<u64>();
            assert_eq!(sum(&|row| row.counts.frames), 10);
            assert_eq!(sum(&|row| row.counts.delivered), 10);
            assert_eq!(sum(&|row| row.latency.as_ref().unwrap().len()), 10);
            let (src, dst) = mine[0].key.addresses().unwrap();
            assert_eq!((&*src.to_string(), &*dst.to_string()), addresses);
            assert_eq!(mine[0].key.dst_port, 9000);
        }
        bench.assert_balanced();
    }
}
