//! Single behaviours of the engine, by hand, when settings change, queues fill, and other workers take part.

use std::sync::Arc;

use weir_core::{
    CONTAINER_PACKETS, Caps, Choice, Container, Engine, EngineConfig, Handed, Next, Packet, Policy,
    PortId, PortSettings, Rate, Reason, Release, ReleaseReason, ReleaseSettings, Role,
    SchedulerSettings,
};

const T0: u64 = 200_000;
const A: PortId = PortId(0);
const B: PortId = PortId(1);
const C: PortId = PortId(2);

#[derive(Debug)]
struct Token {
    id: u64,
    len: u32,
}

impl Packet for Token {
    fn len(&self) -> u32 {
        self.len
    }
    fn frames(&self) -> u32 {
        self.len.div_ceil(2048)
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

fn vif() -> PortSettings {
    PortSettings::new(Role::Vif)
}

fn releasing(policy: Release, work_conserving: bool) -> PortSettings {
    let release =
        ReleaseSettings { policy, timeout_ns: T0, work_conserving, ..ReleaseSettings::default() };
    PortSettings { release, ..vif() }
}

fn empty() -> Engine<Token> {
    Engine::new(EngineConfig::default(), Arc::new(Caps::default()))
}

/// An engine with ports A, B and C; A has the given settings.
fn engine(a: PortSettings) -> Engine<Token> {
    let mut engine = empty();
    for (port, settings) in [(A, a), (B, vif()), (C, vif())] {
        assert!(engine.add_port(0, port, &settings));
    }
    engine
}

fn offer(engine: &mut Engine<Token>, now: u64, to: PortId, id: u64, len: u32) -> Option<Reason> {
    engine.offer(now, A, to, Token { id, len }).err().map(|(_, reason)| reason)
}

fn next(engine: &mut Engine<Token>, now: u64, egress: PortId) -> Option<Container<Token>> {
    match engine.next(now, egress) {
        Next::Container(container) => Some(container),
        _ => None,
    }
}

/// The packets of all containers that a link gets now, container by container.
fn sent(engine: &mut Engine<Token>, now: u64, egress: PortId) -> Vec<Vec<u64>> {
    let mut out = Vec::new();
    while let Some(mut container) = next(engine, now, egress) {
        out.push(std::iter::from_fn(|| container.pop()).map(|token| token.id).collect());
        engine.recycle(container);
    }
    out
}

fn changes(engine: &mut Engine<Token>) -> Vec<(u16, u16, bool)> {
    engine.shed_changes().map(|(from, to, shed)| (from.0, to.0, shed)).collect()
}

#[test]
fn only_eager_containers_grow_in_the_queue() {
    for (policy, expected) in
        [(Release::Eager, vec![vec![1, 2, 3]]), (Release::Fixed, vec![vec![1], vec![2], vec![3]])]
    {
        let mut engine = engine(releasing(policy, false));
        for id in 1..=3 {
            assert_eq!(offer(&mut engine, id * T0, B, id, 100), None);
            engine.end_of_turn(id * T0 + T0 - 1);
            engine.end_of_turn(id * T0 + T0);
        }
        assert_eq!(sent(&mut engine, 10 * T0, B), expected, "{policy:?}");
    }
}

#[test]
fn a_fixed_container_waits_for_its_timeout_or_until_it_is_full() {
    let mut engine = engine(releasing(Release::Fixed, false));
    assert_eq!(engine.wakes_at(), None);
    assert_eq!(offer(&mut engine, 1000, B, 1, 100), None);
    engine.end_of_turn(1000);
    assert!(engine.backlogged().is_empty());
    assert_eq!(engine.wakes_at(), Some(1000 + T0));
    assert_eq!(offer(&mut engine, 1000 + T0 - 1, B, 2, 100), None);
    engine.end_of_turn(1000 + T0);
    assert_eq!(engine.wakes_at(), None);
    assert_eq!(sent(&mut engine, 1000 + T0, B), [[1, 2]]);
    for id in 0..=CONTAINER_PACKETS as u64 {
        assert_eq!(offer(&mut engine, 500_000 + id, B, id, 40), None);
    }
    engine.end_of_turn(500_100);
    assert_eq!(sent(&mut engine, 500_100, B)[0].len(), CONTAINER_PACKETS);
    assert_eq!(engine.wakes_at(), Some(500_064 + T0));
    let counts = engine.container_stats(A);
    assert_eq!(counts.released.get(ReleaseReason::Timeout), 1);
    assert_eq!(counts.released.get(ReleaseReason::Full), 1);
    assert_eq!((counts.packets, counts.bytes), (66, 200 + 64 * 40));
    assert_eq!(counts.wait_ns, T0 + 64);
}

#[test]
fn an_adaptive_container_with_nothing_to_wait_for_goes_at_once() {
    let mut engine = engine(releasing(Release::Adaptive, false));
    assert_eq!(offer(&mut engine, 0, B, 1, 100), None);
    engine.end_of_turn(0);
    assert_eq!(engine.wakes_at(), Some(T0));
    engine.end_of_turn(T0);
    assert_eq!(sent(&mut engine, T0, B), [[1]]);
    assert_eq!(offer(&mut engine, 2 * T0, B, 2, 100), None);
    engine.end_of_turn(2 * T0);
    assert_eq!(sent(&mut engine, 2 * T0, B), [[2]]);
    let released = engine.container_stats(A).released;
    assert_eq!(released.get(ReleaseReason::Timeout), 1);
    assert_eq!(released.get(ReleaseReason::Playout), 1);
    // Each pair has its own estimate.
    assert_eq!(offer(&mut engine, 3 * T0, C, 3, 100), None);
    engine.end_of_turn(3 * T0);
    assert!(engine.backlogged().is_empty());
}

#[test]
fn a_work_conserving_container_waits_only_while_the_link_is_busy() {
    let mut engine = engine(releasing(Release::Fixed, true));
    // 100 Mbit/s: 1250 bytes take 100 us.
    let shaped = PortSettings { link_rate: Some(Rate::new(100_000_000)), ..vif() };
    assert!(engine.set_port(0, B, &shaped));
    assert_eq!(offer(&mut engine, 0, B, 1, 1250), None);
    engine.end_of_turn(0);
    assert_eq!(sent(&mut engine, 0, B), [[1]]);
    assert_eq!(offer(&mut engine, 10_000, B, 2, 100), None);
    engine.end_of_turn(10_000);
    assert!(engine.backlogged().is_empty(), "the link still sends the first");
    assert_eq!(engine.wakes_at(), Some(100_000));
    engine.end_of_turn(100_000);
    assert_eq!(sent(&mut engine, 100_000, B), [[2]]);
    let released = engine.container_stats(A).released;
    assert_eq!(released.get(ReleaseReason::Idle), 2);
    // A queue that is not empty also keeps the link from being idle.
    assert_eq!(offer(&mut engine, 500_000, C, 3, 100), None);
    engine.end_of_turn(500_000);
    assert_eq!(offer(&mut engine, 500_001, C, 4, 100), None);
    engine.end_of_turn(500_001);
    assert_eq!(sent(&mut engine, 500_001, C), [[3]]);
    engine.end_of_turn(500_002);
    assert_eq!(sent(&mut engine, 500_002, C), [[4]]);
}

#[test]
fn eager_is_called_a_flush_on_an_idle_link_too() {
    let mut engine = engine(releasing(Release::Eager, true));
    assert_eq!(offer(&mut engine, 0, B, 1, 100), None);
    engine.end_of_turn(0);
    assert_eq!(engine.container_stats(A).released.get(ReleaseReason::Flush), 1);
}

#[test]
fn an_open_container_obeys_the_new_policy() {
    let mut engine = engine(releasing(Release::Fixed, false));
    assert_eq!(offer(&mut engine, 0, B, 1, 100), None);
    engine.end_of_turn(0);
    assert!(engine.set_port(10, A, &releasing(Release::Eager, false)));
    engine.end_of_turn(10);
    assert_eq!(sent(&mut engine, 10, B), [[1]]);
    assert!(!engine.set_port(10, PortId(9), &vif()), "not there");
}

#[test]
fn a_pair_is_shed_from_its_bound_to_seven_eighths_of_it() {
    let mut engine = engine(PortSettings { queue_bytes: 8000, ..vif() });
    for id in 1..=8 {
        assert_eq!(offer(&mut engine, id, B, id, 1000), None);
        engine.end_of_turn(id);
    }
    assert!(!engine.is_shed(A, B));
    assert_eq!(offer(&mut engine, 9, B, 9, 1000), Some(Reason::QueueFull));
    assert!(engine.is_shed(A, B) && !engine.is_shed(A, C));
    assert_eq!(changes(&mut engine), [(0, 1, true)]);
    assert_eq!(offer(&mut engine, 9, B, 10, 1000), Some(Reason::QueueFull));
    assert_eq!(changes(&mut engine), [], "told once");
    assert_eq!(offer(&mut engine, 9, C, 11, 1000), None, "the others are free");
    // Containers hold four packets; those put back count again.
    let mut container = next(&mut engine, 9, B).unwrap();
    assert_eq!(container.pop().map(|token| token.id), Some(1));
    assert!(!engine.is_shed(A, B), "4000 bytes wait");
    assert!(engine.put_back(9, B, container).is_ok());
    assert_eq!(engine.port_depth(B, A), (7000, 7));
    assert_eq!(offer(&mut engine, 10, B, 12, 1001), Some(Reason::QueueFull));
    assert_eq!(changes(&mut engine), [], "there and back between two looks");
    assert!(engine.set_port(11, A, &PortSettings { queue_bytes: 8001, ..vif() }));
    assert!(!engine.is_shed(A, B), "7000 of 8001 bytes wait");
    assert_eq!(changes(&mut engine), [(0, 1, false)]);
    assert_eq!(engine.pair_stats(B, A).sent_packets, 1);
}

#[test]
fn a_source_without_frames_is_shed_until_it_has_some_again() {
    let mut engine = engine(PortSettings { queue_frames: 8, ..vif() });
    // Each packet takes two frames.
    for id in 1..=4 {
        assert_eq!(offer(&mut engine, 0, B, id, 4000), None);
    }
    engine.end_of_turn(0);
    assert_eq!(engine.held_frames(A), 8);
    assert_eq!(offer(&mut engine, 0, C, 5, 100), Some(Reason::QueueFull));
    assert_eq!(changes(&mut engine), [(0, 2, true)]);
    // Nothing waits for C; sending to B ends the shedding.
    let container = next(&mut engine, 0, B).unwrap();
    assert_eq!(engine.held_frames(A), 6);
    assert_eq!(changes(&mut engine), [(0, 2, false)]);
    drop(container);
}

#[test]
fn a_flood_leaves_frames_to_what_else_comes_from_its_port() {
    let mut engine = engine(PortSettings { queue_frames: 100, ..vif() });
    let mut flooded = 0;
    while offer(&mut engine, 0, B, flooded + 1, 60).is_none() {
        flooded += 1;
    }
    assert_eq!(flooded, 80);
    for id in 1..=10 {
        assert_eq!(offer(&mut engine, 0, C, id, 60), None, "{id}");
    }
    assert_eq!(changes(&mut engine), [(0, 1, true)], "only the flood is shed");
    engine.end_of_turn(0);
    while engine.is_shed(A, B) {
        let container = next(&mut engine, 0, B).unwrap();
        drop(container);
    }
    let (_, left) = engine.port_depth(B, A);
    assert!((1..80).contains(&left), "{left}");
}

#[test]
fn a_pair_that_vanishes_is_told_to_be_free() {
    let mut engine = engine(PortSettings { queue_bytes: 1000, ..vif() });
    for to in [B, C] {
        assert_eq!(offer(&mut engine, 0, to, 1, 1000), None);
        assert_eq!(offer(&mut engine, 0, to, 2, 1000), Some(Reason::QueueFull));
    }
    let mut told = changes(&mut engine);
    told.sort_unstable();
    assert_eq!(told, [(0, 1, true), (0, 2, true)]);
    assert_eq!(engine.remove_port(B).len(), 1);
    assert_eq!(changes(&mut engine), [(0, 1, false)]);
    assert_eq!(engine.remove_port(A).len(), 1);
    // The pair was recreated and shed again before the changes were read: the end of the old one comes first.
    assert!(engine.add_port(0, A, &PortSettings { queue_bytes: 1000, ..vif() }));
    assert_eq!(offer(&mut engine, 0, C, 1, 1000), None);
    assert_eq!(offer(&mut engine, 0, C, 2, 1000), Some(Reason::QueueFull));
    assert_eq!(changes(&mut engine), [(0, 2, false), (0, 2, true)]);
    assert_eq!(engine.drain(|_| true).len(), 1);
    assert_eq!(changes(&mut engine), [(0, 2, false)]);
}

#[test]
fn containers_pass_from_worker_to_worker() {
    let remote = PortSettings { remote: true, ..vif() };
    let caps = Arc::new(Caps::default());
    let mut here: Engine<Token> = Engine::new(EngineConfig::default(), caps.clone());
    let mut there: Engine<Token> = Engine::new(EngineConfig::default(), caps);
    let bounded = PortSettings { queue_bytes: 10_000, ..vif() };
    assert!(here.add_port(0, A, &PortSettings { queue_bytes: 1 << 20, ..vif() }));
    assert!(here.add_port(0, B, &remote));
    assert!(there.add_port(0, A, &PortSettings { remote: true, ..bounded }));
    assert!(there.add_port(0, B, &vif()));
    let stock = there.spare_containers();
    let (mut refused, mut arrived) = (0, Vec::new());
    for id in 0..1000_u64 {
        assert_eq!(offer(&mut here, id, B, id, 1000), None);
        here.end_of_turn(id);
        while let Some(container) = next(&mut here, id, B) {
            here.taken(&Handed::of(&container));
            if let Err((container, reason)) = there.accept(id, container) {
                assert_eq!(reason, Reason::QueueFull);
                assert!(there.is_shed(A, B) && !here.is_shed(A, B));
                refused += container.len();
            }
        }
        if id % 20 == 19 {
            arrived.extend(sent(&mut there, id, B).into_iter().flatten());
        }
        // The emptied containers are returned to the first engine.
        while let Some(container) = there.surplus() {
            here.recycle(container);
        }
    }
    assert_eq!(refused, 500);
    assert_eq!(arrived.len(), 500);
    assert!(arrived.is_sorted());
    assert_eq!((here.held_packets(), there.held_packets()), (0, 0));
    assert!(there.spare_containers() <= stock);
    let stray = here.offer(0, A, B, Token { id: 1, len: 1 });
    assert!(stray.is_ok());
    here.end_of_turn(0);
    let container = next(&mut here, 0, B).unwrap();
    let (_, reason) = here.accept(0, container).unwrap_err();
    assert_eq!(reason, Reason::PortGone, "never on to a third");
}

#[test]
fn superframes_are_cut_for_links_that_would_take_long_over_them() {
    let mut engine = empty();
    assert_eq!(engine.piece_bytes(A), u32::MAX);
    for (port, mbit, expected) in [
        (0, None, u32::MAX),
        (1, Some(100), 4096),
        (2, Some(1000), 6250),
        (3, Some(10_000), 62_500),
    ] {
        let link_rate = mbit.map(|mbit: u64| Rate::new(mbit * 1_000_000));
        assert!(engine.add_port(0, PortId(port), &PortSettings { link_rate, ..vif() }));
        assert_eq!(engine.piece_bytes(PortId(port)), expected);
    }
    assert!(engine.set_port(0, PortId(3), &vif()));
    assert_eq!(engine.piece_bytes(PortId(3)), u32::MAX);
}

#[test]
fn another_scheduler_takes_over_what_waits() {
    let mut engine = engine(vif());
    for id in 0..100 {
        assert_eq!(offer(&mut engine, 0, B, id, 1000), None);
        engine.end_of_turn(0);
    }
    for &policy in Policy::ALL {
        engine.set_scheduler(0, SchedulerSettings { policy, ..SchedulerSettings::default() });
        assert_eq!(engine.scheduler_settings().policy, policy);
        assert_eq!((engine.held_packets(), engine.port_depth(B, A)), (100, (100_000, 100)));
    }
    assert_eq!(sent(&mut engine, 0, B).concat(), (0..100).collect::<Vec<_>>());
}

#[test]
fn nothing_is_allocated_for_containers_that_are_recycled() {
    let mut engine = engine(vif());
    let stock = engine.spare_containers();
    for id in 0..10_000 {
        assert_eq!(offer(&mut engine, id, B, id, 64), None);
        // Bursts of one packet each: the queue joins them, so few containers hold many packets.
        engine.end_of_turn(id);
        if engine.held_packets() == 5_000 {
            let in_use = stock - engine.spare_containers();
            assert!(in_use <= 5_000 / CONTAINER_PACKETS + 1, "{in_use}");
            for _ in 0..in_use {
                let Some(mut container) = next(&mut engine, id, B) else { break };
                while container.pop().is_some() {}
                engine.recycle(container);
            }
        }
    }
    assert_eq!(engine.held_packets(), 0);
    assert_eq!(engine.spare_containers(), stock);
    assert_eq!(engine.container_stats(A).released.get(ReleaseReason::Flush), 10_000);
}

#[test]
fn a_container_of_a_port_that_is_gone_is_handed_back() {
    let mut engine = engine(vif());
    assert_eq!(offer(&mut engine, 0, B, 1, 64), None);
    engine.end_of_turn(0);
    let container = next(&mut engine, 0, B).unwrap();
    let _ = engine.remove_port(A);
    let (container, reason) = engine.put_back(0, B, container).unwrap_err();
    assert_eq!((container.len(), reason), (1, Reason::PortGone));
    assert_eq!(engine.held_packets(), 0);
}
