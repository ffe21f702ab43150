//! Each source's part of each link, and how full its containers are: totals, or the difference of two
//! reports. Invariant: a share is a part of the link's traffic, not of its capacity, so the shares of a
//! link add up to the whole whatever its rate.

use std::collections::BTreeMap;

use super::paint::{Paint, Tone};
use super::{Table, WIDTH, per_second, percent, permille, short, time, uptime};
use weir_api::{Containers, LinkShare, PortReport, StatsReport, losses::change};
use weir_core::Role;

/// One source on one link.
struct Flow<'r> {
    from: &'r PortReport,
    link: &'r LinkShare,
    /// Bytes in the period shown.
    bytes: u64,
}

/// All links with traffic; with an earlier report, the traffic since then, per second.
pub fn shares(
    before: Option<&StatsReport>,
    after: &StatsReport,
    max_lines: Option<usize>,
    paint: Paint,
) -> String {
    // weir was restarted: its counts began at its start.
    let before = before.filter(|before| before.uptime_ns <= after.uptime_ns);
    let links = links(before, after, paint, |_| true);
    let containers = containers(before, after);
    let what = if before.is_some() { "per second" } else { "totals" };
    let mut text = format!("weir, up {}: {what}\n", uptime(after.uptime_ns));
    if links.is_empty() && containers.is_empty() {
        text.push_str("(nothing was sent)\n");
    }
    text += &links;
    if !links.is_empty() && !containers.is_empty() {
        text.push('\n');
    }
    text += &containers;
    cut(text, max_lines)
}

/// For `weir stats`: the links that are, or could be, contended.
pub(super) fn contended(report: &StatsReport, paint: Paint) -> String {
    let promised = |name: &str| {
        let to = report.port(name);
        to.is_some_and(|to| to.role == Role::Uplink || to.promise.rate_bps > 0)
    };
    let mut text = links(None, report, paint, |flows| {
        flows
            .iter()
            .any(|flow| flow.link.shed || flow.link.queued.packets > 0 || promised(&flow.link.to))
    });
    let containers = containers(None, report);
    if !text.is_empty() && !containers.is_empty() {
        text.push('\n');
    }
    text + &containers
}

