use super::*;

fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[test]
fn every_key_is_read() {
    let text = "port=v1&port=odd%26name&host=fd00%3A%3A1&portno=53&proto=udp&vlan=7&count=10&\
                duration=1500ms&buffer=64KiB";
    let trace = WatchQuery {
        ports: vec!["v1".into(), "odd&name".into()],
        host: "fd00::1".parse().ok(),
        l4_port: Some(53),
        protocol: Some(Protocol::Udp),
        vlan: Some(7),
        count: Some(10),
        duration: Some(Duration::from_millis(1500)),
        buffer: 65_536,
        ..WatchQuery::new(Kind::Trace)
    };
    assert_eq!(WatchQuery::parse(Kind::Trace, &pairs(text)).as_ref(), Ok(&trace));
    let capture =
        WatchQuery { kind: Kind::Capture, direction: Direction::Lost, snaplen: 96, ..trace };
    let text = format!("{text}&dir=lost&snaplen=96");
    assert_eq!(WatchQuery::parse(Kind::Capture, &pairs(&text)), Ok(capture));
    for kind in [Kind::Capture, Kind::Trace] {
        assert_eq!(WatchQuery::parse(kind, &[]), Ok(WatchQuery::new(kind)));
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let error = |kind, query| WatchQuery::parse(kind, &pairs(query)).unwrap_err();
    for (query, expected) in [
        ("dir=up", "dir: \"up\" is not valid; valid: in, out, lost, both"),
        ("host=me", "host: \"me\" is not valid; valid: an IPv4 or IPv6 address"),
        ("portno=0", "portno: \"0\" is not valid; valid: 1 to 65535"),
        ("proto=sctp", "proto: \"sctp\" is not valid; valid: tcp, udp, icmp, arp"),
        ("vlan=4095", "vlan: \"4095\" is not valid; valid: 1 to 4094, or 0 for untagged"),
        ("snaplen=70000", "snaplen: \"70000\" is not valid; valid: 1 to 65535"),
        ("count=0", "count: \"0\" is not valid; valid: 1 or more"),
        ("duration=3", "duration: \"3\" is not valid; valid: such as 10s, 500ms"),
        ("buffer=1KiB", "buffer: \"1KiB\" is not valid; valid: 4KiB to 256MiB"),
        (
            "hots=1",
            "there is no key \"hots\"; valid: port, host, portno, proto, vlan, count, \
                 duration, buffer, dir, snaplen",
        ),
    ] {
        assert_eq!(error(Kind::Capture, query), expected);
    }
    assert_eq!(
        error(Kind::Trace, "snaplen=96"),
        "there is no key \"snaplen\"; valid: port, host, portno, proto, vlan, count, \
             duration, buffer"
    );
}

#[test]
fn both_is_everything() {
    let points = |direction: Direction| direction.points();
    let Points { arrival, departure, loss } = points(Direction::Both);
    assert!(arrival && departure && loss);
    assert_eq!(points(Direction::Lost), Points { loss: true, ..Points::default() });
    assert_eq!(points(Direction::In), Points { arrival: true, ..Points::default() });
}
