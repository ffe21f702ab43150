use super::*;
use crate::cli::render::{
    WIDTH,
    samples::{express, report},
};
use weir_api::LaneNow;

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
fn the_greatest_numbers_still_fit() {
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
