//! By which lane each port's frames went. Invariant: told where there is more than one lane: with
//! everything scheduled, RX and TX say it all.

use super::{
    Align::{Left, Right},
    Table, percent, time,
};
use weir_api::{Amount, LinkLane, PortReport, StatsReport};

/// For `weir stats`: what ports sent (RX) and what they were delivered (TX), by lane; empty where the
/// workers did it all.
pub(super) fn lanes(report: &StatsReport) -> String {
    let told: Vec<&PortReport> = report.ports.iter().filter(|port| has_others(port)).collect();
    if told.is_empty() {
        return String::new();
    }
    Table::fitting(|number| {
        let mut table = Table::new(&[
            ("LANES", Left),
            ("RX EXPRESS", Right),
            ("RX SCHEDULED", Right),
            ("RX BRIDGE", Right),
            ("TX EXPRESS", Right),
            ("TX SCHEDULED", Right),
        ]);
        for port in &told {
            let (rx, tx) = (&port.lanes, &port.tx_lanes);
            let lanes = [rx.express, rx.scheduled, rx.bridge, tx.express, tx.scheduled];
            let frames = lanes.map(|amount| number(amount.frames));
            table.row([port.name.clone()].into_iter().chain(frames).collect());
        }
        table
    })
}

/// For `weir stats`: by which lane frames reach the links with a rate, how often each has passed to its scheduler, what part of
/// it the gate handed over, and what the host and the bridge sent.
pub(super) fn links(report: &StatsReport) -> String {
    let rated: Vec<(&PortReport, LinkLane)> =
        report.ports.iter().filter_map(|port| Some((port, port.link?))).collect();
    if rated.is_empty() {
        return String::new();
    }
    let mut text = Table::fitting(|number| {
        let mut table = Table::new(&[
            ("LINKS", Left),
            ("LANE", Left),
            ("FLIPS", Right),
            ("EXPRESS", Right),
            ("HOST FRAMES", Right),
            ("HOST BYTES", Right),
            ("AHEAD", Right),
        ]);
        for (port, link) in &rated {
            let express = express(port, link).map_or_else(|| "-".to_owned(), percent);
            table.row(vec![
                port.name.clone(),
                link.lane.name().to_owned(),
                number(link.closings),
                express,
                number(link.charged.frames),
                number(link.charged.bytes),
                time(link.ahead_ns),
            ]);
        }
        table
    });
    for (port, _) in rated.iter().filter(|(_, link)| link.is_full()) {
        let name = &port.name;
        text += &format!("link {name}: host and bridge send all that it takes, no room is left\n");
    }
    text
}

/// Of the bytes that were sent to a link, those that the gate handed over, in thousandths.
fn express(port: &PortReport, link: &LinkLane) -> Option<u64> {
    let bytes = |amount: Amount| u128::from(amount.bytes);
    let lanes = &port.tx_lanes;
    let all = bytes(lanes.express) + bytes(lanes.scheduled) + bytes(link.charged);
    u64::try_from((1000 * bytes(lanes.express)).checked_div(all)?).ok()
}

/// Whether anything went by another lane than a worker's.
fn has_others(port: &PortReport) -> bool {
    let others = [port.lanes.express, port.lanes.bridge, port.tx_lanes.express];
    others.iter().any(|amount| *amount != Amount::default())
}

#[cfg(test)]
mod tests {
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
}
