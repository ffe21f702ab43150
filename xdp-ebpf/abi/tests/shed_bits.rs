//! The bits of the map `SHED`.

use std::collections::BTreeSet;

use weir_abi::{MAX_PORTS, shed};

#[test]
fn every_pair_has_a_bit_of_its_own() {
    let slots = 0..MAX_PORTS as u16;
    let mut taken = BTreeSet::new();
    for ingress in slots.clone() {
        for egress in slots.clone() {
            let (word, mask) = shed::cell(ingress, egress).unwrap();
            assert!(word < shed::WORDS && mask.is_power_of_two(), "{ingress} {egress}");
            assert!(taken.insert((word, mask)), "{ingress} {egress} share a bit");
        }
    }
    assert_eq!(taken.len(), shed::WORDS * 64, "no bit is left over");
}

#[test]
fn a_pair_stands_in_the_row_of_its_ingress() {
    for (egress, word, mask) in
        [(0, 0, 1), (63, 0, 1 << 63), (64, 1, 1), (255, 3, 1 << 63), (1023, 15, 1 << 63)]
    {
        assert_eq!(shed::bit(egress), (word, mask), "{egress}");
        for ingress in [0, 7, 255, 1023] {
            let at = usize::from(ingress) * shed::ROW_WORDS + word;
            assert_eq!(shed::cell(ingress, egress), Some((at, mask)));
        }
    }
}

#[test]
fn a_slot_that_cannot_be_has_no_bit() {
    for slot in [1024, 1025, 0x8000, u16::MAX] {
        let (word, mask) = shed::bit(slot);
        assert!(word < shed::ROW_WORDS && mask == 0, "{slot}");
        assert_eq!(shed::cell(slot, 0), None);
        assert_eq!(shed::cell(0, slot), None);
    }
}
