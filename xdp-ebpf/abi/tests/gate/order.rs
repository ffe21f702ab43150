//! The order of the rules: where a frame breaks two of them, the earlier one says what becomes of it.

use weir_abi::Method;
use weir_abi::table::ELSEWHERE;

use super::*;

type Offence = (&'static str, fn(&mut World, &mut Shot), Counter);

/// Each alone has its outcome; the earlier, the stronger.
const OFFENCES: [Offence; 18] = [
    ("a MAC address not its own", |world, _| set(world, IN, g::MAC_LOCK), Counter::Spoofed),
    (
        "headers that a lock cannot read",
        |world, shot| {
            set(world, IN, g::IP_LOCK);
            shot.linear.truncate(30);
        },
        Counter::Malformed,
    ),
    (
        "an IP address not its own",
        |world, shot| {
            set(world, IN, g::IP_LOCK);
            shot.linear[14] = 0x45;
        },
        Counter::Spoofed,
    ),
    (
        "a reserved group",
        |_, shot| shot.linear[..6].copy_from_slice(&[1, 0x80, 0xc2, 0, 0, 2]),
        Counter::Reserved,
    ),
    ("for the host", |world, _| local(world, DST, 100), Counter::PassedHost),
    (
        "for an unknown address, beyond the limit",
        |world, _| {
            world.storm = true;
            world.addresses.remove(&(DST, 100));
        },
        Counter::Storm,
    ),
    (
        "a tag that the bridge takes otherwise",
        |_, shot| shot.beside = Some(Tag { proto: Tag::DOT1Q, tci: 0 }),
        Counter::PassedBridge,
    ),
    (
        "from an unknown address",
        |world, _| {
            world.addresses.remove(&(SRC, 100));
        },
        Counter::PassedUnknown,
    ),
    (
        "for elsewhere",
        |world, _| {
            world.addresses.insert((DST, 100), (ELSEWHERE, 0));
        },
        Counter::PassedBridge,
    ),
    (
        "from a port that is not understood",
        |world, _| clear(world, IN, g::OFFLOAD),
        Counter::PassedBridge,
    ),
    ("redirected before", |_, shot| shot.redirected = true, Counter::PassedBridge),
    (
        "in a VLAN that the egress is not in",
        |world, _| {
            world.vlans.remove(&(OUT, 100));
        },
        Counter::PassedBridge,
    ),
    (
        "express",
        |world, _| {
            set(world, IN, g::EXPRESS_FROM);
            world.ways.insert(OUT, (Method::Peer, DST, 1514));
        },
        Counter::Express,
    ),
    (
        "shed",
        |world, _| {
            world.shed.insert((IN, OUT));
        },
        Counter::Shed,
    ),
    ("headers that cannot be parsed", |_, shot| shot.linear[14] = 0x60, Counter::PassedBridge),
    (
        "a kind of superframe that cannot be sent on",
        |_, shot| shot.gso_size = 1000,
        Counter::PassedBridge,
    ),
    ("no worker", |world, _| world.workers.clear(), Counter::PassedFallback),
    ("no room", |world, _| world.full = true, Counter::RxShare),
];

#[test]
fn the_earlier_rule_wins() {
    steered(&vlan_world(), &udp(), None);
    for (at, (name, commit, expected)) in OFFENCES.iter().enumerate() {
        let (mut world, mut shot) = (vlan_world(), udp());
        commit(&mut world, &mut shot);
        assert_eq!(decided(&world, &shot).outcome, *expected, "{name}");
        for (second, also, _) in &OFFENCES[at + 1..] {
            let (mut world, mut shot) = (vlan_world(), udp());
            // The stronger one last: it may not be undone.
            also(&mut world, &mut shot);
            commit(&mut world, &mut shot);
            assert_eq!(decided(&world, &shot).outcome, *expected, "{name}, and {second}");
        }
    }
}

/// No limit is charged for a frame that a lock stops, and no station is seen by it.
#[test]
fn what_a_lock_stops_leaves_no_trace() {
    let mut world = world();
    set(&mut world, IN, g::MAC_LOCK);
    for shot in [udp(), to([0xff; 6], udp()), to([2, 7, 7, 7, 7, 7], udp())] {
        outcome(&world, &shot, Counter::Spoofed);
        assert!(world.asked.seen.borrow().is_empty() && world.asked.storms.get() == 0);
    }
}

/// The gate waits there for the last frames at a worker: in vain, where the next is the worker's too.
#[test]
fn a_closed_door_is_seen_before_what_is_under_way_is_asked_for() {
    let mut world = world();
    set(&mut world, IN, g::EXPRESS_FROM);
    world.ways.insert(OUT, (Method::Peer, DST, 1514));
    world.rated.insert(OUT, true);
    outcome(&world, &udp(), Counter::Express);
    assert!(world.asked.settled.get() == 1 && world.asked.closed.borrow().is_empty());
    world.early = true;
    outcome(&world, &udp(), Counter::Steered);
    world.rated.insert(OUT, false);
    outcome(&world, &udp(), Counter::Steered);
    assert_eq!(world.asked.settled.get(), 0);
    assert_eq!(*world.asked.closed.borrow(), [u32::from(OUT)]);
    world.rated.insert(OUT, true);
    (world.early, world.capped) = (false, [(IN, false)].into());
    outcome(&world, &udp(), Counter::Steered);
    assert_eq!(world.asked.settled.get(), 0);
}
