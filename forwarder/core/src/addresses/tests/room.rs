//! Tests of room: quotas, full buckets, locks.

use super::*;

/// Addresses that share the first bucket of a table of two.
fn neighbours(table: &Table) -> impl Iterator<Item = Address> + use<> {
    let bucket = table.words.bucket(address(0));
    let own = Memory { words: vec![0; table.words.words.len()], seen_ns: Vec::new() };
    (0..).map(address).filter(move |address| own.bucket(*address) == bucket)
}

#[test]
fn a_flood_of_addresses_harms_its_own_port_only() {
    let mut table = table(BUCKETS);
    let others: Vec<_> = (0..8u32)
        .flat_map(|n| (0..200).map(move |m| (address(n << 16 | m), port(n as u16))))
        .chain((0..5000).map(|m| (address(9 << 16 | m), Location::Elsewhere)))
        .collect();
    others.iter().for_each(|&(address, at)| assert!(table.takes(1, address, at)));
    let flood = port(50);
    (0..20_000).for_each(|m| {
        table.learn(2, address(20 << 16 | m), flood);
    });
    for (address, at) in others {
        assert_eq!(table.view(address), Some(at));
    }
    let flooder = table.port(flood);
    assert!(flooder.entries <= VIF_QUOTA && flooder.entries > VIF_QUOTA - 8, "{flooder:?}");
    assert_eq!(flooder.refused, 20_000 - u64::from(flooder.entries));
    assert_eq!(table.total(|port| port.evicted), 0);
    assert_eq!(table.waiting(), REFUSED_PER_PORT);
    // Another port's address is still learned.
    assert!(table.takes(3, address(30 << 16), port(9)));
}

#[test]
fn what_was_refused_is_asked_for_when_there_is_room() {
    let mut table = table(BUCKETS);
    table.set_quota(port(1), 2);
    for n in 1..=2 {
        assert!(table.takes(SECOND, address(n), port(1)));
    }
    assert!(!table.takes(SECOND, address(3), port(1)));
    assert_eq!((table.view(address(3)), table.waiting()), (None, 1));
    assert_eq!(table.port(port(1)).refused, 1);
    assert_eq!(table.retried(SECOND + RETRY_NS), [], "no room yet");
    table.forget(address(1));
    assert_eq!(table.retried(SECOND + 2 * RETRY_NS), [address(3)]);
    assert!(table.takes(SECOND + 2 * RETRY_NS, address(3), port(1)));
    assert!(table.waiting() == 0 && table.calendar.is_empty());
    assert_eq!(table.port(port(1)).refused, 1);
    // An address that the bridge forgets is not looked up again.
    table.learn(SECOND, address(4), port(1));
    table.forget(address(4));
    assert_eq!(table.waiting(), 0);
}

#[test]
fn a_move_to_a_port_that_has_its_quota_leaves_the_address_to_the_bridge() {
    let mut table = table(BUCKETS);
    table.set_quota(port(2), 0);
    table.learn(SECOND, address(1), port(1));
    assert!(!table.takes(2 * SECOND, address(1), port(2)));
    assert_eq!(table.view(address(1)), None);
    table.check();
    assert!(table.takes(3 * SECOND, address(1), port(1)));
    assert_eq!(table.view(address(1)), Some(port(1)));
}

#[test]
fn the_fullest_port_makes_room_with_what_was_seen_least() {
    let mut table = table(2);
    let mut free = neighbours(&table);
    let full: Vec<_> = free.by_ref().take(7).collect();
    full.iter().for_each(|&address| assert!(table.takes(1, address, port(1))));
    let small = free.next().unwrap();
    table.learn(1, small, port(2));
    for (n, &address) in full.iter().enumerate() {
        table.gate_sees(if n == 3 { 5 } else { 10 + n as u64 }, address);
    }
    let new = free.next().unwrap();
    assert!(table.takes(2, new, port(3)));
    assert_eq!(
        (table.view(full[3]), table.view(new), table.view(small)),
        (None, Some(port(3)), Some(port(2)))
    );
    assert_eq!(table.port(port(1)).evicted, 1);
    table.check();
    // The fullest port gets no further entry, and the address that it lost is looked up again later.
    assert!(!table.takes(3, full[3], port(1)));
    assert_eq!(table.retried(3 + RETRY_NS), [full[3]]);
    // A quota is a weight: six addresses are a small part of a large quota.
    table.set_quota(port(1), 1_000_000);
    let before = table.port(port(1)).evicted;
    assert!(!table.takes(4, free.next().unwrap(), port(2)));
    assert_eq!(table.port(port(1)).evicted, before);
}

