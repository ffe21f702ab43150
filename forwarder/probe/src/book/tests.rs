use super::super::wire::Kind;
use super::*;

fn header(session: u64, flow: u16, number: u64) -> Header {
    let session = Session(session);
    Header {
        kind: Kind::Data,
        flow,
        session,
        number,
        monotonic_ns: 1_000 * number,
        realtime_ns: 1_000_000 + 1_000 * number,
    }
}

fn from() -> SocketAddr {
    "127.0.0.1:7".parse().unwrap()
}

fn at(monotonic_ns: u64) -> Letter {
    let realtime_ns = 1_000_000 + monotonic_ns;
    Letter { from: from(), len: 100, monotonic_ns, realtime_ns, kernel_ns: None }
}

#[test]
fn tail_losses_show_once_the_sender_has_told_its_totals() {
    let mut book = Book::new(0);
    for number in [0, 1, 3] {
        book.take(&at(1_000 * number + 500), &header(1, 0, number));
    }
    assert_eq!(book.sessions()[0].lost, 1);
    assert!(!book.all_ended());
    let totals = Totals { flows: 1, datagrams: 6 };
    let acknowledged = book.end(from(), &header(1, 0, 6), totals);
    assert_eq!(acknowledged, Some((3, Came::default())));
    let report = &book.sessions()[0];
    assert_eq!((report.sent, report.unique, report.lost, report.bytes), (6, 3, 3, 300));
    assert!(report.ended && book.all_ended());
    assert_eq!(report.latency.summary().count, 3);
    assert_eq!(report.latency.summary().max_ns, 500);
    assert_eq!(report.jitter_max_ns, 0);
}

#[test]
fn a_flow_of_which_nothing_came_is_lost_all_the_same() {
    let mut book = Book::new(0);
    book.take(&at(0), &header(1, 0, 0));
    book.end(from(), &header(1, 0, 1), Totals { flows: 2, datagrams: 5 });
    assert!(!book.all_ended());
    let report = &book.sessions()[0];
    assert_eq!((report.sent, report.unique, report.lost), (5, 1, 4));
    book.end(from(), &header(1, 1, 4), Totals { flows: 2, datagrams: 5 });
    assert!(book.all_ended());
    assert_eq!(book.sessions()[0].lost, 4);
}

#[test]
fn which_clock_measures_the_way() {
    let host = Session::new(7, 0).0;
    for (host_here, kernel_ns, latency, waking) in [
        // Our own machine: monotonic. Another: realtime. The kernel's stamp: realtime.
        (7, None, 300, 0),
        (8, None, 1_300, 0),
        (7, Some(1_000_200), 200, 1_100),
    ] {
        let mut book = Book::new(host_here);
        let letter = Letter { realtime_ns: 1_001_300, kernel_ns, ..at(300) };
        book.take(&letter, &header(host, 0, 0));
        let report = &book.sessions()[0];
        assert_eq!(report.latency.summary().max_ns, latency, "{kernel_ns:?}");
        let seen = report.waking.as_ref().map_or(0, |waking| waking.summary().max_ns);
        // Exact to three digits.
        assert!(seen.abs_diff(waking) <= 1, "{seen}");
    }
}

#[test]
fn no_sender_can_make_it_grow_without_end() {
    let mut book = Book::new(0);
    for session in 0..100 {
        book.take(&at(0), &header(session, 0, 0));
    }
    assert_eq!((book.sessions().len(), book.unkept), (MOST_SESSIONS, 36));
    for session in 0..2 {
        for flow in 0..u16::MAX {
            book.take(&at(0), &header(session, flow, 1));
        }
    }
    assert_eq!(book.flows, MOST_FLOWS);
    assert!(book.unkept > 36);
}
