//! A turn serves the ports that have something to do, however many idle ports there are.

use weir_abi::Meta;
use weir_core::Rate;
use weir_port::Port as _;

use super::*;

/// Port 0 has a receive ring, by which all frames arrive; the other ports only send.
fn bench(ports: u16, settings: impl Fn(u16) -> PortSettings) -> Bench {
    let mut bench = Bench::with(1, 1, None, &settings);
    for slot in 1..ports {
        let (id, settings) = (PortId(slot), settings(slot));
        bench.workers[0].add(id, settings, MemPort::send_only(id, 64), 0);
    }
    bench
}

fn port(bench: &mut Bench, slot: u16) -> &mut MemPort {
    &mut bench.workers[0].lanes.get_mut(PortId(slot)).unwrap().port
}

/// The visits of each port that only sends, in this many turns.
fn visits(bench: &mut Bench, turns: usize) -> Vec<u64> {
    let count = |bench: &mut Bench| -> Vec<u64> {
        let ports: Vec<PortId> = bench.workers[0].lanes.all().iter().skip(1).collect();
        ports.iter().map(|id| port(bench, id.0).visits).collect()
    };
    let before = count(bench);
    bench.turns(turns);
    count(bench).iter().zip(before).map(|(after, before)| after - before).collect()
}

fn push_to(bench: &mut Bench, egress: u16) {
    let frame = frame(0, 0, 1);
    let meta = Meta { egress, ..bench.meta(0, &frame) };
    bench.push_meta(0, &frame, &meta);
}

#[test]
fn a_port_with_nothing_costs_nothing() {
    const PORTS: u16 = 1000;
    let mut bench = bench(PORTS, settings_of);
    assert_eq!(visits(&mut bench, 10).iter().sum::<u64>(), 0);
    push_to(&mut bench, 700);
    let once = visits(&mut bench, 10);
    assert_eq!(bench.sent(700).len(), 1);
    let others: u64 = once.iter().sum::<u64>() - once[699];
    assert_eq!(others, 0, "no other lane was looked at");
    assert!((2..=6).contains(&once[699]), "{} visits for one frame", once[699]);
    assert_eq!(port(&mut bench, 700).tx_outstanding(), 0, "its completion was reaped");
    assert_eq!(visits(&mut bench, 100).iter().sum::<u64>(), 0, "it is at rest again");
    bench.assert_balanced();
}

#[test]
fn what_is_under_way_is_looked_after_until_it_is_over() {
    let mut bench = bench(3, settings_of);
    // The device takes nothing.
    port(&mut bench, 1).set_faults(Faults { again: 1000, ..Faults::default() });
    push_to(&mut bench, 1);
    let refused = visits(&mut bench, 20);
    assert!(refused[0] >= 20 && refused[1] == 0, "{refused:?}");
    assert!(bench.workers[0].device_pushes_back());
    // The device takes the frame and completes it late.
    port(&mut bench, 1).set_faults(Faults { late_completion: 1000, ..Faults::default() });
    bench.turns(5);
    assert_eq!(bench.sent(1).len(), 1);
    assert!(!bench.workers[0].device_pushes_back());
    assert_eq!(port(&mut bench, 1).tx_outstanding(), 0);
    assert_eq!(visits(&mut bench, 20), [0, 0]);
    bench.assert_balanced();
}

#[test]
fn a_port_that_is_down_is_asked_until_it_is_up() {
    let mut bench = bench(2, settings_of);
    port(&mut bench, 1).down = true;
    push_to(&mut bench, 1);
    assert!(visits(&mut bench, 20)[0] >= 20);
    port(&mut bench, 1).down = false;
    bench.turns(2);
    assert_eq!(visits(&mut bench, 20), [0]);
    push_to(&mut bench, 1);
    bench.turns(2);
    assert_eq!(bench.sent(1).len(), 1);
    bench.assert_balanced();
}

#[test]
fn what_waits_for_its_time_leaves_when_it_has_come() {
    // A frame takes 120 us on the link.
    let slow = |slot| PortSettings { link_rate: Some(Rate::new(4_000_000)), ..settings_of(slot) };
    let mut bench = bench(2, slow);
    for _ in 0..10 {
        push_to(&mut bench, 1);
    }
    bench.turns(150);
    assert_eq!(bench.sent(1).len(), 10);
    assert_eq!(visits(&mut bench, 20), [0]);
    bench.assert_balanced();
}
