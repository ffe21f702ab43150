//! Compares the engine with simple queues that do the same slowly: no packet lost or duplicated, and all in
//! order.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use std::sync::Arc;

use proptest::prelude::*;
use weir_core::{
    CONTAINER_PACKETS, Caps, Choice, Container, Engine, EngineConfig, Next, Packet, Policy, PortId,
    PortSettings, Rate, Reason, Release, ReleaseSettings, Role, SchedulerSettings, Share,
};

const PORTS: u16 = 5;

/// Cannot be copied, like a real packet.
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
    fn frames(&self) -> u32 {
        self.len.div_ceil(4096)
    }
    fn arrived_ns(&self) -> u64 {
        self.id
    }
}

fn port_of(role: Role, queue_bytes: u64) -> PortSettings {
    PortSettings { queue_bytes, ..PortSettings::new(role) }
}

fn take(engine: &mut Engine<Token>, now: u64, egress: PortId) -> Option<Container<Token>> {
    match engine.next(now, egress) {
        Next::Container(container) => Some(container),
        _ => None,
    }
}

#[derive(Clone, Debug)]
enum Op {
    Offer { from: u16, to: u16, len: u32, times: usize },
    EndOfTurn,
    Next { egress: u16, send: usize, put_back: bool },
    TakeTwo { egress: u16 },
    Remove(u16),
    Add(u16, PortSettings),
    Set(u16, PortSettings),
    Scheduler(Policy),
    Wait(u64),
    Drain,
}

