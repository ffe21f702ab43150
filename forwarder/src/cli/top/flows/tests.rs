use super::*;
use crate::cli::top::sample::Sample;
use weir_api::Summary;

pub(crate) fn flow(vif: &str, src: &str, port: u64, bytes: u64) -> FlowReport {
    FlowReport {
        vif: vif.to_owned(),
        proto: "udp".to_owned(),
        src: Some(src.to_owned()),
        dst: Some("10.7.0.200".to_owned()),
        src_port: Some(port),
        dst_port: Some(53),
        age_ns: 60_000_000_000,
        counts: FlowNumbers {
            frames: bytes / 100,
            bytes,
            jitter_ns: 1_500,
            residence: Summary { count: 9, p50_ns: 12_300, p99_ns: 99_000, ..Summary::default() },
            ..FlowNumbers::default()
        },
        ..FlowReport::default()
    }
}

pub(crate) fn sample(uptime_ns: u64, flows: Vec<FlowReport>) -> Sample {
    let mut sample = Sample::default();
    sample.stats.uptime_ns = uptime_ns;
    let sums = vec![FlowSumReport {
        vif: "v1".to_owned(),
        kind: SumKind::Ended,
        flows: Some(12),
        express: 0,
        counts: FlowNumbers { frames: 24, bytes: 2_400, ..FlowNumbers::default() },
        histogram: None,
    }];
    sample.flows = Measured::On(FlowsReport {
        uptime_ns,
        capacity: 4096,
        known: flows.len() as u64,
        flows,
        sums,
        ..FlowsReport::default()
    });
    sample
}

fn texts(grid: &Grid) -> Vec<String> {
    let text = |row: &Row| row.cells.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
    grid.rows.iter().map(|row| text(row).join(" ")).collect()
}

#[test]
fn rates_are_of_the_same_flow_in_both_answers() {
    let mut young = flow("v2", "2001:db8::1", 7, 1_000);
    young.age_ns = 1_500_000_000;
    let mut tagged = flow("v1", "10.7.0.1", 9, 5_000);
    (tagged.vlan, tagged.counts.losses) = (Some(7), [("shed".to_owned(), 3)].into());
    let before = sample(1_000_000_000, vec![flow("v1", "10.7.0.1", 7, 1_000)]);
    let after = sample(3_000_000_000, vec![flow("v1", "10.7.0.1", 7, 2_001_000), young, tagged]);
    let expected = [
        "v1 udp 10.7.0.1:7 10.7.0.200:53 8.00M 10.0k 2.00M 12.3us 99.0us 1.5us 0",
        "v2 udp [2001:db8::1]:7 10.7.0.200:53 4.00k 5 1.00k 12.3us 99.0us 1.5us 0",
        "v1 udp 7/10.7.0.1:9 10.7.0.200:53 - - 5.00k 12.3us 99.0us 1.5us 3",
        "v1 * (12 ended) * - - 2.40k - - - 0",
    ];
    assert_eq!(texts(&grid(&Span::new(Some(&before), &after))), expected);
}

#[test]
fn a_sum_says_what_it_is_of() {
    let mut sum = FlowSumReport {
        counts: FlowNumbers { frames: 10, ..FlowNumbers::default() },
        ..FlowSumReport::default()
    };
    let mut of = |express| {
        sum.express = express;
        summed(&sum)
    };
    assert_eq!(of(0), "(table was full)");
    assert_eq!(of(10), "(express)");
    assert_eq!(of(4), "(express, table was full)");
}

#[test]
fn where_there_are_none_it_says_why() {
    let mut sample = sample(1, Vec::new());
    sample.flows = Measured::Off;
    assert!(grid(&Span::new(None, &sample)).empty.contains("configuration has them off"));
    sample.flows = Measured::Unavailable("weir refused: there is no /v1/flows".to_owned());
    assert!(grid(&Span::new(None, &sample)).empty.contains("no /v1/flows"));
    sample.flows = Measured::On(FlowsReport { capacity: 1, ..FlowsReport::default() });
    assert_eq!(grid(&Span::new(None, &sample)).empty, "(no flows yet)");
}
