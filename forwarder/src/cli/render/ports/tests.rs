use super::*;
use crate::cli::render::WIDTH;
use crate::cli::render::samples::{express, report, shared};
use weir_api::{Attached, LaneNow, PortInfo, State, VERSION};
use weir_core::Role;

#[test]
fn totals() {
    let expected = "\
PORT             ROLE    STATE  MODE  RX FRAMES  TX FRAMES   LOST
nic0             uplink  up     gate  1,000,000  1,230,560      0
v1               vif     up     gate  1,234,567  1,000,000  4,007
vnet-0123456789  vif     gone   none         12          0      6

ledger: balanced, 4,013 lost (queue_full 4,000, no_egress 8, port_gone 5)
worker on core 1 (adaptive): busy 12.3 %, idle 87.6 %, back-pressured 0.1 %
pool: 6,100 of 8,192 frames free; known addresses: 3 of 16,384; up 01:02:03
";
    assert_eq!(stats(&report(), Paint::PLAIN), expected);
}

#[test]
fn what_went_by_the_express_lane_is_in_the_totals_and_told_by_lane() {
    let text = stats(&express(), Paint::PLAIN);
    let tables: Vec<&str> = text.split("\n\n").collect();
    let expected = "\
PORT             ROLE    STATE  MODE  RX FRAMES  TX FRAMES   LOST
nic0             uplink  up     gate  1,000,000  1,430,560      0
v1               vif     up     gate  1,534,567  1,000,000  4,007
vnet-0123456789  vif     gone   none         12    100,000      6";
    assert_eq!(tables[0], expected);
    assert!(tables[1].starts_with("LANES ") && tables[1].contains("\nv1 "), "{text}");
    let expected = "\
ledger: balanced, 2,530,560 delivered (300,000 by the express lane), 4,013 lost
(queue_full 4,000, no_egress 8, port_gone 5)
";
    assert!(tables[2].starts_with(expected), "{text}");
}

#[test]
fn contended_links_and_containers_are_shown_between_the_ports_and_the_sums() {
    let text = stats(&shared(), Paint::PLAIN);
    let tables: Vec<&str> = text.split("\n\n").collect();
    assert_eq!(tables.len(), 4, "{text}");
    assert!(tables[1].starts_with("LINK / FROM ") && tables[1].contains("\nnic0 "), "{text}");
    assert!(tables[2].starts_with("CONTAINERS FROM "), "{text}");
    assert!(tables[3].starts_with("ledger: "), "{text}");
}

