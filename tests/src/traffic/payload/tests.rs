use super::*;

#[test]
fn a_stamp_survives_the_way() {
    let stamp = Stamp { flow: 7, seq: 1_000_000, sent_ns: 123_456_789_012 };
    let mut payload = [0xff; 22];
    stamp.write(&mut payload);
    assert_eq!(Stamp::read(&payload), Some(stamp));
    assert_eq!(Stamp::read(&payload[..15]), None);
    assert_eq!(Stamp::read(&[0; 22]), None);
}

#[test]
fn counts_each_number_once() {
    let mut seen = Seen::default();
    for seq in [0, 1, 3, 2, 3, 100] {
        seen.take(seq);
    }
    assert_eq!((seen.unique, seen.duplicates, seen.reordered), (5, 1, 1));
}
