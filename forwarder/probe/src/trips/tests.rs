use super::super::wire::{Kind, Session};
use super::*;

fn header(flow: u16, number: u64) -> Header {
    let monotonic_ns = 10_000 * number;
    let session = Session(1);
    Header { kind: Kind::Data, flow, session, number, monotonic_ns, realtime_ns: 0 }
}

#[test]
fn the_time_in_the_reflector_is_not_the_ways() {
    let mut trips = Trips::new(1);
    let turned = Turned { received_ns: 300, sent_ns: 800, number: 0 };
    trips.reply(&header(0, 0), turned, 1_000);
    let (_, report) = trips.report(&[1]);
    let report = report.unwrap();
    let max = |spread: &Spread| spread.summary().max_ns;
    assert_eq!(max(&report.rtt), 500);
    assert_eq!(report.there.as_ref().map(max), Some(300));
    assert_eq!(report.back.as_ref().map(max), Some(200));
}

#[test]
fn another_machines_clock_gives_no_one_way_times() {
    let mut trips = Trips::new(1);
    let turned = Turned { received_ns: 77_000_000, sent_ns: 77_000_500, number: 0 };
    trips.reply(&header(0, 0), turned, 1_000);
    let report = trips.report(&[1]).1.unwrap();
    assert_eq!(report.rtt.summary().max_ns, 500);
    assert!(report.there.is_none() && report.back.is_none());
}

#[test]
fn losses_are_told_apart_by_direction() {
    let mut trips = Trips::new(2);
    assert_eq!(trips.report(&[0, 0]).0, None);
    for number in [0, 1, 3, 3] {
        trips.reply(&header(1, number), Turned::default(), 100_000);
    }
    assert_eq!(trips.open().collect::<Vec<_>>(), [0, 1]);
    trips.acknowledged(&header(0, 9), Came { replied: 9, ..Came::default() });
    trips.acknowledged(&header(1, 6), Came { replied: 6, ..Came::default() });
    assert_eq!(trips.open().count(), 0);
    let (there, back) = trips.report(&[10, 10]);
    let (there, back) = (there.unwrap(), back.unwrap());
    assert_eq!((there.sent, there.received, there.lost, there.replied), (20, 15, 5, 15));
    assert_eq!((back.replies, back.unique, back.duplicates), (4, 3, 1));
    assert_eq!(back.lost_on_the_way_back, Some(12));
}
