use super::*;

fn owners() -> Vec<Owner> {
    let ports = [PortId(0), PortId(1), PortId(255)];
    let with = |port| [Owner::Fill(port), Owner::Rx(port), Owner::Tx(port)];
    let mut owners: Vec<Owner> = ports.into_iter().flat_map(with).collect();
    owners.extend([Owner::Free, Owner::Held, Owner::Away]);
    owners
}

#[test]
fn owners_survive_packing() {
    for owner in owners() {
        assert_eq!(Owner::unpack(owner.pack()), owner);
    }
}

#[test]
fn the_parts_of_an_entry_do_not_disturb_each_other() {
    for owner in owners() {
        for (next, len) in [(0, 0), (NONE, 3840), (7, u16::MAX)] {
            let slot = Slot::new(next, len, owner);
            assert_eq!((slot.next(), slot.len(), slot.owner()), (next, len, owner));
            let other = Slot::new(1, 2, Owner::Held);
            let other = other.with_len(len).with_next(next).with_owner(owner);
            assert_eq!(other, slot);
            assert!(slot.is(owner));
        }
    }
}
