//! The flows. Invariant: a flow that was not in the answer before has a rate only if it is younger than
//! that answer; earlier traffic does not belong to this interval.

use super::{
    grid::{Cell, Column, Declared, Grid, Kind, Row},
    model::Span,
    sample::Measured,
};
use crate::cli::render::{paint::Tone, per_second, short, time};
use weir_api::{FlowNumbers, FlowReport, FlowSumReport, FlowsReport, SumKind};

const COLUMNS: &[Column] = &[
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

pub(super) static VIEW: Declared = Declared {
    name: "flows",
    columns: COLUMNS,
    by: "rate",
    help: &[
        ("VIF", "where it comes from; a tag stands before the source's address"),
        ("BIT/S FR/S", "what it sent, in the last interval"),
        ("BYTES", "since its first packet; the 200 largest are shown"),
        ("P50 P99", "how long its packets stayed at a worker, since its first"),
        ("JITTER", "of that time, as RFC 3550 has it"),
        ("LOST", "frames since its first packet, after weir took them"),
        (
            "*",
            "the sum of flows that ended or had no room in the table, and of what the gate handed over",
        ),
    ],
    grid,
};

fn grid(span: &Span<'_>) -> Grid {
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
        // A later flow of the same name has taken its slot and counts from 0.
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
    let lost = counts.lost();
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
    let tag = flow.vlan.map_or_else(String::new, |vlan| format!("{vlan}/"));
    let [source, destination] = flow.ends().map(|end| end.unwrap_or_else(|| "-".to_owned()));
    [tag + &source, destination]
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
pub(super) mod tests;
