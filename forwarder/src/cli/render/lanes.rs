//! By which lane each port's frames went. Invariant: told where there is more than one lane: with
//! everything scheduled, RX and TX say it all.

use super::{
    Align::{Left, Right},
    Table, short,
};
use crate::control::report::{Amount, PortReport, StatsReport};

/// For `weir stats`: what ports sent (RX) and what they were delivered (TX), by lane; empty where the
/// workers did it all.
pub(super) fn lanes(report: &StatsReport) -> String {
    let told: Vec<&PortReport> = report.ports.iter().filter(|port| has_others(port)).collect();
    if told.is_empty() {
        return String::new();
    }
    let table = Table::fitting(|number| {
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
    });
    let links: String = report.ports.iter().filter_map(link).collect();
    table + &links
}

/// By which lane frames reach a link with a rate.
fn link(port: &PortReport) -> Option<String> {
    let link = port.link?;
    let times = if link.closings == 1 { "once" } else { "times" };
    let often = if link.closings == 1 { String::new() } else { format!("{} ", link.closings) };
    let (name, lane) = (&port.name, link.lane.name());
    let text = format!("link {name}: {lane} now, passed to the scheduler {often}{times}\n");
    if link.charged.frames == 0 {
        return Some(text);
    }
    let (frames, bytes) = (short(link.charged.frames), short(link.charged.bytes));
    let all = if link.ahead_ns >= FULL_NS { "; no room left" } else { "" };
    Some(text + &format!("link {name}: host and bridge: {frames} frames, {bytes} bytes{all}\n"))
}

/// Further ahead of its rate than weir itself ever is: what was charged to the link is more than it takes.
const FULL_NS: u64 = 20_000_000;

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
    use crate::control::report::{LaneNow, LinkLane};

    #[test]
    fn every_port_with_more_than_one_lane_is_told() {
        let expected = "\
LANES            RX EXPRESS  RX SCHEDULED  RX BRIDGE  TX EXPRESS  TX SCHEDULED
nic0                      0     1,000,000          0     200,000     1,230,560
v1                  300,000     1,234,567         12           0     1,000,000
vnet-0123456789           0            12          0     100,000             0
";
        assert_eq!(lanes(&express()), expected);
        let mut rated = express();
        let lane = LinkLane {
            lane: LaneNow::Scheduled,
            closings: 12,
            charged: Amount::default(),
            ahead_ns: 0,
        };
        rated.ports[0].link = Some(lane);
        let link =
            expected.to_owned() + "link nic0: scheduled now, passed to the scheduler 12 times\n";
        assert_eq!(lanes(&rated), link);
        let charged = LinkLane { charged: Amount::new(1200, 1_500_000), ..lane };
        rated.ports[0].link = Some(charged);
        let host = "link nic0: host and bridge: 1.20k frames, 1.50M bytes";
        assert_eq!(lanes(&rated), format!("{link}{host}\n"));
        rated.ports[0].link = Some(LinkLane { ahead_ns: 90_000_000, ..charged });
        assert_eq!(lanes(&rated), format!("{link}{host}; no room left\n"));
        let mut one = express();
        one.ports[1].lanes.express = Amount::default();
        one.ports[1].lanes.bridge = Amount::default();
        assert!(!lanes(&one).contains("\nv1 "));
        assert_eq!(lanes(&report()), "");
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
        let text = lanes(&report);
        assert!(text.contains("18.4E"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
