//! Tags: which VLAN a frame is in, and with which tag it leaves.

use super::*;

use weir_abi::{classify, meta_flags as f};
use world::with_tag;

const Q200: Tag = Tag { proto: Tag::DOT1Q, tci: 200 };

#[test]
fn untagged_frames_are_in_the_ports_own_vlan() {
    let mut world = vlan_world();
    steered(&world, &udp(), None);
    world.vlans.insert((OUT, 100), false);
    steered(&world, &udp(), Some(Tag { proto: Tag::DOT1Q, tci: 100 }));
    world.vlans.remove(&(OUT, 100));
    outcome(&world, &udp(), Counter::PassedBridge);
    let mut world = vlan_world();
    world.vlans.remove(&(IN, 100));
    outcome(&world, &udp(), Counter::PassedBridge);
    let mut world = vlan_world();
    world.ports.get_mut(&IN).unwrap().pvid = 0;
    outcome(&world, &udp(), Counter::PassedBridge);
}

#[test]
fn tagged_frames_keep_their_priority_or_lose_the_tag() {
    let mut world = vlan_world();
    steered(&world, &tagged(0x8100, 200), Some(Q200));
    // Priority 7, drop eligible.
    let tag = Tag { proto: Tag::DOT1Q, tci: 0xf000 | 200 };
    steered(&world, &tagged(0x8100, tag.tci), Some(tag));
    world.vlans.insert((OUT, 200), true);
    steered(&world, &tagged(0x8100, tag.tci), None);
    // What is untagged where it leaves may come tagged.
    steered(&world, &tagged(0x8100, 100), None);
}

#[test]
fn who_is_not_in_a_vlan_neither_sends_nor_hears_there() {
    for (side, vlan) in [(IN, 200), (OUT, 200)] {
        let mut world = vlan_world();
        world.vlans.remove(&(side, vlan));
        outcome(&world, &tagged(0x8100, vlan), Counter::PassedBridge);
        // Neighbours in the same word, and the same bit in others.
        world.vlans.extend([((side, 199), false), ((side, 201), true), ((side, 264), false)]);
        world.vlans.extend([((side, 136), false), ((side, 8), true)]);
        outcome(&world, &tagged(0x8100, vlan), Counter::PassedBridge);
        // That it would leave untagged does not make it a member.
        steered(&vlan_world(), &tagged(0x8100, vlan), Some(Q200));
    }
}

#[test]
fn every_vlan_has_a_bit_of_its_own() {
    for vlan in 1..4095 {
        let mut world = vlan_world();
        for (slot, mac) in [(IN, SRC), (OUT, DST)] {
            world.vlans.insert((slot, vlan), vlan % 3 == 0);
            world.addresses.insert((mac, vlan), (slot, 0));
        }
        let tag = Tag { proto: Tag::DOT1Q, tci: vlan };
        steered(&world, &tagged(0x8100, vlan), if vlan % 3 == 0 { None } else { Some(tag) });
        if ![99, 199].contains(&vlan) {
            outcome(&world, &tagged(0x8100, vlan + 1), Counter::PassedBridge);
        }
    }
}

#[test]
fn tags_that_the_bridge_takes_otherwise_are_its_own() {
    let world = vlan_world();
    for tci in [0, 0xe000] {
        outcome(&world, &tagged(0x8100, tci), Counter::PassedBridge);
    }
    outcome(&world, &tagged(0x88a8, 200), Counter::PassedBridge);
}

/// The bridge floods them within the port's own VLAN, so the port's limit holds.
#[test]
fn tags_that_the_bridge_takes_otherwise_do_not_evade_the_limit() {
    let mut world = vlan_world();
    world.storm = true;
    for (proto, tci) in [(0x8100, 0), (0x8100, 0xe000), (0x88a8, 200)] {
        outcome(&world, &tagged(proto, tci), Counter::PassedBridge);
        outcome(&world, &to([2, 0xbb, 0, 0, 0, 9], tagged(proto, tci)), Counter::Storm);
    }
}

