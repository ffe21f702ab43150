//! What the core costs per packet: decide + offer + next, bursts of 64 packets of 64 bytes, four
//! ports. Run it with `cargo run --release -p weir-core --example cost`; nothing is asserted.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use weir_core::{
    Caps, Decision, Engine, EngineConfig, Key, Mac, Next, Packet, Policy, PortId, PortRole,
    PortSettings, SchedulerSettings,
};

/// As large as the real one.
struct Token {
    arrived_ns: u64,
    len: u32,
    _rest: [u32; 7],
}

impl Packet for Token {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }
}

const PORTS: u16 = 4;
const BURST: u64 = 64;
/// A few milliseconds at a time: the best of many such runs is one nobody interrupted.
const ROUNDS: u64 = 1_000;
const RUNS: u32 = 200;

fn mac(port: u16, host: u64) -> Mac {
    Mac::new([2, 0, 0, port as u8, (host >> 8) as u8, host as u8])
}

/// `hosts` addresses behind each port; packets of one burst go round them.
fn run(policy: Policy, hosts: u64, burst: u64) -> f64 {
    let scheduler = SchedulerSettings { policy, ..SchedulerSettings::default() };
    let config = EngineConfig { fdb_seed: 7, scheduler, ..EngineConfig::default() };
    let mut engine: Engine<Token> = Engine::new(config, Arc::new(Caps::new()));
    for port in 0..PORTS {
        assert!(engine.add_port(0, PortId(port), &PortSettings::new(PortRole::Vif)));
        for host in 0..hosts {
            let key = Key { dst: Mac::BROADCAST, src: mac(port, host), vlan: 0 };
            engine.decide(0, PortId(port), &key);
        }
    }
    let (mut now, mut sent, mut age) = (0, 0u64, 0);
    let started = Instant::now();
    for round in 0..ROUNDS {
        now += 5_000;
        for port in 0..PORTS {
            let to = (port + 1 + (round % 3) as u16) % PORTS;
            for at in 0..burst {
                let key = Key { dst: mac(to, at % hosts), src: mac(port, at % hosts), vlan: 0 };
                let packet = Token { arrived_ns: now, len: 64, _rest: [0; 7] };
                match engine.decide(now, PortId(port), black_box(&key)) {
                    Decision::To(egress) => {
                        if engine.offer(now, PortId(port), egress, packet).is_err() {
                            return f64::NAN;
                        }
                    }
                    _ => return f64::NAN,
                }
            }
        }
        engine.end_of_turn(now);
        for egress in engine.backlogged() {
            while let Next::Container(mut container) = engine.next(now, egress) {
                while let Some(packet) = container.pop() {
                    // Read, not moved on: where it would be moved to is the device's cost.
                    sent += u64::from(packet.len) / 64;
                    age ^= now - packet.arrived_ns;
                }
                engine.recycle(container);
            }
        }
    }
    black_box(age);
    started.elapsed().as_nanos() as f64 / sent as f64
}

fn main() {
    for (policy, name, hosts, burst) in [
        (Policy::Drr, "one flow per port, bursts of 64", 1, BURST),
        (Policy::Drr, "one flow per port, bursts of 1", 1, 1),
        (Policy::Drr, "every packet another flow, 16 hosts per port", 16, BURST),
        (Policy::Drr, "every packet another flow, 4000 hosts per port", 4000, BURST),
        (Policy::Fifo, "one flow per port, bursts of 64", 1, BURST),
        (Policy::Fifo, "one flow per port, bursts of 1", 1, 1),
    ] {
        let runs = (0..RUNS).map(|_| run(policy, hosts, burst));
        let best = runs.fold(f64::INFINITY, f64::min);
        println!("{best:6.1} ns per packet, {policy:?}: {name}");
    }
}
