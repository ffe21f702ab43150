//! Two sources share a link of 100 Mbit/s by weight, 3 to 1. Both have more to send than the link takes.
//! `cargo run -p weir-core --example weighted_link`

use std::sync::Arc;

use weir_core::{
    Caps, Engine, EngineConfig, Next, Packet, PortId, PortSettings, Rate, Role, Share,
};

struct Frame;

impl Packet for Frame {
    fn len(&self) -> u32 {
        1500
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

const LINK: PortId = PortId(0);
const SOURCES: [(PortId, u32); 2] = [(PortId(1), 3), (PortId(2), 1)];

pub(crate) fn main() {
    let mut engine = Engine::new(EngineConfig::default(), Arc::new(Caps::default()));
    let link_rate = Some(Rate::new(100_000_000));
    engine.add_port(0, LINK, &PortSettings { link_rate, ..PortSettings::new(Role::Uplink) });
    for (source, weight) in SOURCES {
        let share = Share { weight, ..Share::default() };
        engine.add_port(0, source, &PortSettings { share, ..PortSettings::new(Role::Vif) });
    }
    // One second, in turns of 100 us, as a worker runs them, but without a device.
    for now_ns in (0..1_000_000_000).step_by(100_000) {
        for (source, _) in SOURCES {
            // Each source offers packets until its queue is full.
            while engine.offer(now_ns, source, LINK, Frame).is_ok() {}
        }
        engine.end_of_turn(now_ns);
        while let Next::Container(mut container) = engine.next(now_ns, LINK) {
            while container.pop().is_some() {}
            engine.recycle(container);
        }
    }
    let sent = SOURCES.map(|(source, _)| engine.pair_stats(LINK, source).sent_bytes);
    for ((source, weight), bytes) in SOURCES.into_iter().zip(sent) {
        println!("source {source}, weight {weight}: {:.1} Mbit/s", bytes as f64 * 8.0 / 1e6);
    }
    let [heavy, light] = sent.map(|bytes| bytes as f64);
    assert!((2.98..3.02).contains(&(heavy / light)), "{heavy} to {light}");
    assert!((heavy + light) * 8.0 < 101e6, "no more than the link takes, and one container");
}