fn settings() -> impl Strategy<Value = PortSettings> {
    let bound = prop_oneof![Just(20_000_u64), Just(512 << 10)];
    let frames = prop_oneof![1 => Just(12_u32), 4 => Just(u32::MAX)];
    let rate = || {
        let mbit = |n: u64| Just(Some(Rate::new(n * 1_000_000)));
        prop_oneof![3 => Just(None), 1 => mbit(50), 1 => mbit(10_000)]
    };
    let policy = prop_oneof![
        2 => Just(Release::Eager),
        1 => Just(Release::Fixed),
        1 => Just(Release::Adaptive)
    ];
    (bound, frames, 1u32..50, rate(), rate(), policy, any::<bool>()).prop_map(
        |(queue_bytes, queue_frames, weight, max_rate, link_rate, policy, work_conserving)| {
            PortSettings {
                queue_bytes,
                queue_frames,
                share: Share { weight, max_rate, ..Share::default() },
                link_rate,
                release: ReleaseSettings { policy, work_conserving, ..ReleaseSettings::default() },
                ..PortSettings::new(Role::Vif)
            }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let port = || 0..PORTS;
    let len =
        prop_oneof![4 => 40u32..200, 4 => 200u32..1600, 2 => 3000u32..9000, 1 => 30_000u32..65_000];
    let policy = prop::sample::select(Policy::ALL);
    prop_oneof![
        20 => (port(), port(), len, 1usize..100)
            .prop_map(|(from, to, len, times)| Op::Offer { from, to, len, times }),
        8 => Just(Op::EndOfTurn),
        16 => (port(), 0usize..70, any::<bool>())
            .prop_map(|(egress, send, put_back)| Op::Next { egress, send, put_back }),
        3 => port().prop_map(|egress| Op::TakeTwo { egress }),
        1 => port().prop_map(Op::Remove),
        2 => (port(), settings()).prop_map(|(port, settings)| Op::Add(port, settings)),
        3 => (port(), settings()).prop_map(|(port, settings)| Op::Set(port, settings)),
        1 => policy.prop_map(Op::Scheduler),
        6 => (0u64..1_000_000).prop_map(Op::Wait),
        1 => Just(Op::Drain),
    ]
}

#[derive(Default)]
struct Model {
    ports: BTreeMap<u16, PortSettings>,
    /// What the program would know: the pairs (from, to) reported as shed.
    told: BTreeSet<(u16, u16)>,
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
        let Some(settings) = self.ports.get(&from) else { return Some(Reason::PortGone) };
        let (bound, held) = (settings.queue_bytes, self.frames(from));
        let frames = u64::from(len.div_ceil(4096));
        let left = u64::from(settings.queue_frames).saturating_sub(held);
        let queue = self.queues.entry((from, to)).or_default();
        let mine: u64 = queue.iter().map(|(_, len)| u64::from(len.div_ceil(4096))).sum();
        if held != 0 && (frames > left || mine + frames > 4 * left) {
            return Some(Reason::QueueFull);
        }
        let bytes: u64 = queue.iter().map(|&(_, len)| u64::from(len)).sum();
        if !queue.is_empty() && bytes + u64::from(len) > bound {
            return Some(Reason::QueueFull);
        }
        queue.push_back((id, len));
        None
    }

    /// Checks that the packet that came out is the oldest of its pair.
    fn out(&mut self, token: &Token) -> Result<(), TestCaseError> {
        let oldest = self.queues.entry((token.from, token.to)).or_default().pop_front();
        prop_assert_eq!(oldest, Some((token.id, token.len)), "{} -> {}", token.from, token.to);
        Ok(())
    }

    fn out_all(&mut self, tokens: Vec<Token>) -> Result<(), TestCaseError> {
        tokens.iter().try_for_each(|token| self.out(token))
    }

    fn frames(&self, from: u16) -> u64 {
        let of = |((at, _), queue): (&(u16, u16), &VecDeque<(u64, u32)>)| {
            if *at == from {
                queue.iter().map(|(_, len)| u64::from(len.div_ceil(4096))).sum()
            } else {
                0
            }
        };
        self.queues.iter().map(of).sum()
    }

    /// Checks that no pair is shed without a lasting reason, and that the reported changes agree.
    fn shed_agrees(&mut self, engine: &mut Engine<Token>) -> Result<(), TestCaseError> {
        for (from, to, shed) in engine.shed_changes() {
            let way = (from.0, to.0);
            let new = if shed { self.told.insert(way) } else { self.told.remove(&way) };
            prop_assert!(new, "{way:?} was told twice");
        }
        for from in 0..PORTS {
            for to in 0..PORTS {
                let shed = engine.is_shed(PortId(from), PortId(to));
                prop_assert_eq!(shed, self.told.contains(&(from, to)));
                prop_assert!(!shed || self.frames(from) != 0, "{} -> {}", from, to);
            }
        }
        Ok(())
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

/// The changes that `next` makes to the pair whose container it returns.
fn taken(engine: &mut Engine<Token>, now: u64, egress: u16) -> Result<Taken, TestCaseError> {
    let before: Vec<bool> =
        (0..PORTS).map(|from| engine.is_shed(PortId(from), PortId(egress))).collect();
    let Some(container) = take(engine, now, PortId(egress)) else { return Ok(None) };
    well_formed(&container)?;
    let from = container.ingress();
    let bound = engine.settings(from).map_or(0, |settings| settings.queue_bytes);
    let low = bound - (bound / 32).max(8192).min(bound / 8);
    let (bytes, _) = engine.port_depth(PortId(egress), from);
    let shed = engine.is_shed(from, PortId(egress));
    if before[from.index()] && !shed {
        prop_assert!(bytes <= low, "let in again at {bytes} of {bound}");
    }
    if engine.held_frames(from) == 0 {
        prop_assert!(!shed, "nothing waits any more");
    }
    Ok(Some(container))
}

type Taken = Option<Container<Token>>;

/// Lets time pass until everything has left, however slow the links.
fn empty(engine: &mut Engine<Token>, model: &mut Model, mut now: u64) -> Result<(), TestCaseError> {
    while engine.held_packets() != 0 {
        engine.end_of_turn(now);
        let mut next_ns = engine.wakes_at().unwrap_or(u64::MAX);
        for egress in engine.backlogged() {
            loop {
                match engine.next(now, egress) {
                    Next::Container(mut container) => {
                        well_formed(&container)?;
                        while let Some(token) = container.pop() {
                            model.out(&token)?;
                        }
                        engine.recycle(container);
                        next_ns = next_ns.min(now + 1);
                    }
                    Next::NotBefore(at) => {
                        prop_assert!(at > now, "{at} is not after {now}");
                        next_ns = next_ns.min(at);
                        break;
                    }
                    Next::Empty => break,
                }
            }
        }
        model.shed_agrees(engine)?;
        if engine.held_packets() != 0 {
            prop_assert!(next_ns != u64::MAX, "it would wait for ever");
            now = now.max(next_ns);
        }
    }
    Ok(())
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut engine: Engine<Token> = Engine::new(EngineConfig::default(), Arc::new(Caps::default()));
    let mut model = Model::default();
    let (mut id, mut now) = (0, 0);
    for port in 0..3 {
        let settings = port_of(Role::Vif, 512 << 10);
        prop_assert!(engine.add_port(0, PortId(port), &settings));
        model.ports.insert(port, settings);
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
                    if reason == Some(Reason::QueueFull) {
                        prop_assert!(engine.is_shed(PortId(from), PortId(to)));
                    }
                }
            }
            Op::EndOfTurn => {
                engine.end_of_turn(now);
                prop_assert!(engine.wakes_at().is_none_or(|at| at > now));
            }
            Op::Next { egress, send, put_back } => {
                if let Some(mut container) = taken(&mut engine, now, egress)? {
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
                        prop_assert!(engine.put_back(now, PortId(egress), container).is_ok());
                    } else {
                        engine.recycle(container);
                    }
                }
            }
            Op::TakeTwo { egress } => {
                let first = taken(&mut engine, now, egress)?;
                let second = taken(&mut engine, now, egress)?;
                for container in [second, first].into_iter().flatten() {
                    prop_assert!(engine.put_back(now, PortId(egress), container).is_ok());
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
            Op::Add(port, settings) => {
                let new = !model.ports.contains_key(&port);
                prop_assert_eq!(engine.add_port(now, PortId(port), &settings), new);
                model.ports.entry(port).or_insert(settings);
            }
            Op::Set(port, settings) => {
                let there = model.ports.contains_key(&port);
                prop_assert_eq!(engine.set_port(now, PortId(port), &settings), there);
                if there {
                    model.ports.insert(port, settings);
                }
            }
            Op::Scheduler(policy) => {
                let settings = SchedulerSettings { policy, ..SchedulerSettings::default() };
                engine.set_scheduler(now, settings);
            }
            Op::Wait(ns) => now += ns,
            Op::Drain => {
                model.out_all(engine.drain(|_| true))?;
                prop_assert_eq!(model.held(), (0, 0));
            }
        }
        model.shed_agrees(&mut engine)?;
        prop_assert_eq!((engine.held_packets(), engine.held_bytes()), model.held());
        for (&(from, to), queue) in &model.queues {
            let bytes = queue.iter().map(|&(_, len)| u64::from(len)).sum::<u64>();
            let depth = engine.port_depth(PortId(to), PortId(from));
            prop_assert_eq!(depth, (bytes, queue.len() as u64));
        }
        for from in 0..PORTS {
            prop_assert_eq!(engine.held_frames(PortId(from)), model.frames(from));
        }
    }
    empty(&mut engine, &mut model, now)?;
    prop_assert_eq!(model.held(), (0, 0));
    prop_assert!(engine.backlogged().is_empty() && engine.wakes_at().is_none());
    prop_assert!(model.told.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn conserves_and_keeps_order(ops in prop::collection::vec(op(), 0..120)) {
        run(ops)?;
    }
}