#[test]
fn locks_and_the_host_take_room_and_never_lose_it() {
    let mut table = table(2);
    let mut free = neighbours(&table);
    let ordinary: Vec<_> = free.by_ref().take(8).collect();
    ordinary.iter().for_each(|&address| assert!(table.takes(1, address, port(1))));
    let locked: Vec<_> = free.by_ref().take(4).collect();
    locked.iter().for_each(|&address| table.pin(1, address, PortId(2)).unwrap());
    let host: Vec<_> = free.by_ref().take(4).collect();
    host.iter().for_each(|&address| assert!(table.takes(1, address, Location::Host)));
    assert_eq!(table.port(port(1)).evicted, 8);
    table.check();
    let late = free.next().unwrap();
    assert!(!table.takes(1, late, Location::Host));
    assert_eq!(table.pin(1, late, PortId(3)), Err(PinError::NoRoom));
    assert!(!table.takes(1, late, port(1)), "it holds without a place");
    assert_eq!(table.port(port(1)).against_lock, 1);
    for address in free.take(100) {
        assert!(!table.takes(2, address, port(4)));
    }
    assert!(locked.iter().all(|&address| table.view(address) == Some(port(2))));
    assert!(host.iter().all(|&address| table.view(address) == Some(Location::Host)));
}

#[test]
fn nobody_is_believed_against_a_lock() {
    let mut table = table(BUCKETS);
    table.learn(1, address(1), port(2));
    table.pin(1, address(1), PortId(1)).unwrap();
    assert_eq!(table.view(address(1)), Some(port(1)), "at once");
    for at in [port(2), Location::Elsewhere] {
        assert!(!table.takes(2, address(1), at));
        assert_eq!(table.view(address(1)), Some(port(1)));
        assert_eq!(table.port(at).against_lock, 1);
    }
    assert_eq!(table.pin(2, address(1), PortId(3)), Err(PinError::OtherPort(PortId(1))));
    table.forget(address(1));
    assert_eq!(table.view(address(1)), Some(port(1)), "a silent owner keeps it");
    table.clear();
    assert_eq!(table.view(address(1)), Some(port(1)));
    // The host's own address stays the host's, whatever a lock says, as long as the bridge says so.
    assert!(table.takes(3, address(1), Location::Host));
    table.forget(address(1));
    assert_eq!(table.view(address(1)), Some(port(1)));
    table.check();
}

#[test]
fn what_is_no_station_is_not_learned() {
    let mut table = table(BUCKETS);
    let group = Address { mac: Mac::new([1, 0, 0x5e, 0, 0, 1]), vlan: 0 };
    let impossible = Address { mac: Mac::new([2, 0, 0, 0, 0, 1]), vlan: 4096 };
    for address in [group, impossible, Address { mac: Mac::ZERO, vlan: 0 }] {
        assert!(!table.takes(1, address, port(1)));
        assert_eq!(table.pin(1, address, PortId(1)), Err(PinError::NotAStation));
    }
    assert_eq!(table.iter().count(), 0);
}

#[test]
fn locks_are_bounded() {
    let mut table = table(BUCKETS);
    assert!((0..MAX_PINS as u32).all(|n| table.pin(1, address(n), PortId(1)).is_ok()));
    assert_eq!(table.pin(1, address(1 << 20), PortId(1)), Err(PinError::TooMany));
    assert!(table.pin(1, address(5), PortId(1)).is_ok(), "again");
    assert_eq!(table.port(port(1)).entries, MAX_PINS as u32);
    table.remove_port(PortId(1));
    assert_eq!(table.iter().count(), 0);
    table.check();
}
