//! `weir dump` for people. Invariant: what does not fit its line gets one of its own, and nothing
//! is cut off: a table may be all that is kept.

use super::{
    Align::{Left, Right},
    Table, grouped, percent, short,
};
use crate::observe::dump::series::ends;
use weir_api::{FlowNumbers, FlowReport, FlowsReport, LatencyReport, LossReport};

/// Room for whom a flow is between, beside its numbers.
const FLOW: usize = 39;

pub fn latency(report: &LatencyReport) -> String {
    if !report.on {
        return "latency is not recorded: the configuration switches it off\n".to_owned();
    }
    let mut table = Table::new(&[
        ("VIF", Left),
        ("STAGE", Left),
        ("PACKETS", Right),
        ("P50", Right),
        ("P90", Right),
        ("P99", Right),
        ("P99.9", Right),
        ("MAX", Right),
    ]);
    for vif in &report.vifs {
        for at in &vif.stages {
            let mut cells = vec![vif.name.clone(), at.stage.clone(), short(at.summary.count)];
            let of = &at.summary;
            let times = [of.p50_ns, of.p90_ns, of.p99_ns, of.p999_ns, of.max_ns];
            cells.extend(times.map(|ns| if of.count > 0 { span(ns) } else { "-".to_owned() }));
            table.row(cells);
        }
    }
    table.render() + &recorded_for(report.since_unix_ns, report.until_unix_ns)
}

pub fn flows(report: &FlowsReport) -> String {
    flow_table(
        report,
        &[("FRAMES", Right), ("BYTES", Right), ("LOST", Right), ("P50", Right), ("P99", Right)],
        |counts| {
            let times = [counts.residence.p50_ns, counts.residence.p99_ns];
            let mut cells: Vec<String> =
                [counts.frames, counts.bytes, lost(counts)].map(short).into();
            let some = counts.residence.count > 0;
            cells.extend(times.map(|ns| if some { span(ns) } else { "-".to_owned() }));
            vec![cells]
        },
    )
}

pub fn flow_losses(report: &FlowsReport) -> String {
    let columns = [("FRAMES", Right), ("LOST", Right), ("REASON", Left)];
    let text = flow_table(report, &columns, |counts| {
        let row = |(reason, frames): (&String, &u64)| {
            vec![short(counts.frames), short(*frames), reason.clone()]
        };
        counts.losses.iter().map(row).collect()
    });
    text + "what the XDP program drops has no flow: weir dump loss --by vif\n"
}

/// Each flow, then each sum, with what `cells` says of it.
fn flow_table(
    report: &FlowsReport,
    columns: &[(&'static str, super::Align)],
    cells: impl Fn(&FlowNumbers) -> Vec<Vec<String>>,
) -> String {
    if report.capacity == 0 {
        return "flows are not told apart: the configuration switches them off\n".to_owned();
    }
    let headers: Vec<_> = [("FLOW", Left)].into_iter().chain(columns.iter().copied()).collect();
    let mut table = Table::new(&headers);
    let rows = report.flows.iter().map(|flow| (title(flow), &flow.counts));
    let sums = report.sums.iter().map(|sum| {
        let many = sum.flows.map(|flows| format!("{} ", grouped(flows))).unwrap_or_default();
        let express = match sum.express {
            0 => String::new(),
            express => format!(", {} express", short(express)),
        };
        (format!("{} ({many}{}{express})", sum.vif, sum.kind.name()), &sum.counts)
    });
    for (title, counts) in rows.chain(sums) {
        for cells in cells(counts) {
            let mut title = title.clone();
            if title.chars().count() > FLOW {
                table.row(vec![title]);
                title = String::new();
            }
            table.row([vec![title], cells].concat());
        }
    }
    let (listed, known) = (report.flows.len() as u64, report.known);
    let text = table.render();
    text + &format!(
        "{} of {} flows; up to {} at once are told apart\n",
        grouped(listed),
        grouped(known),
        grouped(report.capacity)
    )
}

/// `v1 udp 10.0.0.1:5000 > 10.0.0.2:53`.
fn title(flow: &FlowReport) -> String {
    let ends = ends(flow).map(|ends| format!(" {}", ends.replace('>', " > ")));
    let vlan = flow.vlan.map(|id| format!(" vlan {id}")).unwrap_or_default();
    format!("{} {}{vlan}{}", flow.vif, flow.proto, ends.unwrap_or_default())
}

pub fn losses(report: &LossReport) -> String {
    let mut text = Table::fitting(|number| {
        let mut table = Table::new(&[
            ("PORT", Left),
            ("REASON", Left),
            ("LOST", Right),
            ("RECEIVED", Right),
            ("SHARE", Right),
        ]);
        for port in &report.ports {
            for (reason, frames) in &port.losses {
                let share =
                    u128::from(*frames) * 1000 / u128::from(port.received.max(*frames).max(1));
                table.row(vec![
                    port.name.clone(),
                    reason.clone(),
                    number(*frames),
                    number(port.received),
                    percent(share as u64),
                ]);
            }
        }
        table
    });
    if report.lost() == 0 {
        text = "nothing lost\n".to_owned();
    } else {
        text += &format!(
            "{} lost; what the names mean: weir stats --help-counters\n",
            grouped(report.lost())
        );
    }
    if let Some(ledger) = &report.ledger {
        let balanced = if ledger.balanced { "balanced" } else { "NOT BALANCED" };
        text += &format!("ledger: {balanced}; in full: weir stats --ledger\n");
    }
    text + &recorded_for(report.since_unix_ns, report.until_unix_ns)
}

fn lost(counts: &FlowNumbers) -> u64 {
    counts.losses.values().fold(0, |sum, frames| sum.saturating_add(*frames))
}

fn recorded_for(since: u64, until: u64) -> String {
    format!("in {}\n", span(until.saturating_sub(since)))
}

/// Three digits and a unit: `1.23us`. Cut off, not rounded, as [`short`] does.
pub fn span(ns: u64) -> String {
    let (whole, rest, unit) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (ns / 1_000, ns % 1_000, "us"),
        1_000_000..1_000_000_000 => (ns / 1_000_000, ns / 1_000 % 1_000, "ms"),
        _ => (ns / 1_000_000_000, ns / 1_000_000 % 1_000, "s"),
    };
    match whole {
        0..10 => format!("{whole}.{:02}{unit}", rest / 10),
        10..100 => format!("{whole}.{}{unit}", rest / 100),
        _ => format!("{whole}{unit}"),
    }
}

#[cfg(test)]
mod tests;
