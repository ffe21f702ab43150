//! Every output as it is printed.

use super::*;
use weir_probe::book::Book;
use weir_probe::report::{Acknowledged, RoundTrips, VERSION};
use weir_probe::socket::Letter;
use weir_probe::timing::Spread;
use weir_probe::wire::{Header, Kind, Session, Totals};

fn spread() -> Spread {
    let mut spread = Spread::default();
    for ns in [1, 50_000, 68_000_000_000] {
        spread.record(ns);
    }
    spread
}

fn sent() -> SendReport {
    SendReport {
        version: VERSION,
        kind: "send",
        target: "[2001:db8:1111:2222:3333:4444:5555:6666]:65535".to_owned(),
        session: Session(1).to_string(),
        flows: 10_000,
        rate: "1.5Mpps".to_owned(),
        size: "64..1400".to_owned(),
        burst: 1,
        elapsed_ns: 3_600_000_000_000,
        datagrams: 5_400_000_000,
        bytes: 345_600_000_000,
        frame_bytes: 500_000_000_000,
        refused: [("ENOBUFS".to_owned(), 1_000)].into(),
        overdue: 7,
        unreachable: 1,
        lateness: spread(),
        acknowledged: Some(Acknowledged {
            flows: 10_000,
            sent: 5_400_000_000,
            received: 5_399_999_000,
            lost: 1_000,
            duplicates: 1,
            reordered: 2,
            replied: 5_399_999_000,
        }),
        round_trips: Some(RoundTrips {
            replies: 5_399_998_000,
            unique: 5_399_998_000,
            duplicates: 0,
            reordered: 3,
            late: 0,
            lost_on_the_way_back: Some(1_000),
            rtt: spread(),
            jitter_mean_ns: 5_000,
            jitter_max_ns: 1_000_000,
            there: Some(spread()),
            back: None,
        }),
    }
}

fn sunk() -> SinkReport {
    let mut book = Book::new(0);
    let from = "[::ffff:10.0.0.1]:4242".parse().unwrap();
    let header = |number| Header {
        kind: Kind::Data,
        flow: 0,
        session: Session(1 << 32),
        number,
        monotonic_ns: 0,
        realtime_ns: 1_000,
    };
    let at_ns = 2_000;
    let letter =
        Letter { from, len: 64, monotonic_ns: at_ns, realtime_ns: at_ns, kernel_ns: Some(900) };
    for number in [0, 2, 1, 2] {
        book.take(&letter, &header(number));
    }
    book.end(from, &header(5), Totals { flows: 1, datagrams: 5 });
    SinkReport {
        version: VERSION,
        kind: "reflect",
        listening: "[::]:9000".to_owned(),
        timestamps: "kernel",
        elapsed_ns: 1,
        foreign: 1_000_000,
        unkept: 1,
        socket_dropped: 1,
        unanswered: 1,
        sessions: book.sessions(),
    }
}

#[test]
fn every_picture_fits_80_columns() {
    for text in [
        send(&sent()),
        send(&SendReport { acknowledged: None, round_trips: None, ..sent() }),
        sink(&sunk(), true),
        floor(&FloorReport { version: VERSION, kind: "floor", send: sent(), sink: sunk() }),
        raw(&RawReport {
            version: VERSION,
            kind: "raw-send",
            interface: "fifteen-letters".to_owned(),
            way: "af-xdp",
            instead_because: Some("the kernel refused XDP live frames: why ".repeat(4)),
            frames: 100_000_000_000,
            frame_size: 60,
            elapsed_ns: 1_000_000,
        }),
    ] {
        for line in text.lines() {
            assert!(line.chars().count() <= super::super::WIDTH, "{line}\n{text}");
        }
    }
}

#[test]
fn what_went_wrong_is_said() {
    let text = sink(&sunk(), false);
    for said in [
        "From 10.0.0.1:4242",
        "  lost                       2  40.0000 %",
        "  reordered                  1  by up to 1",
        "One way is the difference of two machines' clocks",
        "3 came before they were sent, by the clocks",
        "dropped here",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    let text = send(&SendReport { acknowledged: None, round_trips: None, ..sent() });
    assert!(text.contains("What came is not known"), "{text}");
    assert!(text.contains("not sent: ENOBUFS 1,000"), "{text}");
}
