use super::*;
use proptest::prelude::*;

/// The number whose product with `odd` is 1, modulo 2^60.
fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    for _ in 0..6 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
    }
    x & KEY_MASK
}

/// Undoes `x ^= x >> by` for `by` of at least half the bits.
fn unshift(x: u64, by: u32) -> u64 {
    x ^ x >> by
}

fn key_at(seed: &Seed, place: Place) -> u64 {
    let x = u64::from(place.bucket) << (KEY_BITS - BUCKET_BITS) | place.tag;
    let x = unshift(x, 30);
    let x = x.wrapping_mul(inverse(0x9e37_79b9_7f4a_7c15)) & KEY_MASK;
    let x = unshift(x, 31);
    let x = x.wrapping_mul(inverse(seed.multiply | 1)) & KEY_MASK;
    (x ^ seed.xor) & KEY_MASK
}

proptest! {
    #[test]
    fn every_address_has_a_place_of_its_own(mac in 0u64..1 << 48, vlan in 0u16..4096, xor: u64, multiply: u64) {
        let seed = Seed { xor, multiply };
        let place = seed.place(key(mac, vlan));
        prop_assert!(place.bucket < BUCKETS);
        prop_assert_eq!(key_at(&seed, place), key(mac, vlan));
    }

    #[test]
    fn a_word_keeps_what_it_was_made_of(mac in 0u64..1 << 48, port in 0u16..4096, flags in 0u8..64) {
        let seed = Seed { xor: 7, multiply: 9 };
        let place = seed.place(key(mac, 1));
        let entry = Entry::of_word(Entry::new(place, port, flags).word());
        prop_assert!(entry.is_of(place) && !entry.is_empty());
        prop_assert_eq!((entry.port(), entry.flags()), (port, flags | entry_flags::VALID));
        let other = seed.place(key(mac ^ 1, 1));
        prop_assert!(other.bucket != place.bucket || !entry.is_of(other));
    }
}

#[test]
fn an_empty_word_is_of_no_address() {
    let seed = Seed::default();
    // The key whose tag is 0, which an empty word would match if only tags were compared.
    let place = seed.place(0);
    assert_eq!(place.tag, 0);
    assert!(!Entry::EMPTY.is_of(place));
}

#[test]
fn addresses_that_count_up_are_spread() {
    let seed = Seed { xor: 0x1234_5678_9abc, multiply: 0xdead_beef_cafe_f00d };
    let mut most = [0u8; BUCKETS as usize];
    for n in 0..65_536u64 {
        most[seed.place(key(0x0200_0000_0000 + n, 0)).bucket as usize] += 1;
    }
    // Four to a bucket on the average; more than twenty would be a pattern.
    assert!(most.iter().all(|n| *n <= 20), "{:?}", most.iter().max());
}