fn links(
    before: Option<&StatsReport>,
    after: &StatsReport,
    paint: Paint,
    wanted: impl Fn(&[Flow<'_>]) -> bool,
) -> String {
    let mut flows: BTreeMap<&str, Vec<Flow<'_>>> = BTreeMap::new();
    for from in &after.ports {
        let earlier = before.and_then(|before| before.port(&from.name));
        for link in &from.links {
            let old = earlier.and_then(|port| port.link_to(&link.to));
            let bytes = link.bytes.saturating_sub(old.map_or(0, |old| old.bytes));
            if bytes > 0 || link.queued.packets > 0 || link.shed {
                flows.entry(&link.to).or_default().push(Flow { from, link, bytes });
            }
        }
    }
    flows.retain(|_, flows| wanted(flows));
    if flows.is_empty() {
        return String::new();
    }
    let elapsed_ns = before.map(|before| after.uptime_ns.saturating_sub(before.uptime_ns));
    let mut table = Table::new(&[
        "LINK / FROM      ",
        ">WEIGHT",
        ">  MIN",
        ">  MAX",
        if before.is_some() { ">BIT/S" } else { ">BYTES" },
        ">  SHARE",
        ">QUEUED",
        "SHED",
    ]);
    for (to, mut flows) in flows {
        let sum = |of: fn(&Flow<'_>) -> u64| flows.iter().map(of).fold(0, u64::saturating_add);
        let (bytes, queued) = (sum(|flow| flow.bytes), sum(|flow| flow.link.queued.bytes));
        let rate_bps = after.port(to).map_or(0, |to| to.promise.rate_bps);
        table.row(vec![
            to.to_owned(),
            String::new(),
            String::new(),
            or_dash(rate_bps),
            amount(bytes, elapsed_ns),
            String::new(),
            short(queued),
            String::new(),
        ]);
        flows.sort_by_key(|flow| std::cmp::Reverse(flow.bytes));
        for flow in flows {
            let promise = &flow.from.promise;
            table.row(vec![
                format!("  {}", flow.from.name),
                promise.weight.to_string(),
                or_dash(promise.min_rate_bps),
                or_dash(promise.max_rate_bps),
                amount(flow.bytes, elapsed_ns),
                percent(permille(flow.bytes, bytes).unwrap_or(0)),
                short(flow.link.queued.bytes),
                paint.paint(Tone::Warn, if flow.link.shed { "now" } else { "" }),
            ]);
        }
    }
    table.render()
}

fn containers(before: Option<&StatsReport>, after: &StatsReport) -> String {
    let of_port = |port: &'_ PortReport| {
        let earlier = before.and_then(|before| before.port(&port.name));
        let shed = |port: &PortReport| port.lost_under("shed");
        let shed = shed(port).saturating_sub(earlier.map_or(0, shed));
        (since(earlier.map(|port| &port.containers), &port.containers), shed)
    };
    let rows = after.ports.iter().map(|port| (port, of_port(port)));
    let rows: Vec<_> = rows.filter(|(_, (now, shed))| now.count() > 0 || *shed > 0).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mean = |sum: u64, now: &Containers, text: fn(u64) -> String| {
        sum.checked_div(now.count()).map_or("-".to_owned(), text)
    };
    Table::of(
        rows,
        &[
            ("CONTAINERS FROM", &|(port, _)| port.name.clone()),
            ("RELEASE ", &|(port, _)| port.promise.release.clone()),
            (">COUNT", &|(_, (now, _))| short(now.count())),
            ("> FILL", &|(_, (now, _))| mean(now.bytes, now, short)),
            (">  WAIT", &|(_, (now, _))| mean(now.wait_ns, now, time)),
            ("> SHED", &|(_, (_, shed))| short(*shed)),
            ("LET GO BECAUSE", &|(_, (now, _))| reasons(now)),
        ],
    )
    .render()
}

/// A port that went and came back counts from 0.
fn since(before: Option<&Containers>, after: &Containers) -> Containers {
    let nothing = Containers::default();
    let before = before.unwrap_or(&nothing);
    Containers {
        released: change(&after.released, &before.released),
        packets: after.packets.saturating_sub(before.packets),
        bytes: after.bytes.saturating_sub(before.bytes),
        wait_ns: after.wait_ns.saturating_sub(before.wait_ns),
    }
}

/// Bytes, or bits per second.
fn amount(bytes: u64, elapsed_ns: Option<u64>) -> String {
    let Some(elapsed_ns) = elapsed_ns else { return short(bytes) };
    short(per_second(bytes.saturating_mul(8), elapsed_ns).unwrap_or(0))
}

fn or_dash(rate_bps: u64) -> String {
    if rate_bps == 0 { "-".to_owned() } else { short(rate_bps) }
}

/// The two most frequent reasons; `full 91% idle 9%`.
fn reasons(containers: &Containers) -> String {
    let all = u128::from(containers.count());
    let mut reasons: Vec<(&str, u64)> = containers
        .released
        .iter()
        .map(|(reason, count)| {
            let share = (u128::from(*count) * 100 + all / 2).checked_div(all).unwrap_or(0);
            (reason.as_str(), share as u64)
        })
        .filter(|(_, share)| *share > 0)
        .collect();
    reasons.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
    let shown: Vec<String> =
        reasons.iter().take(2).map(|(reason, share)| format!("{reason} {share}%")).collect();
    shown.join(" ").chars().take(WIDTH - 56).collect()
}

fn cut(text: String, max_lines: Option<usize>) -> String {
    let lines = text.lines().count();
    let Some(most) = max_lines.filter(|most| lines > *most) else { return text };
    let kept = most.saturating_sub(1);
    let mut shown: String = text.lines().take(kept).flat_map(|line| [line, "\n"]).collect();
    shown += &format!("({} more lines are not shown)\n", lines - kept);
    shown
}

#[cfg(test)]
mod tests;
