use super::*;
use weir_abi::table::Seen;
use weir_core::addresses::AddressTable;
use weir_core::{Mac, PortId};

const SEED: Seed = Seed { xor: 0x1234_5678_9abc, multiply: 0xdead_beef_cafe_f00d };

fn table() -> (AddressTable<AddressWords>, Cells, Cells) {
    let (addresses, seen) = (Cells::heap(WORDS), Cells::heap(SEEN_WORDS));
    addresses.get(77).unwrap().store(u64::MAX, Relaxed);
    let words = AddressWords::new(addresses.clone(), seen.clone(), SEED);
    (AddressTable::new(words), addresses, seen)
}

fn address(n: u8) -> Address {
    Address { mac: Mac::new([2, 0, 0, 0, 0, n]), vlan: 7 }
}

/// Searches as the gate does.
fn search(addresses: &Cells, address: Address) -> Option<(usize, Entry)> {
    let place = SEED.place(key(address.mac.to_u64(), address.vlan));
    let first = place.bucket as usize * WAYS;
    (first..first + WAYS)
        .map(|at| (at, Entry::of_word(addresses.get(at).unwrap().load(Relaxed))))
        .find(|(_, entry)| entry.is_of(place))
}

#[test]
fn the_gate_finds_what_was_learned() {
    let (mut table, addresses, _) = table();
    assert!(addresses.as_slice().iter().all(|cell| cell.load(Relaxed) == 0), "emptied");
    table.learn(1, address(1), Location::Port(PortId(3)));
    table.learn(1, address(2), Location::Elsewhere);
    table.learn(1, address(3), Location::Host);
    table.pin(1, address(4), PortId(4)).unwrap();
    let found = |n| search(&addresses, address(n)).map(|(_, e)| (e.port(), e.flags()));
    use entry_flags::{LOCAL, PINNED, VALID};
    assert_eq!(found(1), Some((3, VALID)));
    assert_eq!(found(2), Some((ELSEWHERE, VALID)));
    assert_eq!(found(3), Some((ELSEWHERE, VALID | LOCAL)));
    assert_eq!(found(4), Some((4, VALID | PINNED)));
    assert_eq!(found(5), None);
    table.forget(address(1));
    assert_eq!(found(1), None);
}

#[test]
fn times_stand_where_the_gate_writes_them() {
    let (mut table, addresses, seen) = table();
    table.learn(1, address(1), Location::Port(PortId(3)));
    let (at, _) = search(&addresses, address(1)).unwrap();
    // Converts the bucket's times from the gate's view, and back.
    let first = at / WAYS * WAYS / 2;
    let mut times: Seen = [11, 12, 13, 14, 15, 16, 17, 18];
    for (n, two) in times.chunks(2).enumerate() {
        let bytes: Vec<u8> = two.iter().flat_map(|time| time.to_ne_bytes()).collect();
        let word = u64::from_ne_bytes(bytes.try_into().unwrap());
        seen.get(first + n).unwrap().store(word, Relaxed);
    }
    assert_eq!(table.last_seen(address(1)), Some(u64::from(times[at % WAYS]) << SEEN_SHIFT));
    table.learn(2, address(1), Location::Port(PortId(4)));
    assert_eq!(table.last_seen(address(1)), Some(0), "it was not seen there");
    times[at % WAYS] = 0;
    let now: Vec<u32> = (first..first + WAYS / 2)
        .flat_map(|n| seen.get(n).unwrap().load(Relaxed).to_ne_bytes())
        .collect::<Vec<u8>>()
        .chunks(4)
        .map(|bytes| u32::from_ne_bytes(bytes.try_into().unwrap()))
        .collect();
    assert_eq!(now, times, "the others' times are as they were");
}
