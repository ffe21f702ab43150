//! Two engines and the containers on their way from one to the other: the bounds hold over all of it.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;
use weir_core::{
    Caps, Container, Engine, EngineConfig, Handed, Next, Packet, PortId, PortSettings, Reason, Role,
};

const FROM: PortId = PortId(0);
/// The ports that the other engine serves.
const AWAY: [PortId; 2] = [PortId(1), PortId(2)];
/// The port that the first engine serves.
const HOME: PortId = PortId(3);
const BOUND: u64 = 40_000;
const FRAMES: u32 = 60;

struct Token(u32);

impl Packet for Token {
    fn len(&self) -> u32 {
        self.0
    }
    fn frames(&self) -> u32 {
        self.0.div_ceil(4096)
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

fn settings(remote: bool) -> PortSettings {
    let queue_frames = FRAMES;
    PortSettings { remote, queue_bytes: BOUND, queue_frames, ..PortSettings::new(Role::Vif) }
}

struct World {
    here: Engine<Token>,
    there: Engine<Token>,
    on_the_way: VecDeque<(Handed, Container<Token>)>,
    offered: u64,
    out: u64,
}

impl World {
    fn new() -> Self {
        let caps = Arc::new(Caps::default());
        let mut here = Engine::new(EngineConfig::default(), Arc::clone(&caps));
        let mut there = Engine::new(EngineConfig::default(), caps);
        for port in [FROM, AWAY[0], AWAY[1], HOME] {
            let away = AWAY.contains(&port);
            assert!(here.add_port(0, port, &settings(away)));
            assert!(there.add_port(0, port, &settings(!away)));
        }
        Self { here, there, on_the_way: VecDeque::new(), offered: 0, out: 0 }
    }

    fn offer(&mut self, to: PortId, len: u32) -> Option<Reason> {
        self.offered += 1;
        let refused = self.here.offer(0, FROM, to, Token(len)).err();
        self.out += u64::from(refused.is_some());
        refused.map(|(_, reason)| reason)
    }

    fn hand_over(&mut self, to: PortId) -> bool {
        let Next::Container(container) = self.here.next(0, to) else { return false };
        self.on_the_way.push_back((Handed::of(&container), container));
        true
    }

    /// Takes a container and puts it back, as if there had been no room.
    fn put_back(&mut self, to: PortId) {
        if let Next::Container(container) = self.here.next(0, to) {
            assert!(self.here.put_back(0, to, container).is_ok());
        }
    }

    fn take(&mut self) {
        let Some((handed, container)) = self.on_the_way.pop_front() else { return };
        self.here.taken(&handed);
        if let Err((container, _)) = self.there.accept(0, container) {
            self.out += container.len() as u64;
        }
    }

    fn send(&mut self, to: PortId) {
        if let Next::Container(container) = self.there.next(0, to) {
            self.out += container.len() as u64;
        }
    }

    fn renew(&mut self, port: PortId) {
        for (handed, _) in self.on_the_way.iter().filter(|(handed, _)| handed.names(port)) {
            self.here.taken(handed);
        }
        // What is still on its way is refused there, and no longer charged to any pair here.
        let mut rest = VecDeque::new();
        for (handed, container) in self.on_the_way.drain(..) {
            if handed.names(port) {
                self.out += container.len() as u64;
            } else {
                rest.push_back((handed, container));
            }
        }
        self.on_the_way = rest;
        let away = AWAY.contains(&port);
        self.out += self.here.remove_port(port).len() as u64;
        self.out += self.there.remove_port(port).len() as u64;
        assert!(self.here.add_port(0, port, &settings(away)));
        assert!(self.there.add_port(0, port, &settings(!away)));
    }

    /// What one pair has on its way: bytes, packets, frames.
    fn between(&self, to: PortId) -> (u64, u64, u64) {
        let these = self.on_the_way.iter().filter(|(_, container)| container.egress() == to);
        these.fold((0, 0, 0), |(bytes, packets, frames), (_, container)| {
            let len = container.len() as u64;
            (bytes + container.bytes(), packets + len, frames + container.load().frames)
        })
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let mut frames_between = 0;
        for to in AWAY {
            let (bytes, packets, frames) = self.between(to);
            frames_between += frames;
            let (charged, charged_packets) = self.here.port_depth(to, FROM);
            prop_assert!(charged >= bytes && charged_packets >= packets);
            prop_assert!(charged <= BOUND || charged_packets == 1, "{charged} bytes");
        }
        let charged = self.here.held_frames(FROM);
        prop_assert!(charged >= frames_between);
        prop_assert!(charged <= u64::from(FRAMES), "{charged} frames");
        let between: u64 = AWAY.iter().map(|&to| self.between(to).1).sum();
        let held = self.here.held_packets() + self.there.held_packets();
        prop_assert_eq!(self.offered, held + between + self.out);
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Op {
    Offer {
        to: PortId,
        len: u32,
        times: usize,
    },
    EndOfTurn,
    HandOver(PortId),
    PutBack(PortId),
    Take(usize),
    Send(PortId),
    Renew(PortId),
    /// One of the two workers drops all that it holds.
    Drain {
        here: bool,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let to = || prop_oneof![3 => Just(AWAY[0]), 2 => Just(AWAY[1]), 1 => Just(HOME)];
    let len = prop_oneof![4 => 40_u32..200, 2 => 200_u32..1600, 1 => 9_000_u32..65_000];
    prop_oneof![
        8 => (to(), len, 1_usize..60).prop_map(|(to, len, times)| Op::Offer { to, len, times }),
        4 => Just(Op::EndOfTurn),
        8 => to().prop_map(Op::HandOver),
        2 => to().prop_map(Op::PutBack),
        4 => (1_usize..4).prop_map(Op::Take),
        3 => to().prop_map(Op::Send),
        1 => prop_oneof![to(), Just(FROM)].prop_map(Op::Renew),
        1 => any::<bool>().prop_map(|here| Op::Drain { here }),
    ]
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let mut world = World::new();
    for op in ops {
        match op {
            Op::Offer { to, len, times } => {
                for _ in 0..times {
                    let _ = world.offer(to, len);
                }
            }
            Op::EndOfTurn => world.here.end_of_turn(0),
            // Packets for the first engine's own port are sent there.
            Op::HandOver(HOME) => {
                if let Next::Container(container) = world.here.next(0, HOME) {
                    world.out += container.len() as u64;
                }
            }
            Op::HandOver(to) => {
                let _ = world.hand_over(to);
            }
            Op::PutBack(to) => world.put_back(to),
            Op::Take(times) => (0..times).for_each(|_| world.take()),
            Op::Send(to) => world.send(to),
            Op::Renew(port) => world.renew(port),
            Op::Drain { here } => {
                let engine = if here { &mut world.here } else { &mut world.there };
                world.out += engine.drain(|_| true).len() as u64;
            }
        }
        world.check()?;
    }
    world.here.end_of_turn(0);
    while AWAY.iter().any(|&to| world.hand_over(to)) {}
    while !world.on_the_way.is_empty() {
        world.take();
    }
    world.check()?;
    for to in AWAY {
        prop_assert_eq!(world.here.port_depth(to, FROM), (0, 0));
    }
    Ok(())
}

#[test]
fn what_the_other_has_not_taken_counts_here() {
    let mut world = World::new();
    let mut taken = 0;
    for _ in 0..1000 {
        taken += u64::from(world.offer(AWAY[0], 1000).is_none());
        world.here.end_of_turn(0);
        world.hand_over(AWAY[0]);
    }
    assert_eq!(taken, BOUND / 1000);
    assert_eq!(world.offer(HOME, 1000), None, "other ways are not touched");
    // Room is freed only when the other worker takes what was handed over.
    world.take();
    assert_eq!(world.offer(AWAY[0], 1000), None);
    assert_eq!(world.offer(AWAY[0], 1000), Some(Reason::QueueFull));
}

proptest! {
    #[test]
    fn bounds_hold_over_both_engines_and_what_is_between(
        ops in prop::collection::vec(op(), 0..150),
    ) {
        run(ops)?;
    }
}
