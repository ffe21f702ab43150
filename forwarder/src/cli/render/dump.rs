//! `weir dump` for people. Invariant: a value that does not fit its line gets its own line, and nothing
//! is cut off: a table may be all that is kept.

use super::{Table, grouped, percent, permille, short, span};
use crate::observe::dump::series::ends;
use weir_api::{
    FlowNumbers, FlowReport, FlowsReport, LatencyReport, LossReport, Summary, Times, VifTimes,
};

/// Room for a flow's addresses, beside its numbers.
const FLOW: usize = 39;

pub fn latency(report: &LatencyReport) -> String {
    if !report.on {
        return "latency is not recorded: the configuration switches it off\n".to_owned();
    }
    let stages = report.vifs.iter().flat_map(|vif| vif.stages.iter().map(move |at| (vif, at)));
    type Stage<'r> = (&'r VifTimes, &'r Times);
    let time =
        |ns: fn(&Summary) -> u64| move |(_, at): &Stage<'_>| measured(&at.summary, ns(&at.summary));
    let table = Table::of(
        stages,
        &[
            ("VIF", &|(vif, _)| vif.name.clone()),
            ("STAGE", &|(_, at)| at.stage.clone()),
            (">PACKETS", &|(_, at)| short(at.summary.count)),
            (">P50", &time(|of| of.p50_ns)),
            (">P90", &time(|of| of.p90_ns)),
            (">P99", &time(|of| of.p99_ns)),
            (">P99.9", &time(|of| of.p999_ns)),
            (">MAX", &time(|of| of.max_ns)),
        ],
    );
    table.render() + &recorded_for(report.since_unix_ns, report.until_unix_ns)
}

pub fn flows(report: &FlowsReport) -> String {
    flow_table(report, &[">FRAMES", ">BYTES", ">LOST", ">P50", ">P99"], |counts| {
        let times = [counts.residence.p50_ns, counts.residence.p99_ns];
        let numbers = [counts.frames, counts.bytes, counts.lost()].map(short);
        vec![[&numbers[..], &times.map(|ns| measured(&counts.residence, ns))].concat()]
    })
}

/// A duration, or a dash if nothing was recorded.
fn measured(of: &Summary, ns: u64) -> String {
    if of.count > 0 { span(ns) } else { "-".to_owned() }
}

pub fn flow_losses(report: &FlowsReport) -> String {
    let text = flow_table(report, &[">FRAMES", ">LOST", "REASON"], |counts| {
        let row = |(reason, frames): (&String, &u64)| {
            vec![short(counts.frames), short(*frames), reason.clone()]
        };
        counts.losses.iter().map(row).collect()
    });
    text + "what the XDP program drops has no flow: weir dump loss --by vif\n"
}

/// Each flow, then each sum, with the columns from `cells`.
fn flow_table(
    report: &FlowsReport,
    titles: &[&'static str],
    cells: impl Fn(&FlowNumbers) -> Vec<Vec<String>>,
) -> String {
    if report.capacity == 0 {
        return "flows are not told apart: the configuration switches them off\n".to_owned();
    }
    let mut table = Table::new(&[&["FLOW"], titles].concat());
    let rows = report.flows.iter().map(|flow| (title(flow), &flow.counts));
    let sums = report.sums.iter().map(|sum| {
        let many = sum.flows.map(|flows| format!("{} ", grouped(flows))).unwrap_or_default();
        let express = match sum.express {
            0 => String::new(),
            express => format!(", {} express", short(express)),
        };
        (format!("{} ({many}{}{express})", sum.vif, sum.kind), &sum.counts)
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
    let losses = || {
        report.ports.iter().flat_map(|port| port.losses.iter().map(move |(why, n)| (port, why, *n)))
    };
    let mut text = Table::fitting(|number| {
        Table::of(
            losses(),
            &[
                ("PORT", &|(port, ..)| port.name.clone()),
                ("REASON", &|(_, reason, _)| (*reason).clone()),
                (">LOST", &|(.., frames)| number(*frames)),
                (">RECEIVED", &|(port, ..)| number(port.received)),
                (">SHARE", &|(port, _, frames)| {
                    percent(permille(*frames, port.received.max(*frames)).unwrap_or(0))
                }),
            ],
        )
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

fn recorded_for(since: u64, until: u64) -> String {
    format!("in {}\n", span(until.saturating_sub(since)))
}

#[cfg(test)]
mod tests;
