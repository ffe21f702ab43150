//! Where the engine sends packets, and what it remembers of that.

use std::sync::Arc;

use proptest::prelude::*;
use weir_core::{
    Decision, Engine, EngineConfig, Key, Mac, Packet, PortId, PortRole, PortSet, PortSettings,
    Reason,
};

/// Nothing is sent here.
#[derive(Debug)]
struct Token;

impl Packet for Token {
    fn len(&self) -> u32 {
        60
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

fn port_of(role: PortRole, queue_bytes: u64) -> PortSettings {
    PortSettings { queue_bytes, ..PortSettings::new(role) }
}

fn decisions(steps: Vec<(u16, u16, u16, u8)>) -> Result<(), TestCaseError> {
    let config = EngineConfig { fdb_ageing_ns: 1_000_000_000, ..EngineConfig::default() };
    let (mut cached, mut plain) = (
        Engine::<Token>::new(config, Arc::default()),
        Engine::<Token>::new(config, Arc::default()),
    );
    let mut now = 0;
    for (ingress, dst, src, what) in steps {
        now += match what {
            0..=5 => 0,
            6 => 100_000,
            7 => 2_000_000,
            _ => 5_000_000_000 * u64::from(what == 8),
        };
        let port = PortId(ingress);
        for engine in [&mut cached, &mut plain] {
            match what {
                9 | 10 => _ = engine.add_port(0, port, &port_of(PortRole::Vif, 1000)),
                11 => _ = engine.remove_port(port),
                _ => {}
            }
        }
        plain.fdb_mut().invalidate();
        let mac = |n: u16| match n {
            0 => Mac::BROADCAST,
            n => Mac::new([2, 0, 0, 0, 0, n as u8]),
        };
        let key = Key { dst: mac(dst), src: mac(src), vlan: 0 };
        let decision = cached.decide(now, port, &key);
        prop_assert_eq!(decision, plain.decide(now, port, &key));
        match decision {
            Decision::To(to) => prop_assert!(to != port && cached.ports().contains(to)),
            Decision::Flood(to) => {
                let mut others = cached.ports();
                others.remove(port);
                prop_assert_eq!(to, others);
            }
            Decision::Drop(_) => {}
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_cached_decision_is_the_right_one(
        steps in prop::collection::vec((0..4u16, 0..5u16, 0..5u16, 0..12u8), 0..200)
    ) {
        decisions(steps)?;
    }
}

fn engine(ports: u16, queue_bytes: u64) -> Engine<Token> {
    let mut engine = Engine::new(EngineConfig::default(), Arc::default());
    for port in 0..ports {
        assert!(engine.add_port(0, PortId(port), &port_of(PortRole::Vif, queue_bytes)));
    }
    engine
}

fn key(dst: u8, src: u8) -> Key {
    Key { dst: Mac::new([2, 0, 0, 0, 0, dst]), src: Mac::new([2, 0, 0, 0, 0, src]), vlan: 0 }
}

#[test]
fn learns_floods_and_never_sends_back() {
    let mut engine = engine(3, 1 << 20);
    let others: PortSet = [PortId(1), PortId(2)].into_iter().collect();
    assert_eq!(engine.decide(0, PortId(0), &key(20, 10)), Decision::Flood(others));
    assert_eq!(engine.decide(0, PortId(2), &key(10, 20)), Decision::To(PortId(0)));
    assert_eq!(engine.decide(0, PortId(0), &key(20, 10)), Decision::To(PortId(2)));
    assert_eq!(engine.decide(0, PortId(2), &key(20, 21)), Decision::Drop(Reason::NoEgress));
    assert_eq!(engine.decide(0, PortId(7), &key(20, 21)), Decision::Drop(Reason::PortGone));
    assert_eq!(engine.role(PortId(1)), Some(PortRole::Vif));
    let _ = engine.remove_port(PortId(2));
    let left: PortSet = [PortId(1)].into_iter().collect();
    assert_eq!(engine.decide(0, PortId(0), &key(20, 10)), Decision::Flood(left));
    let _ = engine.remove_port(PortId(1));
    assert_eq!(engine.decide(0, PortId(0), &key(20, 10)), Decision::Drop(Reason::NoEgress));
}

#[test]
fn an_address_in_steady_use_does_not_age() {
    let mut engine = engine(2, 1 << 20);
    let ageing_ns = engine.fdb().ageing_ns();
    engine.decide(0, PortId(1), &key(10, 20));
    let mut now = 0;
    while now < ageing_ns * 2 {
        engine.decide(now, PortId(0), &key(20, 10));
        now += 100_000_000;
    }
    assert_eq!(engine.fdb().lookup(now, key(0, 10).src, 0), Some(PortId(0)));
    assert_eq!(engine.fdb().lookup(now, key(0, 20).src, 0), None);
}

#[test]
fn a_static_entry_for_a_port_that_is_not_there_drops() {
    let mut engine = engine(2, 1 << 20);
    assert!(engine.fdb_mut().insert_static(key(30, 0).dst, 0, PortId(9)));
    assert_eq!(engine.decide(0, PortId(0), &key(30, 10)), Decision::Drop(Reason::PortGone));
    assert!(engine.add_port(0, PortId(9), &port_of(PortRole::Uplink, 1)));
    assert_eq!(engine.decide(0, PortId(0), &key(30, 10)), Decision::To(PortId(9)));
}