#[test]
fn a_bridge_that_does_not_filter_keeps_every_tag() {
    let world = world();
    for (proto, tci) in [(0x8100, 200), (0x8100, 0), (0x8100, 0xe005), (0x88a8, 200)] {
        steered(&world, &tagged(proto, tci), Some(Tag { proto, tci }));
    }
    steered(&world, &udp(), None);
}

/// Whatever became of the outer tag, the verdict is the parser's of the bytes that leave.
#[test]
fn the_verdict_is_that_of_the_frame_as_it_leaves() {
    let mut compared = 0;
    for (name, frame) in frames::all() {
        let Ok(inner) = classify(&frame[..]) else { continue };
        if frame.len() < 14 || frame[0] & 1 != 0 {
            continue;
        }
        for (tag, untagged) in
            [(None, true), (None, false), (Some(Q200), false), (Some(Q200), true)]
        {
            let mut world = vlan_world();
            world.vlans.extend([((OUT, 100), untagged), ((OUT, 200), untagged)]);
            let shot = Shot { beside: tag, ..Shot::of(&frame) };
            let decision = decided(&world, &shot);
            let leaves = with_tag(&frame, decision.tag);
            if inner.is(f::TAGGED2) && !untagged {
                // A third tag: the parser does not look behind it.
                assert_eq!(decision.outcome, Counter::PassedBridge, "{name}");
                continue;
            }
            assert_eq!(decision.outcome, Counter::Steered, "{name} {tag:?}");
            assert_eq!(Ok(decision.verdict), classify(&leaves[..]), "{name} {tag:?} {untagged}");
            assert_eq!(decision.places, 1);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

/// In the driver the tag is among the bytes: it is taken away there, or kept.
#[test]
fn a_tag_among_the_bytes_is_kept_or_taken_away() {
    let mut compared = 0;
    for (name, frame) in frames::all() {
        let Ok(v) = classify(&frame[..]) else { continue };
        if frame[0] & 1 != 0 {
            continue;
        }
        for (filters, untagged) in [(false, false), (true, false), (true, true)] {
            let mut world = if filters { vlan_world() } else { world() };
            for vlan in [100, 200] {
                world.vlans.insert((OUT, vlan), untagged);
            }
            let shot = Shot { native: true, ..Shot::of(&frame) };
            let decision = decided(&world, &shot);
            if decision.outcome != Counter::Steered {
                let odd = v.is(f::TAGGED) && (v.vlan == 0 || frame[12] == 0x88);
                let deep = v.is(f::TAGGED2 | f::OTHER);
                assert!(filters && (odd || deep), "{name}: {decision:?}");
                continue;
            }
            let bytes =
                if v.is(f::TAGGED) { [&frame[..12], &frame[16..]].concat() } else { frame.clone() };
            let leaves = with_tag(&bytes, decision.tag);
            assert_eq!(
                filters && untagged && v.is(f::TAGGED),
                v.is(f::TAGGED) && decision.tag.is_none()
            );
            assert_eq!(Ok(decision.verdict), classify(&leaves[..]), "{name} {filters} {untagged}");
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
    // QinQ with an outer 802.1Q tag: the inner one is the outer one then.
    let mut both = corpus("qinq-ipv4-tcp-full");
    both[12..16].copy_from_slice(&[0x81, 0, 0, 200]);
    let mut world = vlan_world();
    world.vlans.insert((OUT, 200), true);
    let decision = steered(&world, &Shot { native: true, ..Shot::of(&both) }, None);
    let leaves = [&both[..12], &both[16..]].concat();
    assert_eq!(Ok(decision.verdict), classify(&leaves[..]));
    assert_eq!((decision.verdict.vlan, decision.verdict.is(f::TAGGED2)), (100, false));
}
