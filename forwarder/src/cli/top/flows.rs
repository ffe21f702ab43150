//! Who talks to whom. Invariant: a flow that was not in the answer before has a rate only if it is
//! younger than that; what it moved earlier is not of this interval.

use super::{
    grid::{Cell, Column, Grid, Kind, Row},
    model::{Span, per_second},
    sample::Measured,
};
use crate::cli::render::{paint::Tone, short, time};
use weir_api::{FlowNumbers, FlowReport, FlowSumReport, FlowsReport, SumKind};

pub(super) const COLUMNS: &[Column] = &[
    Column { id: "vif", title: "VIF", kind: Kind::Text, rank: 3 },
    Column { id: "proto", title: "PROTO", kind: Kind::Text, rank: 4 },
    Column { id: "source", title: "SOURCE", kind: Kind::Address(17), rank: 1 },
    Column { id: "destination", title: "DESTINATION", kind: Kind::Address(17), rank: 2 },
    Column { id: "rate", title: "BIT/S", kind: Kind::Number(6), rank: 0 },
    Column { id: "frames", title: "FR/S", kind: Kind::Number(5), rank: 8 },
    Column { id: "bytes", title: "BYTES", kind: Kind::Number(6), rank: 9 },
    Column { id: "p50", title: "P50", kind: Kind::Number(6), rank: 7 },
    Column { id: "p99", title: "P99", kind: Kind::Number(6), rank: 5 },
    Column { id: "jitter", title: "JITTER", kind: Kind::Number(7), rank: 10 },
    Column { id: "lost", title: "LOST", kind: Kind::Number(5), rank: 6 },
];

pub(super) fn grid(span: &Span<'_>) -> Grid {
    let (rows, empty) = match &span.after.flows {
        Measured::On(report) => (rows(span, report), "(no flows yet)".to_owned()),
        Measured::NotAsked => (Vec::new(), "(asking)".to_owned()),
        Measured::Off => {
            (Vec::new(), "flows are not told apart: the configuration has them off".into())
        }
        Measured::Unavailable(why) => (Vec::new(), why.clone()),
    };
    Grid { columns: COLUMNS, rows, empty }
}

fn rows(span: &Span<'_>, report: &FlowsReport) -> Vec<Row> {
    let before = span.before.and_then(|before| before.flows.on());
    let since = |then: u64| report.uptime_ns.saturating_sub(then);
    let elapsed_ns = before.map(|before| since(before.uptime_ns));
    let flows = report.flows.iter().map(|flow| {
        let then = before.and_then(|before| before.flows.iter().find(|then| same(then, flow)));
        // Its slot was taken by a later flow of the same name: it begins anew.
        let then = then.filter(|then| then.counts.bytes <= flow.counts.bytes);
        let new = elapsed_ns.is_some_and(|elapsed_ns| flow.age_ns <= elapsed_ns);
        let moved = match then {
            Some(then) => Some((flow.counts.bytes - then.counts.bytes, frames(then, flow))),
            None => new.then_some((flow.counts.bytes, flow.counts.frames)),
        };
        row(&flow.vif, flow.proto.clone(), ends(flow), moved.zip(elapsed_ns), &flow.counts)
    });
    let sums = report.sums.iter().filter(|sum| sum.counts.frames > 0).map(|sum| {
        let ends = [summed(sum), "*".to_owned()];
        row(&sum.vif, "*".to_owned(), ends, None, &sum.counts)
    });
    flows.chain(sums).collect()
}

fn frames(then: &FlowReport, now: &FlowReport) -> u64 {
    now.counts.frames.saturating_sub(then.counts.frames)
}

fn same(one: &FlowReport, other: &FlowReport) -> bool {
    let key = |flow: &FlowReport| (flow.src_port, flow.dst_port, flow.vlan);
    key(one) == key(other)
        && (&one.vif, &one.proto, &one.src, &one.dst)
            == (&other.vif, &other.proto, &other.src, &other.dst)
}

fn row(
    vif: &str,
    proto: String,
    [source, destination]: [String; 2],
    moved: Option<((u64, u64), u64)>,
    counts: &FlowNumbers,
) -> Row {
    let rate = |of: fn((u64, u64)) -> u64| {
        let rate = moved.and_then(|(moved, elapsed_ns)| per_second(of(moved), elapsed_ns));
        Cell::number(rate, short)
    };
    let times = &counts.residence;
    let measured = |ns: u64| Cell::number((times.count > 0).then_some(ns), time);
    let lost = counts.losses.values().fold(0, |sum: u64, lost| sum.saturating_add(*lost));
    let cells = vec![
        Cell::text(vif),
        Cell::text(proto),
        Cell::text(source),
        Cell::text(destination),
        rate(|(bytes, _)| bytes.saturating_mul(8)),
        rate(|(_, frames)| frames),
        Cell::number(Some(counts.bytes), short),
        measured(times.p50_ns),
        measured(times.p99_ns),
        measured(counts.jitter_ns),
        Cell::number(Some(lost), short).toned(Tone::of_losses(lost)),
    ];
    Row { cells, note: None }
}

/// `10.0.0.1:80`, `[2001:db8::1]:80`, `10.0.0.1`.
fn ends(flow: &FlowReport) -> [String; 2] {
    let end = |address: &Option<String>, port: Option<u64>| match (address.as_deref(), port) {
        (None, _) => "-".to_owned(),
        (Some(address), None) => address.to_owned(),
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
    };
    let tag = flow.vlan.map_or_else(String::new, |vlan| format!("{vlan}/"));
    [tag + &end(&flow.src, flow.src_port), end(&flow.dst, flow.dst_port)]
}

fn summed(sum: &FlowSumReport) -> String {
    match (sum.kind, sum.flows) {
        (SumKind::Ended, Some(flows)) => format!("({} ended)", short(flows)),
        (SumKind::Ended, None) => "(ended)".to_owned(),
        (SumKind::Other, _) => match sum.counts.frames.saturating_sub(sum.express) {
            0 => "(express)".to_owned(),
            _ if sum.express == 0 => "(table was full)".to_owned(),
            _ => "(express, table was full)".to_owned(),
        },
    }
}

#[cfg(test)]
pub(super) mod tests {
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
                residence: Summary {
                    count: 9,
                    p50_ns: 12_300,
                    p99_ns: 99_000,
                    ..Summary::default()
                },
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
        let after =
            sample(3_000_000_000, vec![flow("v1", "10.7.0.1", 7, 2_001_000), young, tagged]);
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
}
