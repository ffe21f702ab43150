//! The probe over loopback: no root, exact counts.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use weir_probe::report::{SendReport, SinkReport};
use weir_probe::send::{Order, send};
use weir_probe::sink::{Options, Sink};

static NEVER: AtomicBool = AtomicBool::new(false);
/// A sender that is not told to end by itself is a bug that a test should not wait for.
const PATIENCE: Duration = Duration::from_secs(60);

fn both(
    ip: &str,
    options: Options,
    order: impl Fn(SocketAddr) -> Order,
) -> (SendReport, SinkReport) {
    let bind: IpAddr = ip.parse().unwrap();
    let sink =
        Sink::open(Options { bind: Some(bind), duration: Some(PATIENCE), ..options }).unwrap();
    let to = sink.address();
    std::thread::scope(|scope| {
        let sinking = scope.spawn(|| sink.run(&NEVER, &AtomicU64::new(0), |_| {}).unwrap());
        let sent = send(&order(to), &NEVER).unwrap();
        (sent, sinking.join().unwrap())
    })
}

/// Many a second, so that a slow machine is late: the schedule must be kept to the last one.
fn brisk(to: SocketAddr) -> Order {
    Order {
        rate: "5kpps".parse().unwrap(),
        count: Some(1000),
        settle: Duration::from_millis(20),
        ..Order::to(to)
    }
}

#[test]
fn every_datagram_is_sent_and_counted_once() {
    for ip in ["127.0.0.1", "::1"] {
        let (sent, sunk) = both(ip, Options::default(), brisk);
        assert_eq!((sent.datagrams, sent.bytes, sent.overdue), (1000, 64_000, 0), "{ip}");
        let all = sent.acknowledged.expect("the sink answers");
        assert_eq!((all.flows, all.sent, all.received, all.lost), (1, 1000, 1000, 0), "{ip}");
        assert!(sent.round_trips.is_none(), "{ip}");
        assert_eq!(sent.lateness.summary().count, 1000);
        let [session] = sunk.sessions.as_slice() else { panic!("{sunk:?}") };
        assert!(session.ended && session.same_host, "{session:?}");
        assert_eq!((session.unique, session.lost, session.duplicates), (1000, 0, 0));
        assert_eq!((session.reordered, session.late, session.bytes), (0, 0, 64_000));
        assert_eq!((sunk.foreign, sunk.unkept, sunk.socket_dropped), (0, 0, 0));
        assert_eq!(session.latency.summary().count, 1000);
        assert_eq!(session.interarrival.summary().count, 999);
        assert_eq!(session.session, sent.session);
    }
}

#[test]
fn flows_bursts_and_sizes_add_up() {
    let (sent, sunk) = both("127.0.0.1", Options::default(), |to| Order {
        flows: 7,
        burst: 10,
        batch: 4,
        sizes: "40,64,1400".parse().unwrap(),
        ..brisk(to)
    });
    // 334 of the first size, 333 of each other.
    let bytes = 334 * 40 + 333 * 64 + 333 * 1400;
    assert_eq!((sent.datagrams, sent.bytes), (1000, bytes));
    assert_eq!(sent.frame_bytes, bytes + 1000 * 42);
    let session = &sunk.sessions[0];
    assert_eq!((session.unique, session.lost, session.bytes), (1000, 0, bytes));
    let each: Vec<u64> = session.flows.iter().map(|flow| flow.unique).collect();
    assert_eq!(each, [143, 143, 143, 143, 143, 143, 142]);
    assert!(session.flows.iter().all(|flow| flow.ended && flow.sent == flow.unique));
}

#[test]
fn a_rate_and_a_time_give_a_count() {
    let (sent, sunk) = both("::1", Options::default(), |to| Order {
        rate: "2kpps".parse().unwrap(),
        count: None,
        duration: Some(Duration::from_millis(250)),
        ..brisk(to)
    });
    assert_eq!(sent.datagrams + sent.overdue, 500);
    assert_eq!(sunk.sessions[0].unique, sent.datagrams);
}

#[test]
fn as_fast_as_possible_loses_nothing_that_was_not_told() {
    let (sent, sunk) = both("127.0.0.1", Options::default(), |to| Order {
        rate: "max".parse().unwrap(),
        count: Some(5000),
        ..brisk(to)
    });
    let session = &sunk.sessions[0];
    assert_eq!(session.sent, sent.datagrams);
    assert_eq!(session.unique + session.lost, sent.datagrams);
    // The only place on loopback where something can be lost.
    assert_eq!(session.lost, sunk.socket_dropped);
}

#[test]
fn each_answer_is_a_round_trip() {
    for ip in ["127.0.0.1", "::1"] {
        let reflect = Options { reflect: true, ..Options::default() };
        let (sent, sunk) = both(ip, reflect, |to| Order { flows: 3, ..brisk(to) });
        let trips = sent.round_trips.as_ref().expect("there were answers");
        assert_eq!((trips.replies, trips.unique, trips.duplicates), (1000, 1000, 0), "{ip}");
        assert_eq!(trips.lost_on_the_way_back, Some(0));
        assert_eq!(trips.rtt.summary().count, 1000);
        // One clock: both ways are known, and no way is longer than the whole.
        let longest = |spread: &Option<weir_probe::timing::Spread>| {
            spread.as_ref().expect("one clock").summary().max_ns
        };
        let rtt = trips.rtt.summary();
        assert!(longest(&trips.there).max(longest(&trips.back)) <= rtt.max_ns + rtt.max_ns / 500);
        let all = sent.acknowledged.expect("the reflector answers");
        assert_eq!((all.received, all.lost, all.replied), (1000, 0, 1000));
        assert_eq!((sunk.kind, sunk.unanswered), ("reflect", 0));
        assert_eq!(sunk.sessions[0].replied, 1000);
    }
}

