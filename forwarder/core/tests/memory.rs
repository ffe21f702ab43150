//! Memory grows with the number of ports and of pairs that have sent, not with ports times ports, and is
//! freed when ports are removed.

use std::sync::Arc;

use allocation_counter::measure;
use weir_core::{Caps, Engine, EngineConfig, Next, Packet, PortId, PortSettings, Role};

struct Token;

impl Packet for Token {
    fn len(&self) -> u32 {
        64
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

/// Bytes of a port: source, link, and the link's scheduler.
const PER_PORT: i64 = 4096;
/// Bytes of a pair, by what the engine and the schedulers keep for it. The bound includes the case that a pair
/// is the only one in use of a group of eight.
const PER_PAIR: i64 = 2560;

fn engine() -> Engine<Token> {
    Engine::new(EngineConfig::default(), Arc::new(Caps::default()))
}

fn add_ports(engine: &mut Engine<Token>, ports: u16) {
    for id in 0..ports {
        assert!(engine.add_port(0, PortId(id), &PortSettings::new(Role::Vif)));
    }
}

/// Every port sends a packet to `others` other ports, far from each other.
fn send(engine: &mut Engine<Token>, ports: u16, others: u16) {
    for from in 0..ports {
        for nth in 0..others {
            let to = (from + 1 + nth * (ports / others)) % ports;
            assert!(engine.offer(1, PortId(from), PortId(to), Token).is_ok(), "{from} {to}");
        }
        engine.end_of_turn(1);
        for egress in engine.backlogged() {
            while let Next::Container(mut container) = engine.next(1, egress) {
                while container.pop().is_some() {}
                engine.recycle(container);
            }
        }
    }
}

#[test]
fn it_grows_with_ports_and_pairs() {
    for ports in [5, 100, 1000] {
        let mut engine = engine();
        let of_ports = measure(|| add_ports(&mut engine, ports)).bytes_current;
        let spare = engine.spare_containers();
        let of_pairs = measure(|| send(&mut engine, ports, 4)).bytes_current;
        assert_eq!(engine.pairs().count(), usize::from(ports) * 4);
        let count = i64::from(ports);
        assert!(of_ports <= count * PER_PORT, "{ports}: {of_ports}");
        assert!(of_pairs <= count * 4 * PER_PAIR, "{ports}: {of_pairs}");
        assert_eq!(engine.spare_containers(), spare, "{ports}");
    }
}

#[test]
fn a_port_that_goes_gives_back_what_its_pairs_took() {
    let mut engine = engine();
    let of_port = measure(|| add_ports(&mut engine, 64)).bytes_current / 64;
    let all = measure(|| send(&mut engine, 64, 60)).bytes_current;
    let freed = measure(|| {
        for id in 4..64 {
            assert!(engine.remove_port(PortId(id)).is_empty());
        }
    });
    assert!(engine.pairs().all(|(from, to)| from.0 < 4 && to.0 < 4));
    // The ports themselves are freed as well.
    let left = all + freed.bytes_current + 60 * of_port;
    let pairs = engine.pairs().count();
    assert!(left < all / 8, "{left} of {all} for {pairs} pairs");
    // A port that is added again starts afresh.
    assert!(engine.add_port(2, PortId(9), &PortSettings::new(Role::Vif)));
    assert!(engine.offer(2, PortId(9), PortId(0), Token).is_ok());
    assert_eq!(engine.pairs().count(), pairs + 1);
    assert_eq!(engine.pair_stats(PortId(0), PortId(9)).sent_packets, 0);
}
