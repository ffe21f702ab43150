//! The flows. Invariant: a flow that was not in the answer before has a rate only if it is younger than
//! that answer; earlier traffic does not belong to this interval.

use super::grid::{Cell, Declared, Grid, Row, columns};
use super::model::Span;
use super::sample::Measured;
use crate::cli::render::{paint::Tone, per_second, short, time};
use weir_api::{FlowNumbers, FlowReport, FlowSumReport, FlowsReport, SumKind};

columns! {
    fn cells(
        vif: &str,
        proto: String,
        [source, destination]: [String; 2],
        moved: Option<((u64, u64), u64)>,
        counts: &FlowNumbers
    ) {
        let rate = |of: fn((u64, u64)) -> u64| {
            let rate = moved.and_then(|(moved, elapsed_ns)| per_second(of(moved), elapsed_ns));
            Cell::number(rate, short)
        };
        let times = &counts.residence;
        let measured = |ns: u64| Cell::number((times.count > 0).then_some(ns), time);
        let lost = counts.lost();
    }
    "vif" "VIF" Text, 3 => Cell::text(vif);
    "proto" "PROTO" Text, 4 => Cell::text(proto);
    "source" "SOURCE" Address(17), 1 => Cell::text(source);
    "destination" "DESTINATION" Address(17), 2 => Cell::text(destination);
    "rate" "BIT/S" Number(6), 0 => rate(|(bytes, _)| bytes.saturating_mul(8));
    "frames" "FR/S" Number(5), 8 => rate(|(_, frames)| frames);
    "bytes" "BYTES" Number(6), 9 => Cell::number(Some(counts.bytes), short);
    "p50" "P50" Number(6), 7 => measured(times.p50_ns);
    "p99" "P99" Number(6), 5 => measured(times.p99_ns);
    "jitter" "JITTER" Number(7), 10 => measured(counts.jitter_ns);
    "lost" "LOST" Number(5), 6 => Cell::number(Some(lost), short).toned(Tone::of_losses(lost));
}

pub(super) static VIEW: Declared = Declared {
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
        cells(&flow.vif, flow.proto.clone(), ends(flow), moved.zip(elapsed_ns), &flow.counts)
    });
    let sums = report.sums.iter().filter(|sum| sum.counts.frames > 0).map(|sum| {
        let ends = [summed(sum), "*".to_owned()];
        cells(&sum.vif, "*".to_owned(), ends, None, &sum.counts)
    });
    flows.chain(sums).map(Row::of).collect()
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