#[test]
fn what_is_too_short_for_an_answer_gets_none() {
    let reflect = Options { reflect: true, ..Options::default() };
    let (sent, sunk) = both("127.0.0.1", reflect, |to| Order {
        sizes: "40,64".parse().unwrap(),
        count: Some(100),
        ..brisk(to)
    });
    assert_eq!(sent.round_trips.expect("half of them are answered").unique, 50);
    assert_eq!((sunk.unanswered, sunk.sessions[0].unique), (50, 100));
}

#[test]
fn the_kernels_stamps_tell_waking_apart() {
    let options = Options { kernel_stamps: true, ..Options::default() };
    let (_, sunk) = both("127.0.0.1", options, brisk);
    let session = &sunk.sessions[0];
    assert_eq!(session.waking.as_ref().map(|waking| waking.summary().count), Some(1000));
    assert_eq!(session.latency.summary().count, 1000);
}

#[test]
fn nobody_there_is_told_and_ends() {
    // A port that a socket gets only by asking for it: one that was free a moment ago may have been
    // given to the sink of another test.
    let to = SocketAddr::from(([127, 0, 0, 1], 1));
    let sent = send(&Order { count: Some(10), ..brisk(to) }, &NEVER).unwrap();
    // Each datagram leaves all the same: what the socket heard is not taken for a refusal.
    assert_eq!((sent.datagrams, sent.refused.len()), (10, 0));
    assert!(sent.unreachable > 0 && sent.acknowledged.is_none());
}

#[test]
fn a_sink_ends_when_it_has_enough_or_is_told() {
    let sink = Sink::open(Options { count: Some(100), ..Options::default() }).unwrap();
    let to = SocketAddr::new("127.0.0.1".parse().unwrap(), sink.address().port());
    let report = std::thread::scope(|scope| {
        let sinking = scope.spawn(|| sink.run(&NEVER, &AtomicU64::new(0), |_| {}).unwrap());
        send(&Order { count: Some(150), ..brisk(to) }, &NEVER).unwrap();
        sinking.join().unwrap()
    });
    assert_eq!((report.sessions[0].datagrams, report.sessions[0].ended), (100, false));

    let sink = Sink::open(Options::default()).unwrap();
    let to = SocketAddr::new("127.0.0.1".parse().unwrap(), sink.address().port());
    let (stop, heard) = (AtomicBool::new(false), AtomicU64::new(0));
    let report = std::thread::scope(|scope| {
        let sinking = scope.spawn(|| sink.run(&stop, &heard, |_| {}).unwrap());
        let sending = scope.spawn(|| send(&Order { count: None, ..brisk(to) }, &stop).unwrap());
        let start = Instant::now();
        while heard.load(Ordering::Relaxed) < 50 {
            assert!(start.elapsed() < PATIENCE, "nothing comes");
            std::thread::sleep(Duration::from_millis(1));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(sending.join().unwrap().datagrams >= 50);
        sinking.join().unwrap()
    });
    assert!(report.sessions[0].unique >= 50);
}

#[test]
fn a_sink_that_stays_reports_on_each_sender() {
    let options = Options { keep: true, ..Options::default() };
    let sink = Sink::open(options).unwrap();
    let to = SocketAddr::new("127.0.0.1".parse().unwrap(), sink.address().port());
    let stop = AtomicBool::new(false);
    let (reports, last) = std::thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let (sink, stopped) = (&sink, &stop);
        let sinking = scope.spawn(move || {
            sink.run(stopped, &AtomicU64::new(0), |report| tell.send(report).unwrap()).unwrap()
        });
        let mut reports = Vec::new();
        for count in [10, 20] {
            send(&Order { count: Some(count), ..brisk(to) }, &NEVER).unwrap();
            reports.push(told.recv_timeout(PATIENCE).unwrap());
        }
        stop.store(true, Ordering::Relaxed);
        (reports, sinking.join().unwrap())
    });
    let counts: Vec<u64> = reports.iter().map(|report| report.sessions[0].unique).collect();
    assert_eq!((counts, last.sessions.len()), (vec![10, 20], 0));
}

#[test]
fn others_datagrams_are_foreign() {
    let sink = Sink::open(Options::default()).unwrap();
    let to = SocketAddr::new("127.0.0.1".parse().unwrap(), sink.address().port());
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for junk in [&b""[..], b"weir", &[0; 64], &[0xff; 1400]] {
        stranger.send_to(junk, to).unwrap();
    }
    let report = std::thread::scope(|scope| {
        let sinking = scope.spawn(|| sink.run(&NEVER, &AtomicU64::new(0), |_| {}).unwrap());
        send(&Order { count: Some(5), ..brisk(to) }, &NEVER).unwrap();
        sinking.join().unwrap()
    });
    assert_eq!((report.foreign, report.sessions[0].unique), (4, 5));
}
