//! Who is where: addresses that are known, unknown, moved, the host's, or elsewhere; and ports that
//! may not be decided for.

use super::*;

use weir_abi::table::ELSEWHERE;

/// Learning on and off, and locked: what each says of a source.
fn learning(world: &World, flags: u32) -> World {
    let mut copy = World { workers: world.workers.clone(), ..World::default() };
    copy.ports = world.ports.clone();
    copy.addresses = world.addresses.clone();
    set(&mut copy, IN, flags);
    copy
}

#[test]
fn a_source_must_be_known_behind_its_port_where_the_bridge_listens() {
    let known = world();
    let mut unknown = world();
    unknown.addresses.remove(&(SRC, 0));
    let mut moved = world();
    moved.addresses.insert((SRC, 0), (OUT, 0));
    let mut elsewhere = world();
    elsewhere.addresses.insert((SRC, 0), (ELSEWHERE, 0));
    let mut hosts = world();
    hosts.addresses.insert((SRC, 0), (IN, entry_flags::LOCAL));
    let mut pinned = world();
    pinned.addresses.insert((SRC, 0), (IN, entry_flags::PINNED));

    let (yes, no) = (Counter::Steered, Counter::PassedUnknown);
    let cases = [
        // Learning; off; locked; off and locked.
        ("known", &known, [yes, yes, yes, yes]),
        ("pinned", &pinned, [yes, yes, yes, yes]),
        ("unknown", &unknown, [no, yes, no, no]),
        ("moved", &moved, [no, no, no, no]),
        ("elsewhere", &elsewhere, [no, no, no, no]),
        ("the host's", &hosts, [no, no, no, no]),
    ];
    let ways = [0, g::NO_LEARNING, g::LOCKED, g::NO_LEARNING | g::LOCKED];
    for (name, world, expected) in cases {
        for (flags, expected) in ways.into_iter().zip(expected) {
            let decision = decided(&learning(world, flags), &udp());
            assert_eq!(decision.outcome, expected, "{name}, flags {flags:x}");
        }
    }
}

/// A bridge drops what comes from no station, also where it does not learn.
#[test]
fn a_source_that_is_no_stations_is_the_bridges_to_refuse() {
    let world = learning(&world(), g::NO_LEARNING);
    steered(&world, &from([2, 9, 9, 9, 9, 9], udp()), None);
    for src in [[0; 6], [0xff; 6], [1, 0, 0x5e, 0, 0, 1], [3, 0, 0, 0, 0, 5]] {
        outcome(&world, &from(src, udp()), Counter::PassedUnknown);
    }
}

#[test]
fn a_source_is_marked_as_seen_in_its_vlan() {
    let world = vlan_world();
    for (shot, vlan) in [(udp(), 100), (tagged(0x8100, 0xe000 | 200), 200)] {
        steered(&world, &shot, shot.beside);
        assert_eq!(*world.asked.seen.borrow(), [World::place_of(SRC, vlan)]);
    }
}

#[test]
fn frames_for_the_host_are_its_own() {
    let mut world = world();
    local(&mut world, DST, 0);
    world.addresses.remove(&(SRC, 0));
    outcome(&world, &udp(), Counter::PassedHost);
    let mut world = vlan_world();
    local(&mut world, DST, 100);
    outcome(&world, &udp(), Counter::PassedHost);
    steered(&world, &tagged(0x8100, 200), Some(Tag { proto: 0x8100, tci: 200 }));
}

#[test]
fn frames_for_nobody_known_are_flooded_within_the_limit() {
    let mut world = world();
    world.addresses.remove(&(DST, 0));
    outcome(&world, &udp(), Counter::PassedUnknown);
    assert_eq!(world.asked.storms.get(), 1);
    world.storm = true;
    outcome(&world, &udp(), Counter::Storm);
    // An unknown source alone is no flood.
    world.addresses.insert((DST, 0), (OUT, 0));
    world.addresses.remove(&(SRC, 0));
    outcome(&world, &udp(), Counter::PassedUnknown);
    assert_eq!(world.asked.storms.get(), 0);
    // Known in another VLAN is not known.
    let mut world = vlan_world();
    world.addresses.remove(&(DST, 100));
    outcome(&world, &udp(), Counter::PassedUnknown);
}

#[test]
fn what_does_not_leave_by_another_port_of_weirs_is_the_bridges() {
    for port in [IN, ELSEWHERE, OUT + 1, 900] {
        let mut world = world();
        world.addresses.insert((DST, 0), (port, 0));
        outcome(&world, &udp(), Counter::PassedBridge);
    }
}

#[test]
fn both_sides_must_be_understood_and_of_one_kind() {
    for side in [IN, OUT] {
        let mut world = world();
        clear(&mut world, side, g::OFFLOAD);
        outcome(&world, &udp(), Counter::PassedBridge);

        let mut world = vlan_world();
        clear(&mut world, side, g::VLAN_AWARE);
        // Whatever is known of the stations in either's VLANs.
        for (mac, port) in [(SRC, IN), (DST, OUT)] {
            world.addresses.insert((mac, 0), (port, 0));
        }
        outcome(&world, &udp(), Counter::PassedBridge);
    }
}

#[test]
fn two_isolated_ports_do_not_talk_but_one_may() {
    for side in [IN, OUT] {
        let mut world = world();
        set(&mut world, side, g::ISOLATED);
        steered(&world, &udp(), None);
    }
    let mut world = world();
    set(&mut world, IN, g::ISOLATED);
    set(&mut world, OUT, g::ISOLATED);
    outcome(&world, &udp(), Counter::PassedBridge);
}
