use super::*;

fn facts(frame: &[u8]) -> Facts {
    Facts::from(&weir_abi::classify(frame).unwrap_or_default())
}

/// A frame with this EtherType and this body.
fn frame(tag: Option<u16>, kind: u16, body: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if let Some(tag) = tag {
        frame.extend([0x81, 0]);
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(body);
    frame
}

fn udp4(more_fragments: bool) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 36, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    ip[6] = if more_fragments { 0x20 } else { 0 };
    ip.extend([0x04, 0xd2, 0, 53, 0, 16, 0, 0]);
    ip.extend([0; 8]);
    ip
}

fn tcp6() -> Vec<u8> {
    let mut ip = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    ip.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0]);
    ip
}

fn arp() -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend([2, 0, 0, 0, 0, 2, 10, 0, 0, 1]);
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    arp
}

#[test]
fn each_part_matches_what_it_names_and_nothing_else() {
    let frames = [
        frame(None, 0x0800, &udp4(false)),
        frame(Some(7), 0x86dd, &tcp6()),
        frame(None, 0x0806, &arp()),
        frame(None, 0x0800, &udp4(true)),
        frame(None, 0x88b5, &[1; 46]),
    ];
    let host = |text: &str| Filter { host: text.parse().ok(), ..Filter::default() };
    let port = |port| Filter { l4_port: Some(port), ..Filter::default() };
    let protocol = |protocol| Filter { protocol: Some(protocol), ..Filter::default() };
    let vlan = |vlan| Filter { vlan: Some(vlan), ..Filter::default() };
    let cases: [(Filter, [bool; 5]); 15] = [
        (Filter::default(), [true, true, true, true, true]),
        (host("10.0.0.1"), [true, false, true, true, false]),
        (host("10.0.0.2"), [true, false, true, true, false]),
        (host("10.0.0.3"), [false; 5]),
        (host("fd00::1"), [false, true, false, false, false]),
        (host("fd00::2"), [false, true, false, false, false]),
        (port(53), [true, false, false, false, false]),
        (port(1234), [true, false, false, false, false]),
        (port(443), [false, true, false, false, false]),
        (protocol(Protocol::Udp), [true, false, false, true, false]),
        (protocol(Protocol::Tcp), [false, true, false, false, false]),
        (protocol(Protocol::Arp), [false, false, true, false, false]),
        (protocol(Protocol::Icmp), [false; 5]),
        (vlan(7), [false, true, false, false, false]),
        (vlan(0), [true, false, true, true, true]),
    ];
    for (filter, expected) in cases {
        let found: Vec<bool> =
            frames.iter().map(|frame| filter.takes(&facts(frame), frame)).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
    let both = Filter { l4_port: Some(53), ..host("10.0.0.9") };
    assert!(!both.takes(&facts(&frames[0]), &frames[0]), "all has to match");
}

#[test]
fn a_head_that_is_cut_off_does_not_match_what_it_lacks() {
    let whole = frame(None, 0x0800, &udp4(false));
    let facts = facts(&whole);
    for len in 0..whole.len() {
        let port = Filter { l4_port: Some(53), ..Filter::default() };
        assert_eq!(port.takes(&facts, &whole[..len]), len >= 38, "{len}");
        let host = Filter { host: "10.0.0.2".parse().ok(), ..Filter::default() };
        assert_eq!(host.takes(&facts, &whole[..len]), len >= 34, "{len}");
    }
}

#[test]
fn ports_are_a_set() {
    assert!(Filter::default().takes_port(PortId(200)));
    let mut ports = PortSet::EMPTY;
    ports.insert(PortId(3));
    let filter = Filter { ports: Some(ports), ..Filter::default() };
    assert!(filter.takes_port(PortId(3)) && !filter.takes_port(PortId(4)));
}
