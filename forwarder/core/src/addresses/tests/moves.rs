//! Tests of moves: a migration works at once, and a thief of an address gains nothing lasting.

use super::*;

/// Late enough that no earlier time is within a window.
const START: u64 = 1000 * SECOND;
const OWNER: u16 = 1;
const THIEF: u16 = 2;

fn owned() -> Table {
    let mut table = table(4);
    assert!(table.takes(SECOND, address(1), port(OWNER)));
    table
}

/// The bridge names these ports at these tenths of a second. Returns where the address is then.
fn named(table: &mut Table, words: &[(u64, u16)]) -> Option<Location> {
    for &(tenths, n) in words {
        table.learn(START + tenths * SECOND / 10, address(1), port(n));
        table.check();
    }
    table.view(address(1))
}

#[test]
fn a_move_and_one_back_are_taken_at_once() {
    let mut table = owned();
    assert!(table.takes(START, address(1), port(3)));
    assert_eq!(table.view(address(1)), Some(port(3)));
    assert!(table.takes(START + 1, address(1), port(OWNER)));
    assert_eq!(table.view(address(1)), Some(port(OWNER)));
    assert_eq!(
        (
            table.port(port(3)).moves,
            table.total(|port| port.moves),
            table.total(|port| port.damped)
        ),
        (1, 2, 0)
    );
}

#[test]
fn the_third_move_is_one_too_many() {
    let mut table = owned();
    assert_eq!(named(&mut table, &[(0, THIEF), (1, OWNER), (2, THIEF)]), Some(port(OWNER)));
    let words: Vec<_> = (3..95).map(|at| (at, if at % 2 == 0 { THIEF } else { OWNER })).collect();
    for word in words {
        assert_eq!(named(&mut table, &[word]), Some(port(OWNER)), "{word:?}");
    }
    let thief = table.port(port(THIEF));
    assert_eq!((thief.moves, thief.damped, thief.entries), (1, 47, 0));
    assert_eq!(table.port(port(OWNER)).damped, 0);
    assert!(table.iter().all(|entry| entry.damped));
}

#[test]
fn moves_that_are_further_apart_are_not_too_many() {
    let mut table = owned();
    let words: Vec<_> = (0..20).map(|n| (60 * n, if n % 2 == 0 { 3 } else { OWNER })).collect();
    for word in words {
        assert_eq!(named(&mut table, &[word]), Some(port(word.1)));
    }
    assert_eq!(table.total(|port| port.damped), 0);
}

#[test]
fn damping_ends_when_it_is_quiet_and_the_bridge_is_asked() {
    let mut table = owned();
    named(&mut table, &[(0, THIEF), (1, OWNER), (2, 3), (50, 3)]);
    assert_eq!(table.view(address(1)), Some(port(OWNER)));
    let quiet = START + 5 * SECOND + WINDOW_NS;
    assert_eq!(table.retried(quiet - 1), []);
    assert_eq!(table.retried(quiet), [address(1)]);
    assert_eq!(table.view(address(1)), Some(port(OWNER)));
    // The address did migrate, in the middle of the contested time.
    assert!(table.takes(quiet, address(1), port(3)));
    assert_eq!(table.view(address(1)), Some(port(3)));
    // Its moves are forgotten after it has stayed there.
    assert_eq!(table.retried(quiet + SETTLED_NS), []);
    assert!(table.calendar.is_empty());
    assert_eq!(table.iter().count(), 1);
}

/// The gate forwards the owner's frames past the bridge, so the bridge never learns that it is back.
#[test]
fn an_owner_whom_only_the_gate_sees_keeps_its_address() {
    let mut table = owned();
    named(&mut table, &[(0, THIEF), (1, OWNER), (2, THIEF)]);
    table.gate_sees(START + SECOND, address(1));
    assert_eq!(table.retried(START + 11 * SECOND), []);
    assert!(table.iter().all(|entry| !entry.damped && entry.location == port(OWNER)));
}

#[test]
fn a_thief_of_a_silent_address_has_no_right_to_it_when_the_owner_returns() {
    for accomplice in [THIEF, 3] {
        let mut table = owned();
        // The thief, or two of them, have the address for a minute; then the owner sends.
        named(&mut table, &[(0, THIEF), (300, accomplice)]);
        let words = [(600, OWNER), (601, THIEF), (602, OWNER), (603, THIEF), (604, accomplice)];
        assert_eq!(named(&mut table, &words), Some(port(OWNER)));
    }
}

