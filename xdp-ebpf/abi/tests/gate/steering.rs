//! The last questions: what is shed, superframes, length, the worker, and its room.

use super::*;

use weir_abi::gate::{BELIEVED_NS, is_outdated};
use weir_abi::gso::skb_gso as s;
use weir_abi::table;
use weir_abi::{FRAME_ROOM, MAX_FRAME_LEN, gso_kind as k, meta_flags as f};

/// The kernel's bits of what weir does not carry.
const UFO: u32 = 1 << 16;
const GRE: u32 = 1 << 6;
const UDP_TUNNEL: u32 = 1 << 10;
const FRAGLIST: u32 = 1 << 18;
const PARTIAL: u32 = 1 << 12;

fn superframe(name: &str, gso_type: u32) -> Shot {
    Shot { gso_size: 1000, gso_type, behind: 20_000, ..Shot::of(&corpus(name)) }
}

#[test]
fn shed_is_who_is_shed_for_that_egress() {
    let mut world = world();
    world.shed.insert((OUT, IN));
    world.shed.insert((IN, OUT + 1));
    steered(&world, &udp(), None);
    world.shed.insert((IN, OUT));
    outcome(&world, &udp(), Counter::Shed);
}

#[test]
fn superframes_that_can_be_cut_as_they_are_meant_are_steered() {
    let (tcp4, tcp6) = ("ipv4-tcp-partial-0100", "ipv6-tcp-partial-0100");
    let (udp4, udp6) = ("ipv4-udp-partial-0065", "ipv6-udp-partial-0065");
    let known = [
        (tcp4, s::TCPV4, k::TCP4),
        (tcp6, s::TCPV6, k::TCP6),
        (udp4, s::UDP_L4, k::UDP_L4),
        (udp6, s::UDP_L4, k::UDP_L4),
        ("vlan-ipv4-udp-partial", s::UDP_L4, k::UDP_L4),
        ("qinq-ipv4-tcp-partial", s::TCPV4, k::TCP4),
        ("ipv6-hop-dest-tcp-partial", s::TCPV6, k::TCP6),
    ];
    for (name, bits, kind) in known {
        for more in [0, s::DODGY, s::TCP_ECN, s::TCP_ACCECN, s::TCP_FIXEDID, s::TOLERATED] {
            let decision = steered(&world(), &superframe(name, bits | more), None);
            assert_eq!((decision.gso_size, decision.gso_kind), (1000, kind), "{name}");
            assert!(decision.verdict.is(f::GSO | f::CSUM_PARTIAL));
        }
        for odd in [UFO, GRE, UDP_TUNNEL, FRAGLIST, PARTIAL, 1 << 5, 1 << 14, 1 << 15, 1 << 29] {
            outcome(&world(), &superframe(name, bits | odd), Counter::PassedBridge);
            outcome(&world(), &superframe(name, odd), Counter::PassedBridge);
        }
        // Bits that contradict the headers, none, and two kinds at once.
        for (other, wrong, _) in known {
            let both = if wrong == bits { s::TCPV4 | s::TCPV6 | s::UDP_L4 } else { bits | wrong };
            outcome(&world(), &superframe(other, both), Counter::PassedBridge);
            if wrong != bits {
                outcome(&world(), &superframe(name, wrong), Counter::PassedBridge);
            }
        }
        outcome(&world(), &superframe(name, 0), Counter::PassedBridge);
    }
    // A checksum that is not partial, a fragment, no IP at all.
    outcome(&world(), &superframe("ipv4-tcp-full-0100", s::TCPV4), Counter::PassedBridge);
    outcome(&world(), &superframe("ipv4-udp-full-0065", s::UDP_L4), Counter::PassedBridge);
    outcome(&world(), &superframe("ipv4-fragment-first", s::UDP_L4), Counter::PassedBridge);
    outcome(&world(), &superframe("ipv4-gre", GRE), Counter::PassedBridge);
    outcome(&world(), &superframe("other-bare", s::TCPV4), Counter::PassedBridge);
}

#[test]
fn plain_frames_say_nothing_of_segments() {
    let decision = steered(&world(), &Shot::of(&corpus("ipv4-tcp-partial-0100")), None);
    assert_eq!((decision.gso_size, decision.gso_kind), (0, k::NONE));
    assert!(decision.verdict.looks_partial());
    assert!(decision.verdict.flags & (f::GSO | f::CSUM_PARTIAL | f::CSUM_COMPLETED) == 0);
}

fn of_len(len: u32) -> Shot {
    let frame = corpus("other-bare");
    Shot { behind: len as usize - frame.len(), ..Shot::of(&frame) }
}

#[test]
fn too_long_for_a_chain_of_frames_is_the_bridges() {
    // Four bytes less than a chain holds: a tag may come to them.
    for len in [MAX_FRAME_LEN - 4, 65_550, 9_000] {
        steered(&world(), &of_len(len), None);
    }
    for len in [MAX_FRAME_LEN - 3, MAX_FRAME_LEN, 200_000] {
        outcome(&world(), &of_len(len), Counter::PassedBridge);
    }
    // BIG TCP.
    let long = Shot { behind: 180_000, ..superframe("ipv4-tcp-length-0", s::TCPV4) };
    outcome(&world(), &long, Counter::PassedBridge);
}

