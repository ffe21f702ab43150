use super::*;
use crate::SHARED_RING;

#[test]
fn every_owner_is_another() {
    let ports = [PortId(0), PortId(1), PortId(255), SHARED_RING];
    let with = |port| [Owner::fill(port), Owner::rx(port), Owner::tx(port)];
    let mut owners: Vec<Owner> = ports.into_iter().flat_map(with).collect();
    owners.extend([Owner::FREE, Owner::HELD, Owner::AWAY]);
    let mut census = Census::default();
    for (at, owner) in owners.iter().enumerate() {
        assert!(!owners[..at].contains(owner), "{owner:?}");
        census.add(*owner);
    }
    let expected = Census { total: 15, free: 2, fill: 4, rx: 4, held: 1, tx: 4 };
    assert_eq!(census, expected);
}

#[test]
fn an_entry_survives_the_table() {
    let table = Table::new(2);
    for (next, len) in [(0, 0), (NONE, 3840), (7, u16::MAX)] {
        let slot = Slot { next, len, owner: Owner::tx(PortId(255)) };
        table.set(1, slot);
        assert_eq!((table.get(1), table.look_up(1), table.look_up(2)), (slot, Some(slot), None));
        assert_eq!(table.get(0), Slot::single(0, Owner::FREE));
    }
}
