//! What is dropped at the gate: frames of who may not send them.

use weir_abi::{ethernet, parse};

use super::*;

const BROADCAST: [u8; 6] = [0xff; 6];

fn v4(address: [u8; 4]) -> [u8; 16] {
    let mut mapped = [0; 16];
    mapped[10..12].fill(0xff);
    mapped[12..].copy_from_slice(&address);
    mapped
}

fn v6() -> [u8; 16] {
    let mut address = [0; 16];
    address[..4].copy_from_slice(&[0xfd, 0, 0, 1]);
    address[15] = 5;
    address
}

/// A frame for a station, for a group and for the host, with its outcome without a lock: a lock comes first
/// for every destination.
fn whoever_for(world: &mut World, shot: &Shot) -> [(Shot, Counter); 3] {
    let host = [2, 0xaa, 0, 0, 0, 1];
    local(world, host, 0);
    [
        (shot.clone(), Counter::Steered),
        (to(BROADCAST, shot.clone()), Counter::PassedGroup),
        (to(host, shot.clone()), Counter::PassedHost),
    ]
}

#[test]
fn a_mac_lock_holds_for_every_frame() {
    let mut world = world();
    set(&mut world, IN, g::MAC_LOCK);
    let cases = whoever_for(&mut world, &udp());
    for (shot, _) in &cases {
        outcome(&world, shot, Counter::Spoofed);
    }
    // Another port's address is none of this one's.
    world.macs.insert((OUT, SRC));
    outcome(&world, &cases[0].0, Counter::Spoofed);
    world.macs.insert((IN, SRC));
    for (shot, allowed) in &cases {
        outcome(&world, shot, *allowed);
    }
    let reserved = to([1, 0x80, 0xc2, 0, 0, 0xe], from([2, 0, 0, 0, 0, 6], udp()));
    outcome(&world, &reserved, Counter::Spoofed);
}

#[test]
fn an_ip_lock_holds_for_every_frame_that_names_a_sender() {
    let names = [
        "ipv4-udp-full-0065",
        "ipv4-udp-partial-0065",
        "ipv4-options-max-udp-full",
        "ipv4-fragment-first",
        "ipv4-fragment-later",
        "ipv4-icmp",
        "ipv4-gre",
        "ipv6-tcp-full-0100",
        "ipv6-fragment-first",
        "ipv6-fragment-later",
        "ipv6-extensions-8",
        "ipv6-extensions-9",
        "ipv6-routing-auth-udp",
        "ipv6-icmp",
        "arp-request",
        "vlan-ipv4-udp-full",
        "qinq-ipv6-udp-full",
    ];
    for name in names {
        let mut world = world();
        set(&mut world, IN, g::IP_LOCK);
        let cases = whoever_for(&mut world, &Shot::of(&corpus(name)));
        for (shot, _) in &cases {
            outcome(&world, shot, Counter::Spoofed);
        }
        world.ips.extend([(OUT, v4([10, 0, 0, 5])), (OUT, v6()), (IN, v4([10, 0, 0, 13]))]);
        outcome(&world, &cases[0].0, Counter::Spoofed);
        world.ips.extend([(IN, v4([10, 0, 0, 5])), (IN, v6())]);
        for (shot, allowed) in &cases {
            outcome(&world, shot, *allowed);
        }
    }
}

#[test]
fn who_has_no_address_yet_may_ask_for_one() {
    let mut world = world();
    set(&mut world, IN, g::IP_LOCK);
    let mut probe = Shot::of(&corpus("arp-request"));
    probe.linear[28..32].fill(0);
    steered(&world, &probe, None);
    let mut solicit = Shot::of(&corpus("ipv6-icmp"));
    solicit.linear[22..38].fill(0);
    steered(&world, &solicit, None);
    solicit.linear[22..24].copy_from_slice(&[0xfe, 0xbf]);
    steered(&world, &solicit, None);
    solicit.linear[23] = 0xc0;
    outcome(&world, &solicit, Counter::Spoofed);
    // Nothing that names an IP address.
    steered(&world, &Shot::of(&corpus("other-bare")), None);
    let mut other = Shot::of(&corpus("arp-request"));
    other.linear[16..18].copy_from_slice(&[0x86, 0xdd]);
    steered(&world, &other, None);
    // DHCP: from 0.0.0.0 to 255.255.255.255 only.
    let mut discover = udp();
    discover.linear[26..30].fill(0);
    outcome(&world, &discover, Counter::Spoofed);
    discover.linear[30..34].fill(255);
    steered(&world, &discover, None);
}

/// Receivers on Ethernet take more than one hardware type, and no other lengths than these.
#[test]
fn an_arp_sender_counts_for_every_hardware_type() {
    for (at, byte) in [(15, 1), (15, 6), (14, 0x20), (18, 8), (19, 16)] {
        let mut world = world();
        world.ips.insert((IN, v4([10, 0, 0, 6])));
        set(&mut world, IN, g::IP_LOCK);
        let mut shot = Shot::of(&corpus("arp-request"));
        shot.linear[at] = byte;
        for (shot, _) in &whoever_for(&mut world, &shot) {
            outcome(&world, shot, Counter::Spoofed);
        }
    }
}

/// A receiver takes off any number of priority tags, and would find an address behind them.
#[test]
fn an_address_behind_more_tags_than_are_read_does_not_pass_a_lock() {
    for beside in [None, Some(Tag { proto: 0x8100, tci: 0 })] {
        let mut world = world();
        set(&mut world, IN, g::IP_LOCK);
        let shot = Shot { beside, ..Shot::of(&corpus("other-three-tags")) };
        for (shot, _) in &whoever_for(&mut world, &shot) {
            outcome(&world, shot, Counter::Malformed);
        }
    }
}

