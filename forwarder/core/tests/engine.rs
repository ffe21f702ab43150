//! The engine against queues that do the same slowly: nothing lost, nothing doubled, in order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use weir_core::{
    CONTAINER_PACKETS, Container, Decision, Engine, EngineConfig, Key, Mac, Packet, PortId,
    PortRole, PortSet, Reason, ReleaseReason,
};

const PORTS: u16 = 5;

/// Cannot be copied, like a real one.
#[derive(Debug)]
struct Token {
    id: u64,
    len: u32,
    from: u16,
    to: u16,
}

impl Packet for Token {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.id
    }
}

#[derive(Clone, Debug)]
enum Op {
    Offer { from: u16, to: u16, len: u32, times: usize },
    EndOfBurst,
    Next { egress: u16, send: usize, put_back: bool },
    TakeTwo { egress: u16 },
    Remove(u16),
    Add(u16, u64),
    Drain,
}

fn op() -> impl Strategy<Value = Op> {
    let port = || 0..PORTS;
    let len =
        prop_oneof![4 => 40u32..200, 4 => 200u32..1600, 2 => 3000u32..9000, 1 => 30_000u32..65_000];
    prop_oneof![
        20 => (port(), port(), len, 1usize..100)
            .prop_map(|(from, to, len, times)| Op::Offer { from, to, len, times }),
        8 => Just(Op::EndOfBurst),
        16 => (port(), 0usize..70, any::<bool>())
            .prop_map(|(egress, send, put_back)| Op::Next { egress, send, put_back }),
        3 => port().prop_map(|egress| Op::TakeTwo { egress }),
        1 => port().prop_map(Op::Remove),
        2 => (port(), prop_oneof![Just(20_000u64), Just(512 << 10)])
            .prop_map(|(port, bound)| Op::Add(port, bound)),
        1 => Just(Op::Drain),
    ]
}

#[derive(Default)]
struct Model {
    ports: BTreeMap<u16, u64>,
    queues: BTreeMap<(u16, u16), VecDeque<(u64, u32)>>,
}

impl Model {
    fn offer(&mut self, token: (u16, u16, u64, u32)) -> Option<Reason> {
        let (from, to, id, len) = token;
        if !self.ports.contains_key(&to) {
            return Some(Reason::PortGone);
        }
        if from == to {
            return Some(Reason::NoEgress);
        }
        let Some(&bound) = self.ports.get(&from) else { return Some(Reason::PortGone) };
        let queue = self.queues.entry((from, to)).or_default();
        let bytes: u64 = queue.iter().map(|&(_, len)| u64::from(len)).sum();
        if !queue.is_empty() && bytes + u64::from(len) > bound {
            return Some(Reason::QueueFull);
        }
        queue.push_back((id, len));
        None
    }

    /// The packet that came out must be the oldest of its pair.
    fn out(&mut self, token: &Token) -> Result<(), TestCaseError> {
        let oldest = self.queues.entry((token.from, token.to)).or_default().pop_front();
        prop_assert_eq!(oldest, Some((token.id, token.len)), "{} -> {}", token.from, token.to);
        Ok(())
    }

    fn out_all(&mut self, tokens: Vec<Token>) -> Result<(), TestCaseError> {
        tokens.iter().try_for_each(|token| self.out(token))
    }

    fn held(&self) -> (u64, u64) {
        self.queues
            .values()
            .flatten()
            .fold((0, 0), |(n, bytes), &(_, len)| (n + 1, bytes + u64::from(len)))
    }
}

