//! What an engine takes of memory with 4, 100 and 1000 ports, each of which has sent to four others,
//! and what the histograms of their packets' times take. Run it with
//! `cargo run -p weir-core --example memory`; `tests/memory.rs` holds the bounds.

use std::sync::Arc;

use weir_core::{
    Caps, Engine, EngineConfig, Next, Packet, PortId, PortSettings, Role, Stage, VifLatency,
};

/// As large as the real one.
struct Token([u64; 6]);

impl Packet for Token {
    fn len(&self) -> u32 {
        64
    }
    fn arrived_ns(&self) -> u64 {
        self.0[0]
    }
}

fn main() {
    println!("ports  pairs  by port  by pair  containers    total  histograms");
    for ports in [4_u16, 100, 1000] {
        let mut engine: Engine<Token> = Engine::new(EngineConfig::default(), Arc::new(Caps::new()));
        for id in 0..ports {
            assert!(engine.add_port(0, PortId(id), &PortSettings::new(Role::Vif)));
        }
        for from in 0..ports {
            // Neighbours, and some far away: all others where there are but four ports.
            for step in [1, 2, 3, ports / 2 + 3] {
                let (from, to) = (PortId(from), PortId((from + step) % ports));
                assert!(engine.offer(1, from, to, Token([1; 6])).is_ok() || from == to);
            }
        }
        engine.end_of_turn(1);
        for egress in engine.backlogged() {
            while let Next::Container(mut container) = engine.next(1, egress) {
                while container.pop().is_some() {}
                engine.recycle(container);
            }
        }
        let mut times = VifLatency::default();
        // From half a microsecond to two milliseconds, in every stage.
        for ns in (9..22).map(|bits| 1_u64 << bits) {
            times.record_residence(ns);
            Stage::ALL.iter().for_each(|stage| times.record(*stage, ns, 1));
        }
        let memory = engine.memory();
        let kib = |bytes: usize| bytes.div_ceil(1024);
        println!(
            "{ports:5}  {:5}  {:3} KiB  {:4} KiB  {:6} KiB  {:4} KiB  {:6} KiB",
            engine.pairs().count(),
            kib(memory.ports),
            kib(memory.pairs),
            kib(memory.containers),
            kib(memory.total()),
            kib(times.bytes() * usize::from(ports)),
        );
    }
}
