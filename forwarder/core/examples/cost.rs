//! Measures what the core costs per packet: `offer` and `next` for bursts of 64 packets of 64 bytes on four
//! ports, and beside it what the flow table costs: `find`, `arrived` and `delivered`. It asserts nothing. Run
//! it with
//! `cargo run --release -p weir-core --example cost`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use weir_core::{
    Bin, Caps, Engine, EngineConfig, FlowConfig, FlowKey, FlowTable, Next, PackedKey, Packet,
    Policy, PortId, PortSettings, Role, SchedulerSettings,
};

/// As large as the real packet.
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
/// Each run takes a few milliseconds, so the best of many was not interrupted.
const ROUNDS: u64 = 1_000;
const RUNS: usize = 200;

/// The nanoseconds of a packet in the best run.
fn best(run: impl FnMut() -> f64) -> f64 {
    std::iter::repeat_with(run).take(RUNS).fold(f64::INFINITY, f64::min)
}

/// Bursts of `burst` packets through the engine.
fn engine(policy: Policy, burst: u64) -> f64 {
    let scheduler = SchedulerSettings { policy, ..SchedulerSettings::default() };
    let config = EngineConfig { scheduler, ..EngineConfig::default() };
    let mut engine: Engine<Token> = Engine::new(config, Arc::new(Caps::default()));
    for port in 0..PORTS {
        assert!(engine.add_port(0, PortId(port), &PortSettings::new(Role::Vif)));
    }
    let (mut now, mut sent, mut age) = (0, 0u64, 0);
    let started = Instant::now();
    for round in 0..ROUNDS {
        now += 5_000;
        for port in 0..PORTS {
            let to = (port + 1 + (round % 3) as u16) % PORTS;
            for _ in 0..burst {
                let packet = Token { arrived_ns: now, len: 64, _rest: [0; 7] };
                if engine.offer(now, PortId(port), black_box(PortId(to)), packet).is_err() {
                    return f64::NAN;
                }
            }
        }
        engine.end_of_turn(now);
        for egress in engine.backlogged() {
            while let Next::Container(mut container) = engine.next(now, egress) {
                while let Some(packet) = container.pop() {
                    // The packet is read but not moved on: the cost of that is the device's.
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

/// `flows` of one port with bursts of `burst` packets each, in a table that has room for 4096.
fn flow_table(flows: u32, burst: u64) -> f64 {
    let mut table = FlowTable::new(FlowConfig { capacity: 4096, idle_ns: 1 << 36, seed: 7 });
    table.add_port(PortId(0));
    let key = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        let src = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d];
        PackedKey::from(&FlowKey { src, ethertype: 0x0800, proto: 17, ..FlowKey::default() })
    };
    let keys: Vec<_> = (0..flows).map(key).collect();
    let mut now = 1;
    let mut run = |burst: u64| {
        for (n, key) in (0_u64..).zip(&keys) {
            // Hashes in no order, like those of the program.
            let hash =
                ((n + 1).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ (n << 17)).wrapping_mul(n | 1);
            let hash = (hash >> 32) as u32;
            now += 5_000;
            for at in 0..burst {
                let flow = table.arrived(now, hash, black_box(key), 64, 0);
                let residence_ns = 3_000 + at * 100;
                table.delivered(PortId(0), flow, 64, residence_ns, Bin::of(residence_ns));
            }
        }
    };
    // All memory is touched before the first run that counts.
    run(8);
    let passes = (ROUNDS * BURST).div_ceil(u64::from(flows) * burst);
    best(|| {
        let started = Instant::now();
        (0..passes).for_each(|_| run(burst));
        started.elapsed().as_nanos() as f64 / (passes * u64::from(flows) * burst) as f64
    })
}

fn main() {
    for (policy, burst) in
        [(Policy::Drr, BURST), (Policy::Drr, 1), (Policy::Fifo, BURST), (Policy::Fifo, 1)]
    {
        let ns = best(|| engine(policy, burst));
        println!("{ns:6.1} ns per packet, {policy:?}: bursts of {burst}");
    }
    for (name, flows, burst) in [
        ("one flow", 1, BURST),
        ("100 flows, bursts of 64", 100, BURST),
        ("100 flows, every packet another one", 100, 1),
        ("1000 flows, every packet another one", 1000, 1),
        ("4000 flows, every packet another one", 4000, 1),
        ("100,000 flows, nearly all without a row", 100_000, 1),
    ] {
        println!("{:6.1} ns per packet, flow table: {name}", flow_table(flows, burst));
    }
}