fn well_formed(container: &Container<Token>) -> Result<(), TestCaseError> {
    let bytes: u64 = container.iter().map(|token| u64::from(token.len)).sum();
    prop_assert_eq!(bytes, container.bytes());
    prop_assert!(container.len() <= CONTAINER_PACKETS && !container.is_empty());
    prop_assert!(bytes <= 4096 || container.len() == 1);
    prop_assert!(
        container.iter().all(|t| (t.from, t.to) == (container.ingress().0, container.egress().0))
    );
    Ok(())
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut engine: Engine<Token> = Engine::new(EngineConfig::default());
    let mut model = Model::default();
    let (mut id, mut now) = (0, 0);
    for port in 0..3 {
        prop_assert!(engine.add_port(PortId(port), PortRole::Vif, 512 << 10));
        model.ports.insert(port, 512 << 10);
    }
    for op in ops {
        now += 1_000;
        match op {
            Op::Offer { from, to, len, times } => {
                for _ in 0..times {
                    id += 1;
                    let token = Token { id, len, from, to };
                    let refused = engine.offer(now, PortId(from), PortId(to), token).err();
                    if let Some((token, _)) = &refused {
                        prop_assert_eq!(token.id, id);
                    }
                    let reason = refused.map(|(_, reason)| reason);
                    prop_assert_eq!(reason, model.offer((from, to, id, len)));
                }
            }
            Op::EndOfBurst => engine.end_of_burst(now),
            Op::Next { egress, send, put_back } => {
                if let Some(mut container) = engine.next(now, PortId(egress)) {
                    well_formed(&container)?;
                    let send = if put_back { send } else { usize::MAX };
                    for at in 0.. {
                        let Some(token) = container.pop() else { break };
                        if at == send {
                            container.unpop(token);
                            break;
                        }
                        model.out(&token)?;
                    }
                    if put_back {
                        prop_assert!(engine.put_back(PortId(egress), container).is_ok());
                    } else {
                        engine.recycle(container);
                    }
                }
            }
            Op::TakeTwo { egress } => {
                let first = engine.next(now, PortId(egress));
                let second = engine.next(now, PortId(egress));
                for container in [second, first].into_iter().flatten() {
                    prop_assert!(engine.put_back(PortId(egress), container).is_ok());
                }
            }
            Op::Remove(port) => {
                model.out_all(engine.remove_port(PortId(port)))?;
                model.ports.remove(&port);
                let left = |(&(from, to), queue): (&(u16, u16), &VecDeque<_>)| {
                    (from == port || to == port) && !queue.is_empty()
                };
                prop_assert!(!model.queues.iter().any(left));
            }
            Op::Add(port, bound) => {
                let new = !model.ports.contains_key(&port);
                prop_assert_eq!(engine.add_port(PortId(port), PortRole::Vif, bound), new);
                model.ports.entry(port).or_insert(bound);
            }
            Op::Drain => {
                model.out_all(engine.drain())?;
                prop_assert_eq!(model.held(), (0, 0));
            }
        }
        prop_assert_eq!((engine.held_packets(), engine.held_bytes()), model.held());
        for (&(from, to), queue) in &model.queues {
            let bytes = queue.iter().map(|&(_, len)| u64::from(len)).sum::<u64>();
            let depth = engine.port_depth(PortId(to), PortId(from));
            prop_assert_eq!(depth, (bytes, queue.len() as u64));
        }
    }
    engine.end_of_burst(now);
    let waiting: BTreeSet<u16> =
        model.queues.iter().filter(|(_, q)| !q.is_empty()).map(|(&(_, to), _)| to).collect();
    prop_assert_eq!(engine.backlogged().iter().map(|p| p.0).collect::<BTreeSet<_>>(), waiting);
    for egress in engine.backlogged() {
        while let Some(mut container) = engine.next(now, egress) {
            well_formed(&container)?;
            while let Some(token) = container.pop() {
                model.out(&token)?;
            }
            engine.recycle(container);
        }
    }
    prop_assert_eq!(model.held(), (0, 0));
    prop_assert_eq!(engine.held_packets(), 0);
    prop_assert!(engine.backlogged().is_empty());
    Ok(())
}

fn decisions(steps: Vec<(u16, u16, u16, u8)>) -> Result<(), TestCaseError> {
    let config = EngineConfig { fdb_ageing_ns: 1_000_000_000, ..EngineConfig::default() };
    let (mut cached, mut plain) = (Engine::<Token>::new(config), Engine::<Token>::new(config));
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
                9 | 10 => _ = engine.add_port(port, PortRole::Vif, 1000),
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
    fn conserves_and_keeps_order(ops in prop::collection::vec(op(), 0..120)) {
        run(ops)?;
    }

    #[test]
    fn a_cached_decision_is_the_right_one(
        steps in prop::collection::vec((0..4u16, 0..5u16, 0..5u16, 0..12u8), 0..200)
    ) {
        decisions(steps)?;
    }
}

fn engine(ports: u16, queue_bytes: u64) -> Engine<Token> {
    let mut engine = Engine::new(EngineConfig::default());
    for port in 0..ports {
        assert!(engine.add_port(PortId(port), PortRole::Vif, queue_bytes));
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
    assert!(engine.add_port(PortId(9), PortRole::Uplink, 1));
    assert_eq!(engine.decide(0, PortId(0), &key(30, 10)), Decision::To(PortId(9)));
}

#[test]
fn nothing_is_allocated_for_containers_that_are_recycled() {
    let mut engine = engine(2, 512 << 10);
    let stock = engine.spare_containers();
    for id in 0..10_000 {
        let token = Token { id, len: 64, from: 0, to: 1 };
        assert!(engine.offer(id, PortId(0), PortId(1), token).is_ok());
        // A burst of one each: the queue joins them, so few containers hold many packets.
        engine.end_of_burst(id);
        if engine.held_packets() == 5_000 {
            let in_use = stock - engine.spare_containers();
            assert!(in_use <= 5_000 / CONTAINER_PACKETS + 1, "{in_use}");
            for _ in 0..in_use {
                let Some(mut container) = engine.next(id, PortId(1)) else { break };
                while container.pop().is_some() {}
                engine.recycle(container);
            }
        }
    }
    assert_eq!(engine.held_packets(), 0);
    assert_eq!(engine.spare_containers(), stock);
    assert_eq!(engine.released(ReleaseReason::Flush), 10_000);
}

#[test]
fn a_container_of_a_port_that_is_gone_is_handed_back() {
    let mut engine = engine(2, 1 << 20);
    let token = Token { id: 1, len: 64, from: 0, to: 1 };
    assert!(engine.offer(0, PortId(0), PortId(1), token).is_ok());
    engine.end_of_burst(0);
    let container = engine.next(0, PortId(1)).unwrap();
    let _ = engine.remove_port(PortId(0));
    let (container, reason) = engine.put_back(PortId(1), container).unwrap_err();
    assert_eq!((container.len(), reason), (1, Reason::PortGone));
    assert_eq!(engine.held_packets(), 0);
}
