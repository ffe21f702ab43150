use super::*;
use crate::cli::{render::samples::shared, top::sample::Sample};

/// Two seconds of an uplink of 200 Mbit/s: a tenth by the gate, half of it by a worker, a quarter by
/// the host.
pub(crate) fn rated(before: &mut Sample, after: &mut Sample) {
    let lane = LinkLane {
        lane: LaneNow::Express,
        closings: 12,
        charged: Amount::new(10, 15_000),
        ahead_ns: 0,
    };
    before.stats.ports[0].link = Some(lane);
    let nic0 = &mut after.stats.ports[0];
    nic0.tx_lanes.express.bytes += 5_000_000;
    nic0.tx_lanes.scheduled.bytes += 25_000_000;
    nic0.link = Some(LinkLane {
        lane: LaneNow::Scheduled,
        closings: 16,
        charged: Amount::new(10_010, 12_515_000),
        ahead_ns: 1_500_000,
    });
}

#[test]
fn a_link_tells_its_lane_what_is_taken_of_it_and_its_flips() {
    let mut before = Sample { stats: shared(), ..Sample::default() };
    let mut after = before.clone();
    after.stats.uptime_ns += 2_000_000_000;
    assert!(grid(&Span::new(Some(&before), &after)).rows.is_empty());
    rated(&mut before, &mut after);
    let texts = |before: Option<&Sample>, after: &Sample| {
        let grid = grid(&Span::new(before, after));
        assert_eq!((grid.rows.len(), grid.rows[0].cells.len()), (1, COLUMNS.len()));
        let texts = grid.rows[0].cells.iter().map(|cell| cell.text.clone());
        texts.collect::<Vec<_>>().join(" ")
    };
    let known = "nic0 scheduled 200M 85% 10% 25% 16 2 0 1.5ms";
    assert_eq!(texts(Some(&before), &after), known);
    assert_eq!(texts(None, &after), "nic0 scheduled 200M - - - 16 - 0 1.5ms");
}
