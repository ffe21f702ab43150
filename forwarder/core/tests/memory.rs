//! Memory grows with the number of ports and of pairs that have sent, not with ports times ports, and is
//! freed when ports are removed.

use std::sync::Arc;

use weir_core::{
    Caps, Engine, EngineConfig, EngineMemory, Next, Packet, PortId, PortSettings, Role,
};

struct Token;

impl Packet for Token {
    fn len(&self) -> u32 {
        64
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

const PER_PORT: usize = 4096;
/// The bound includes the case that a pair is the only one in use of a group of eight.
const PER_PAIR: usize = 2560;

fn engine(ports: u16) -> Engine<Token> {
    let mut engine = Engine::new(EngineConfig::default(), Arc::new(Caps::new()));
    for id in 0..ports {
        assert!(engine.add_port(0, PortId(id), &PortSettings::new(Role::Vif)));
    }
    engine
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

fn of(ports: u16) -> EngineMemory {
    let mut engine = engine(ports);
    send(&mut engine, ports, 4);
    assert_eq!(engine.pairs().count(), usize::from(ports) * 4);
    engine.memory()
}

#[test]
fn it_grows_with_ports_and_pairs() {
    let empty = engine(0).memory();
    for ports in [5, 100, 1000] {
        let (memory, count) = (of(ports), usize::from(ports));
        assert!(memory.ports - empty.ports <= count * PER_PORT, "{ports}: {memory:?}");
        assert!(memory.pairs <= count * 4 * PER_PAIR, "{ports}: {memory:?}");
        assert_eq!(memory.containers, empty.containers, "{ports}");
    }
}

#[test]
fn a_port_that_goes_gives_back_what_its_pairs_took() {
    let mut engine = engine(64);
    send(&mut engine, 64, 60);
    let all = engine.memory().pairs;
    for id in 4..64 {
        assert!(engine.remove_port(PortId(id)).is_empty());
    }
    assert!(engine.pairs().all(|(from, to)| from.0 < 4 && to.0 < 4));
    let (pairs, left) = (engine.pairs().count(), engine.memory().pairs);
    assert!(left < all / 8, "{left} of {all} for {pairs} pairs");
    // A port that is added again starts afresh.
    assert!(engine.add_port(2, PortId(9), &PortSettings::new(Role::Vif)));
    assert!(engine.offer(2, PortId(9), PortId(0), Token).is_ok());
    assert_eq!(engine.pairs().count(), pairs + 1);
    assert_eq!(engine.pair_stats(PortId(0), PortId(9)).sent_packets, 0);
}