#[test]
fn the_greatest_numbers_still_fit() {
    let mut report = report();
    for port in &mut report.ports {
        (port.rx.frames, port.tx.frames) = (u64::MAX, u64::MAX);
        port.losses = [("queue_full".to_owned(), u64::MAX)].into();
    }
    report.ledger.lost_by_reason =
        weir_core::Reason::ALL.iter().map(|reason| (reason.name().to_owned(), u64::MAX)).collect();
    let text = stats(&report, Paint::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert!(text.contains("18.4E"), "{text}");
}

#[test]
fn ports() {
    let nic = PortInfo {
        name: "enp0s31f6np0v15".into(),
        role: Role::Uplink,
        state: State::Stopped,
        problem: None,
        mode: Attached::Native,
        driver: "mlx5_core_and_more".into(),
        ifindex: 12_345,
        mtu: 65_535,
        queues: 16,
        superframes: false,
        express: None,
        express_remark: None,
        kept: None,
    };
    let veth = PortInfo {
        name: "v1".into(),
        role: Role::Vif,
        state: State::Failed,
        problem: Some("bind: another program holds queue 0".into()),
        mode: Attached::None,
        driver: String::new(),
        ifindex: 7,
        mtu: 1500,
        queues: 1,
        superframes: true,
        express: None,
        express_remark: None,
        kept: None,
    };
    let list = PortList { version: VERSION, ports: vec![nic, veth] };
    let expected = "\
PORT             ROLE    STATE    MODE    DRIVER    INDEX    MTU  QUEUES  GSO
enp0s31f6np0v15  uplink  stopped  native  mlx5_cor  12345  65535      16  no
v1               vif     failed   none    -             7   1500       1  yes
v1: bind: another program holds queue 0
";
    assert_eq!(port_list(&list, Paint::PLAIN), expected);
    assert!(expected.lines().all(|line| line.len() <= WIDTH));
    assert!(port_list(&PortList::default(), Paint::PLAIN).ends_with("(no ports yet)\n"));
}

#[test]
fn ways_to_the_ports_are_shown_under_them() {
    let port = |name: &str, express, remark: Option<&str>| PortInfo {
        name: name.into(),
        role: Role::Vif,
        state: State::Up,
        problem: None,
        mode: Attached::Gate,
        driver: "veth".into(),
        ifindex: 7,
        mtu: 1500,
        queues: 0,
        superframes: true,
        express,
        express_remark: remark.map(str::to_owned),
        kept: Some(name != "tap5"),
    };
    let (peer, redirect) = (Some(Express::Peer), Some(Express::Redirect));
    let ports = vec![
        port("v1", peer, None),
        port("v2", redirect, Some("its other end has a native XDP program")),
        port("v3", peer, None),
        port("v4", None, Some("its interface has not answered yet")),
        port("tap5", redirect, None),
    ];
    let text = port_list(&PortList { version: VERSION, ports }, Paint::PLAIN);
    let expected = "\
express: peer v1, v3; redirect v2, tap5
v2 not by peer: its other end has a native XDP program
v4 not express: its interface has not answered yet
gone with weir, if it is killed: the gate of tap5
";
    assert_eq!(text.lines().skip(6).collect::<Vec<_>>().join("\n") + "\n", expected);
}

#[test]
fn every_port_with_more_than_one_lane_is_told() {
    let expected = "\
LANES            RX EXPRESS  RX SCHEDULED  RX BRIDGE  TX EXPRESS  TX SCHEDULED
nic0                      0     1,000,000          0     200,000     1,230,560
v1                  300,000     1,234,567         12           0     1,000,000
vnet-0123456789           0            12          0     100,000             0
";
    assert_eq!(lanes(&express()), expected);
    let mut one = express();
    one.ports[1].lanes.express = Amount::default();
    one.ports[1].lanes.bridge = Amount::default();
    assert!(!lanes(&one).contains("\nv1 "));
    assert_eq!(lanes(&report()), "");
}

#[test]
fn a_link_with_a_rate_is_told_and_whether_the_host_leaves_room() {
    let lane = LinkLane {
        lane: LaneNow::Scheduled,
        closings: 12,
        charged: Amount::new(1200, 1_500_000),
        ahead_ns: 250_000,
    };
    let mut rated = express();
    let nic0 = &mut rated.ports[0];
    nic0.tx_lanes.express.bytes = 1_000_000;
    nic0.tx_lanes.scheduled.bytes = 2_500_000;
    nic0.link = Some(lane);
    let expected = "\
LINKS  LANE       FLIPS  EXPRESS  HOST FRAMES  HOST BYTES  AHEAD
nic0   scheduled     12   20.0 %        1,200   1,500,000  250us
";
    assert_eq!(links(&rated), expected);
    rated.ports[0].link = Some(LinkLane { ahead_ns: 90_000_000, ..lane });
    let full = "link nic0: host and bridge send all that it takes, no room is left\n";
    assert_eq!(
        links(&rated),
        expected.replace("250us", "90.0ms").replace(" AHEAD", "  AHEAD") + full
    );
    assert_eq!(links(&express()), "");
}

#[test]
fn the_greatest_numbers_of_a_link_still_fit() {
    let most = Amount::new(u64::MAX, u64::MAX);
    let mut report = express();
    for port in &mut report.ports {
        let (rx, tx) = (&mut port.lanes, &mut port.tx_lanes);
        for lane in [&mut rx.express, &mut rx.scheduled, &mut rx.bridge] {
            *lane = most;
        }
        (tx.express, tx.scheduled) = (most, most);
        port.link = Some(LinkLane {
            lane: LaneNow::Scheduled,
            closings: 1_000_000,
            charged: most,
            ahead_ns: u64::MAX,
        });
    }
    let text = lanes(&report) + &links(&report);
    assert!(text.contains("18.4E"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
}