#[test]
fn who_has_migrated_is_not_held_at_its_old_place() {
    let mut table = owned();
    // Twenty seconds after the migration another port claims the address.
    let words = [(0, 3), (200, THIEF), (201, 3), (202, THIEF), (203, 3), (204, THIEF)];
    assert_eq!(named(&mut table, &words), Some(port(3)));
    // If the claim comes at once, the old place keeps the address while it still counts as heard.
    let mut table = owned();
    assert_eq!(named(&mut table, &[(0, 3), (1, THIEF), (2, 3), (90, THIEF)]), Some(port(OWNER)));
    assert_eq!(named(&mut table, &[(95, 3), (101, THIEF)]), Some(port(3)));
    assert_eq!(named(&mut table, &[(150, THIEF), (190, 3), (199, THIEF)]), Some(port(3)));
}

/// By taking its link down, a thief makes the bridge forget the address.
#[test]
fn moves_are_counted_across_forgetting() {
    let mut table = owned();
    named(&mut table, &[(0, THIEF)]);
    table.forget(address(1));
    table.check();
    assert_eq!(table.view(address(1)), None);
    table.forget(address(1));
    assert_eq!(named(&mut table, &[(1, OWNER)]), Some(port(OWNER)));
    assert_eq!(named(&mut table, &[(2, THIEF)]), Some(port(OWNER)), "the third");
    // A claim by another port does not restore a place that the bridge has forgotten.
    table.forget(address(1));
    assert_eq!(named(&mut table, &[(3, THIEF)]), Some(port(THIEF)));
}

#[test]
fn forgotten_rows_are_dropped_when_settled() {
    let mut table = owned();
    named(&mut table, &[(0, THIEF)]);
    table.forget(address(1));
    assert_eq!(table.rows.iter().count(), 1);
    table.retried(START + SETTLED_NS);
    assert_eq!(table.rows.iter().count(), 0);
    table.check();
}

#[test]
fn many_claimants_do_not_push_out_the_owner_or_each_other() {
    let mut table = owned();
    for tenth in 0..90 {
        let n = if tenth % 9 == 1 { OWNER } else { 2 + (tenth % 6) as u16 };
        let stands = named(&mut table, &[(tenth, n)]);
        assert!(tenth < 2 || stands == Some(port(OWNER)), "{tenth}: {stands:?}");
    }
    // The owner is silent: the claimant with the oldest right among those heard gets the address, and keeps
    // it.
    let after: Vec<_> =
        (110..200).map(|at| named(&mut table, &[(at, 2 + (at % 6) as u16)])).collect();
    assert!(after[80..].iter().all(|at| *at == after[80] && *at != Some(port(OWNER))), "{after:?}");
}

#[test]
fn an_owner_is_remembered_however_many_claim_its_address_meanwhile() {
    let mut table = owned();
    let thieves: Vec<_> = (0..120).map(|tenth| (tenth, 2 + (tenth % 3) as u16)).collect();
    assert_ne!(named(&mut table, &thieves), Some(port(OWNER)), "silent for twelve seconds");
    assert_ne!(named(&mut table, &[(121, 5), (122, 6)]), Some(port(OWNER)));
    assert_eq!(named(&mut table, &[(123, OWNER), (124, 2), (125, 5)]), Some(port(OWNER)));
}

#[test]
fn a_port_that_is_gone_has_no_claims() {
    let mut table = owned();
    named(&mut table, &[(0, 3), (1, OWNER), (2, 3)]);
    table.remove_port(PortId(OWNER));
    table.check();
    assert_eq!(table.view(address(1)), None);
    assert_eq!(named(&mut table, &[(3, 3)]), Some(port(3)), "no other claimant is left");
    // The next port that gets the slot has no claims either.
    let mut table = owned();
    named(&mut table, &[(0, 3)]);
    table.remove_port(PortId(OWNER));
    assert_eq!(table.view(address(1)), Some(port(3)));
    assert_eq!(named(&mut table, &[(1, OWNER), (2, 3), (3, OWNER)]), Some(port(3)));
}

#[test]
fn the_host_has_what_it_says_it_has() {
    let mut table = owned();
    for _ in 0..4 {
        table.learn(START, address(1), Location::Host);
        assert_eq!(table.view(address(1)), Some(Location::Host));
        table.learn(START, address(1), port(OWNER));
        assert_eq!(table.view(address(1)), Some(port(OWNER)));
    }
    table.check();
    assert_eq!(table.total(|port| port.damped), 0);
}