#[test]
fn what_cannot_be_read_is_left_to_the_bridge_unless_a_lock_wants_its_address() {
    for (name, frame) in frames::all() {
        if !name.starts_with("bad-") || frame.len() < 14 {
            continue;
        }
        let mut world = world();
        world.ips.extend([(IN, v4([10, 0, 0, 5])), (IN, v6())]);
        let cases = whoever_for(&mut world, &Shot::of(&frame));
        for (shot, unlocked) in &cases {
            let steered = *unlocked == Counter::Steered;
            outcome(&world, shot, if steered { Counter::PassedBridge } else { *unlocked });
        }
        set(&mut world, IN, g::IP_LOCK);
        for (shot, unlocked) in &cases {
            let steered = *unlocked == Counter::Steered;
            let open = if steered { Counter::PassedBridge } else { *unlocked };
            let readable = parse::source(shot, &ethernet(shot).unwrap());
            let expected = match readable {
                Err(_) => Counter::Malformed,
                Ok(Some(address)) if !world.ips.contains(&(IN, address)) => Counter::Spoofed,
                Ok(_) => open,
            };
            outcome(&world, shot, expected);
        }
    }
    for runt in ["bad-runt-0", "bad-runt-13"] {
        outcome(&world(), &Shot::of(&corpus(runt)), Counter::Malformed);
    }
}

/// The kernel may have left headers behind the linear part: no address may slip through unread.
#[test]
fn an_address_behind_the_linear_part_does_not_pass_a_lock() {
    for name in ["arp-request", "ipv4-udp-full-0065", "ipv6-udp-full-0065", "vlan-ipv4-udp-full"] {
        let frame = corpus(name);
        for linear in 14..frame.len() {
            let mut shot = Shot::of(&frame[..linear]);
            shot.behind = frame.len() - linear;
            let mut world = world();
            set(&mut world, IN, g::IP_LOCK);
            let decision = decided(&world, &shot);
            let dropped = matches!(decision.outcome, Counter::Spoofed | Counter::Malformed);
            assert!(dropped, "{name} {linear}: {decision:?}");
        }
    }
}

#[test]
fn group_frames_are_the_bridges_within_the_limit() {
    let mut world = world();
    for (dst, open) in
        [(BROADCAST, Counter::PassedGroup), ([1, 0, 0x5e, 0, 0, 1], Counter::PassedGroup)]
    {
        world.storm = false;
        outcome(&world, &to(dst, udp()), open);
        assert_eq!(world.asked.storms.get(), 1);
        world.storm = true;
        outcome(&world, &to(dst, udp()), Counter::Storm);
    }
    // A group is no station, whatever the table says.
    world.storm = false;
    world.addresses.insert((BROADCAST, 0), (OUT, 0));
    outcome(&world, &to(BROADCAST, udp()), Counter::PassedGroup);
}

#[test]
fn reserved_groups_take_a_port_that_may() {
    let mut world = world();
    world.storm = true;
    for last in 0..=0xf {
        outcome(&world, &to([1, 0x80, 0xc2, 0, 0, last], udp()), Counter::Reserved);
    }
    outcome(&world, &to([1, 0x80, 0xc2, 0, 0, 0x10], udp()), Counter::Storm);
    outcome(&world, &to([1, 0x80, 0xc2, 0, 1, 0], udp()), Counter::Storm);
    set(&mut world, IN, g::RESERVED_OK);
    outcome(&world, &to([1, 0x80, 0xc2, 0, 0, 0xe], udp()), Counter::PassedGroup);
    assert_eq!(world.asked.storms.get(), 0, "no flood: the bridge keeps it");
}

#[test]
fn a_limit_admits_its_burst_at_once_and_then_its_rate() {
    for (frame_ns, burst) in [(1_000, 1), (1_000, 4), (7, 100), (u32::MAX, u32::MAX)] {
        let storm = Storm { frame_ns, burst };
        let now = 5_000_000_000_000_000_u64;
        // After a pause of any length, and at the very beginning.
        for mut due in [0, now - 1, now] {
            let at_once = (0..200u32.min(burst))
                .take_while(|_| {
                    let (admitted, next) = storm.admit(due, now);
                    due = next;
                    admitted
                })
                .count();
            assert_eq!(at_once as u32, burst.min(200), "{storm:?}");
        }
    }
    let storm = Storm { frame_ns: 1_000, burst: 4 };
    let (mut due, mut admitted) = (0, 0);
    // Ten a microsecond for a millisecond: the burst, and one more each microsecond.
    for now in (1_000_000..2_000_000).step_by(100) {
        let (may, next) = storm.admit(due, now);
        assert!(may || next == due, "who is refused owes nothing");
        due = next;
        admitted += u32::from(may);
    }
    assert_eq!(admitted, 4 + 999);
    assert_eq!(Storm { frame_ns: 0, burst: 0 }.admit(7, 9), (true, 7), "no limit");
    let lone = Storm { frame_ns: 1_000, burst: 0 };
    assert_eq!(lone.admit(0, 5_000), (true, 6_000), "a limit lets something through");
    assert_eq!(lone.admit(6_000, 5_999), (false, 6_000));
    assert_eq!(lone.admit(6_000, 6_000), (true, 7_000));
}
