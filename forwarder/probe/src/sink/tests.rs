use super::super::wire::{DATA_LEN, Session};
use super::*;

const DATA: Header = Header {
    kind: Kind::Data,
    flow: 3,
    session: Session(4),
    number: 5,
    monotonic_ns: 6,
    realtime_ns: 7,
};

#[test]
fn a_reply_is_its_question_with_the_reflectors_times() {
    let mut datagram = [9; 100];
    DATA.write(&mut datagram);
    let turned = Turned { received_ns: 10, sent_ns: 11, number: 12 };
    assert!(reply(&mut datagram, &DATA, turned));
    assert_eq!(Header::read(&datagram), Some(Header { kind: Kind::Reply, ..DATA }));
    assert_eq!(Turned::read(&datagram), turned);
    assert_eq!(datagram[FULL_LEN..], [9; 36]);
}

#[test]
fn what_is_too_short_gets_none() {
    let mut datagram = [0; FULL_LEN - 1];
    DATA.write(&mut datagram[..DATA_LEN]);
    assert!(!reply(&mut datagram, &DATA, Turned::default()));
    assert_eq!(Header::read(&datagram), Some(DATA));
}
