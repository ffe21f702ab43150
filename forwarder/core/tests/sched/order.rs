//! No packet is lost or duplicated, and all stay in order, whatever is done to a scheduler.

use std::collections::VecDeque;
use std::sync::Arc;

use proptest::prelude::*;
use weir_core::{
    Caps, Choice, Container, Next, Policy, PortId, Rate, Scheduler, SchedulerSettings, Share,
};

use crate::rates::{link, sizes, weight};
use crate::world::{CONTAINER, EGRESS, Piece, Source, World};

const VIFS: u16 = 4;

#[derive(Clone, Debug)]
enum Op {
    Enqueue {
        vif: u16,
        len: u32,
        packets: u32,
        join: bool,
    },
    /// Takes several containers, sends some packets of each, and puts the rest back.
    Next {
        containers: usize,
        send: usize,
    },
    Take(u16),
    Drain,
    Share {
        vif: u16,
        weight: u32,
        min: Option<u64>,
        max: Option<u64>,
    },
    Link(Option<u64>),
    Wait(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let rate = || prop::option::of(1_000_000u64..10_000_000_000);
    prop_oneof![
        20 => (0..VIFS, 64u32..9000, 1u32..70, any::<bool>())
            .prop_map(|(vif, len, packets, join)| Op::Enqueue { vif, len, packets, join }),
        20 => (1usize..4, 0usize..70).prop_map(|(containers, send)| Op::Next { containers, send }),
        2 => (0..VIFS).prop_map(Op::Take),
        1 => Just(Op::Drain),
        3 => (0..VIFS, weight(), rate(), rate())
            .prop_map(|(vif, weight, min, max)| Op::Share { vif, weight, min, max }),
        2 => rate().prop_map(Op::Link),
        10 => (0u64..20_000_000).prop_map(Op::Wait),
    ]
}

/// What is queued, per vif.
type Model = Vec<VecDeque<u64>>;

fn gone(model: &mut Model, mut container: Container<Piece>, most: usize) -> Container<Piece> {
    for _ in 0..most {
        let Some(piece) = container.pop() else { break };
        assert_eq!(model[container.ingress().index()].pop_front(), Some(piece.seq));
    }
    container
}

fn play(mut scheduler: Scheduler<Piece>, caps: &Caps, ops: Vec<Op>) {
    let mut model: Model = (0..VIFS).map(|_| VecDeque::new()).collect();
    let (mut now, mut seq) = (0, 0);
    for op in ops {
        match op {
            Op::Enqueue { vif, len, packets, join } => {
                let mut container = Container::new(CONTAINER);
                container.open(now, PortId(vif), EGRESS);
                for _ in 0..packets {
                    if container.fits(u64::from(len), 1) {
                        seq += 1;
                        container.push(Piece { len, seq, at_ns: now });
                        model[usize::from(vif)].push_back(seq);
                    }
                }
                if let Some(emptied) = scheduler.enqueue(now, container, join) {
                    assert!(join && emptied.is_empty());
                }
            }
            Op::Next { containers, send } => {
                let mut taken = Vec::new();
                for _ in 0..containers {
                    match scheduler.next(now) {
                        // Only the last container may be sent in part: what comes back goes to the front.
                        Next::Container(container) => taken.push(container),
                        Next::NotBefore(at) => assert!(at > now && !scheduler.is_empty()),
                        Next::Empty => assert!(scheduler.is_empty()),
                    }
                }
                let mut rest = Vec::new();
                for container in taken {
                    let most = if rest.is_empty() { send } else { 0 };
                    let container = gone(&mut model, container, most);
                    if !container.is_empty() {
                        rest.push(container);
                    }
                }
                let first = rest.first().map(Container::ingress);
                while let Some(container) = rest.pop() {
                    scheduler.put_back(now, container);
                }
                if let Some(vif) = first
                    && let Next::Container(next) = scheduler.next(now)
                {
                    assert_eq!(next.ingress(), vif, "it keeps its turn");
                    scheduler.put_back(now, next);
                }
            }
            Op::Take(vif) => {
                if let Some(container) = scheduler.take(PortId(vif)) {
                    assert_eq!(container.ingress(), PortId(vif));
                    gone(&mut model, container, usize::MAX);
                } else {
                    assert!(model[usize::from(vif)].is_empty());
                }
            }
            Op::Drain => {
                while let Some(container) = scheduler.drain() {
                    gone(&mut model, container, usize::MAX);
                }
                assert!(model.iter().all(VecDeque::is_empty));
            }
            Op::Share { vif, weight, min, max } => {
                let rate = |bps: Option<u64>| bps.map(Rate::new);
                let share =
                    Share { weight, min_rate: rate(min), max_rate: rate(max), ..Share::default() };
                caps.set(now, PortId(vif), share.max_rate, share.burst_bytes);
                scheduler.set_share(now, PortId(vif), &share);
            }
            Op::Link(bps) => scheduler.set_link_rate(now, bps.map(Rate::new)),
            Op::Wait(ns) => now += ns,
        }
        assert_eq!(scheduler.is_empty(), model.iter().all(VecDeque::is_empty));
        let opens_at = scheduler.opens_at(now);
        assert!(opens_at == 0 || opens_at > now, "{opens_at} at {now}");
    }
    // What waits comes out if the scheduler is asked at the times that it returns.
    for _ in 0..1_000_000 {
        match scheduler.next(now) {
            Next::Container(container) => drop(gone(&mut model, container, usize::MAX)),
            Next::NotBefore(at) => now = at,
            Next::Empty => break,
        }
    }
    assert!(model.iter().all(VecDeque::is_empty));
    assert!(scheduler.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_is_lost_doubled_or_overtaken(
        policy in prop::option::of(prop::sample::select(Policy::ALL)),
        ops in prop::collection::vec(op(), 0..150),
    ) {
        let caps = Arc::new(Caps::default());
        let scheduler = match policy {
            Some(policy) => Scheduler::new(&SchedulerSettings { policy, ..SchedulerSettings::default() }, caps.clone()),
            None => Scheduler::Handover(Box::default()),
        };
        play(scheduler, &caps, ops);
    }

    /// A container put back whole leaves the same state as if it had not been taken.
    #[test]
    fn putting_back_changes_nothing(
        link in link(),
        vifs in prop::collection::vec((weight(), sizes()), 1..=8),
    ) {
        let sources: Vec<_> = vifs.iter().map(|&(weight, sizes)| Source::greedy(weight, sizes)).collect();
        let run = |times: u32| {
            let mut world = World::new(Policy::Drr, Some(link), &sources, 9);
            let mut order = Vec::new();
            while order.len() < 400 {
                match world.scheduler.next(world.now) {
                    Next::Container(mut container) => {
                        for _ in 0..times {
                            world.scheduler.put_back(world.now, container);
                            let Next::Container(again) = world.scheduler.next(world.now) else {
                                panic!("it could go, and then it could not");
                            };
                            container = again;
                        }
                        order.push((world.now, container.ingress(), container.bytes()));
                        world.went(container);
                    }
                    Next::NotBefore(at) => world.now = at,
                    Next::Empty => panic!("they are greedy"),
                }
            }
            order
        };
        prop_assert_eq!(run(0), run(3));
    }
}
