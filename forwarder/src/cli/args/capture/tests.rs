use super::super::{Cli, Command};
use super::*;
use crate::observe::watch::{WatchQuery, query::Kind};
use clap::Parser as _;

/// What weir reads of the words.
fn wanted(line: &str) -> WatchQuery {
    let (kind, query) = match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Capture(args) => (Kind::Capture, args.query()),
        Command::Trace(args) => (Kind::Trace, args.query()),
        other => panic!("{other:?}"),
    };
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    WatchQuery::parse(kind, &pairs).unwrap()
}

#[test]
fn the_words_say_what_is_wanted() {
    assert_eq!(wanted("weir capture"), WatchQuery::new(Kind::Capture));
    assert_eq!(wanted("weir trace"), WatchQuery::new(Kind::Trace));
    let all = wanted(
        "weir capture v1 v2 --lost --host fd00::1 --port 53 --proto udp --vlan 0 --count 3 \
             --duration 10s --snaplen 96 --buffer 64KiB",
    );
    let expected = WatchQuery {
        ports: vec!["v1".into(), "v2".into()],
        direction: Direction::Lost,
        host: "fd00::1".parse().ok(),
        l4_port: Some(53),
        protocol: Some(Protocol::Udp),
        vlan: Some(0),
        snaplen: 96,
        count: Some(3),
        duration: Some(Duration::from_secs(10)),
        buffer: 65_536,
        ..WatchQuery::new(Kind::Capture)
    };
    assert_eq!(all, expected);
    let odd = wanted("weir trace odd&name -c 5");
    assert_eq!((odd.count, odd.ports), (Some(5), vec!["odd&name".to_owned()]));
}

#[test]
fn what_cannot_be_is_refused() {
    for line in [
        "weir capture --dir up",
        "weir capture --dir in --lost",
        "weir capture --port 0",
        "weir capture --snaplen 70000",
        "weir capture --duration 3",
        "weir capture --buffer 1KiB",
        "weir trace --count 0",
        "weir trace --vlan 4095",
        "weir trace a/b",
    ] {
        assert_eq!(Cli::try_parse_from(line.split(' ')).unwrap_err().exit_code(), 2, "{line}");
    }
}
