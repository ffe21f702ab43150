use super::*;

const HEADER: Header = Header {
    kind: Kind::Data,
    flow: 513,
    session: Session(0x0102_0304_0506_0708),
    number: 9,
    monotonic_ns: 10,
    realtime_ns: u64::MAX - 1,
};

#[test]
fn a_header_survives_the_way() {
    let turned = Turned { received_ns: 1, sent_ns: 2, number: 3 };
    let totals = Totals { flows: 4, datagrams: 5 };
    let came = Came { duplicates: 6, reordered: 7, replied: 8 };
    for kind in [Kind::Data, Kind::Reply(turned), Kind::End(totals), Kind::Ack(came)] {
        let (header, mut datagram) = (Header { kind, ..HEADER }, [0xff; 100]);
        assert!(header.write(&mut datagram));
        assert_eq!(Header::read(&datagram), Some(header));
        let short = &mut [0xff; FULL_LEN - 1];
        assert_eq!(header.write(short), kind == Kind::Data);
        assert_eq!(short[0] == 0xff, kind != Kind::Data);
    }
    assert_eq!(HEADER.session.host(), 0x0102_0304);
    assert_eq!(Session::new(0x0102_0304, 0x0506_0708), HEADER.session);
}

#[test]
fn the_layout_is_the_documented_one() {
    let mut datagram = [0; FULL_LEN];
    let kind = Kind::Reply(Turned { received_ns: 1, sent_ns: 2, number: 3 });
    Header { kind, ..HEADER }.write(&mut datagram);
    assert_eq!(datagram[..8], *b"weir\x01\x02\x02\x01");
    HEADER.write(&mut datagram);
    assert_eq!(datagram[..8], *b"weir\x01\x01\x02\x01");
    assert_eq!(datagram[8..16], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!((datagram[23], datagram[31], datagram[47], datagram[63]), (9, 10, 1, 3));
}

#[test]
fn a_reply_is_its_question_with_the_reflectors_times() {
    let mut datagram = [9; 100];
    HEADER.write(&mut datagram);
    let kind = Kind::Reply(Turned { received_ns: 10, sent_ns: 11, number: 12 });
    assert!(Header { kind, ..HEADER }.write(&mut datagram));
    assert_eq!(Header::read(&datagram), Some(Header { kind, ..HEADER }));
    assert_eq!(datagram[FULL_LEN..], [9; 36]);
}

#[test]
fn what_is_too_short_gets_none() {
    let mut datagram = [0; FULL_LEN - 1];
    HEADER.write(&mut datagram);
    let kind = Kind::Reply(Turned::default());
    assert!(!Header { kind, ..HEADER }.write(&mut datagram));
    assert_eq!(Header::read(&datagram), Some(HEADER));
}

#[test]
fn others_datagrams_are_not_ours() {
    let mut good = [0; FULL_LEN];
    HEADER.write(&mut good);
    for (at, byte) in [(0, b'W'), (4, 2), (5, 0), (5, 5), (16, 0x80)] {
        let mut bad = good;
        bad[at] = byte;
        assert_eq!(Header::read(&bad), None, "{at}");
    }
    assert_eq!(Header::read(&good[..DATA_LEN]), Some(HEADER));
    assert_eq!(Header::read(&good[..DATA_LEN - 1]), None);
    Header { kind: Kind::End(Totals::default()), ..HEADER }.write(&mut good);
    assert_eq!(Header::read(&good[..FULL_LEN - 1]), None);
    assert!(!HEADER.write(&mut [0; DATA_LEN - 1]));
}

#[test]
fn a_stamp_fits_the_smallest_frame_and_is_told_from_others() {
    let stamp = Stamp { flow: 3, number: 0x0102_0304, sent_ns: u64::MAX - 1 };
    let mut datagram = [0; 22];
    assert!(stamp.write(&mut datagram));
    assert_eq!(Stamp::read(&datagram), Some(stamp));
    assert_eq!(Stamp::read(&datagram[..STAMP_LEN - 1]), None);
    datagram[0] ^= 1;
    assert_eq!(Stamp::read(&datagram), None);
    assert!(!stamp.write(&mut datagram[..STAMP_LEN - 1]));
    let header = stamp.header(7);
    assert_eq!((header.session.host(), header.flow, header.number), (7, 3, 0x0102_0304));
}