#[test]
fn room_is_taken_for_the_frame_as_it_leaves() {
    let tag = Some(Tag { proto: Tag::DOT1Q, tci: 200 });
    for places in 1..=18 {
        let full = places * FRAME_ROOM;
        let beside = |len: u32| Shot { beside: tag, ..of_len(len) };
        if places < 18 {
            assert_eq!(steered(&world(), &of_len(full), None).places, places);
            assert_eq!(steered(&world(), &of_len(full + 1), None).places, places + 1);
        }
        assert_eq!(steered(&world(), &beside(full - 4), tag).places, places);
        if places < 18 {
            assert_eq!(steered(&world(), &beside(full - 3), tag).places, places + 1);
        }
        // Its tag is left behind.
        let mut world = vlan_world();
        world.vlans.insert((OUT, 200), true);
        if places < 18 {
            assert_eq!(steered(&world, &beside(full), None).places, places);
            let frame = world::with_tag(&corpus("other-bare"), tag);
            let mut shot = Shot { native: true, ..Shot::of(&frame) };
            shot.behind = full as usize + 4 - frame.len();
            assert_eq!(steered(&world, &shot, None).places, places);
        }
    }
}

#[test]
fn what_the_xdp_hook_would_let_slip_is_the_bridges() {
    outcome(&world(), &Shot { redirected: true, ..udp() }, Counter::PassedBridge);
}

#[test]
fn without_a_worker_the_ports_fallback_says_what_becomes_of_it() {
    let mut world = world();
    world.workers = [QUEUE + 1].into();
    outcome(&world, &udp(), Counter::PassedFallback);
    set(&mut world, OUT, g::FALLBACK_DROP);
    outcome(&world, &udp(), Counter::PassedFallback);
    assert!(world.decide(IN, &udp()).for_now, "the bridge has it");
    set(&mut world, IN, g::FALLBACK_DROP);
    outcome(&world, &udp(), Counter::DroppedFallback);
    assert!(!world.decide(IN, &udp()).for_now, "it was dropped");
    // What never was the worker's is not lost with it.
    outcome(&world, &to([0xff; 6], udp()), Counter::PassedGroup);
}

#[test]
fn a_worker_that_stands_still_is_none_whether_the_sources_or_the_links() {
    let mut world = world();
    world.still = [QUEUE + 2].into();
    steered(&world, &udp(), None);
    // That of the link.
    world.still = [QUEUE + 1].into();
    outcome(&world, &udp(), Counter::PassedFallback);
    world.still = [QUEUE].into();
    outcome(&world, &udp(), Counter::PassedFallback);
    set(&mut world, IN, g::FALLBACK_DROP);
    outcome(&world, &udp(), Counter::DroppedFallback);
}

#[test]
fn who_has_its_share_of_the_ring_gets_no_more() {
    let mut world = world();
    world.full = true;
    outcome(&world, &udp(), Counter::RxShare);
}

/// User space has not vouched for its tables for long: only locks and limits still hold.
#[test]
fn outdated_tables_are_not_believed() {
    let outdated = || World { outdated: true, ..world() };
    let fresh = world();
    steered(&fresh, &udp(), None);
    outcome(&outdated(), &udp(), Counter::PassedFallback);
    // Nor is a station taken for unknown: it may have come since.
    let mut storm = World { storm: true, ..outdated() };
    outcome(&storm, &to([2, 0, 0, 0, 0, 9], udp()), Counter::PassedFallback);
    assert_eq!(storm.asked.storms.get(), 0);
    // Locks and limits need no table.
    outcome(&storm, &to([0xff; 6], udp()), Counter::Storm);
    outcome(&outdated(), &to([1, 0x80, 0xc2, 0, 0, 3], udp()), Counter::Reserved);
    outcome(&outdated(), &to([0xff; 6], udp()), Counter::PassedGroup);
    set(&mut storm, IN, g::MAC_LOCK);
    outcome(&storm, &udp(), Counter::Spoofed);
    // The next of its flow may take another way: user space is back.
    assert!(outdated().decide(IN, &udp()).for_now);
}

#[test]
fn outdated_tables_keep_a_port_closed_that_drops_without_a_worker() {
    let mut world = World { outdated: true, ..world() };
    set(&mut world, IN, g::FALLBACK_DROP);
    outcome(&world, &udp(), Counter::DroppedFallback);
    // What never was a worker's is not lost with it.
    outcome(&world, &to([2, 0, 0, 0, 0, 9], udp()), Counter::PassedUnknown);
    world.addresses.insert((DST, 0), (table::ELSEWHERE, entry_flags::LOCAL));
    outcome(&world, &udp(), Counter::PassedHost);
}

#[test]
fn tables_are_believed_for_so_long() {
    assert!(is_outdated(0, 5, 100), "user space has never vouched for them");
    assert!(!is_outdated(7, 7, 0) && !is_outdated(7, 107, 100));
    assert!(is_outdated(7, 108, 100));
    assert!(!is_outdated(108, 7, 100), "the program's clock is a little behind");
    assert!(!is_outdated(1, BELIEVED_NS, BELIEVED_NS));
}
