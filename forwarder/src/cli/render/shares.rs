//! Who gets what of each link, and how the containers on the way there are filled: totals, or what
//! happened between two reports. Invariant: a share is a part of what went over the link, not of
//! what it could carry, so the shares of a link add up to the whole whatever its rate.

use std::collections::BTreeMap;

use super::{
    Align::{Left, Right},
    Table, WIDTH,
    paint::{Paint, Tone},
    percent, short, uptime,
};
use weir_api::{Containers, LinkShare, PortReport, StatsReport};
use weir_core::Role;

/// One source on one link.
struct Flow<'r> {
    from: &'r PortReport,
    link: &'r LinkShare,
    /// In the time that is looked at.
    bytes: u64,
}

/// `weir stats --shares`: all links that something went over. With an earlier report: what
/// happened since, per second, in at most `max_lines` lines.
pub fn shares(
    before: Option<&StatsReport>,
    after: &StatsReport,
    max_lines: Option<usize>,
    paint: Paint,
) -> String {
    // Another weir than before: what it counted, it counted since it started.
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
        let to = report.ports.iter().find(|port| port.name == name);
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
        let earlier = before.and_then(|before| named(before, &from.name));
        for link in &from.links {
            let old = earlier.and_then(|port| port.links.iter().find(|old| old.to == link.to));
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
        ("LINK / FROM      ", Left),
        ("WEIGHT", Right),
        ("  MIN", Right),
        ("  MAX", Right),
        (if before.is_some() { "BIT/S" } else { "BYTES" }, Right),
        ("  SHARE", Right),
        ("QUEUED", Right),
        ("SHED", Left),
    ]);
    for (to, mut flows) in flows {
        let sum = |of: fn(&Flow<'_>) -> u64| flows.iter().map(of).fold(0, u64::saturating_add);
        let (bytes, queued) = (sum(|flow| flow.bytes), sum(|flow| flow.link.queued.bytes));
        let rate_bps = named(after, to).map_or(0, |to| to.promise.rate_bps);
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
            let permille =
                (u128::from(flow.bytes) * 1000).checked_div(bytes.into()).unwrap_or(0) as u64;
            table.row(vec![
                format!("  {}", flow.from.name),
                promise.weight.to_string(),
                or_dash(promise.min_rate_bps),
                or_dash(promise.max_rate_bps),
                amount(flow.bytes, elapsed_ns),
                percent(permille),
                short(flow.link.queued.bytes),
                paint.paint(Tone::Warn, if flow.link.shed { "now" } else { "" }),
            ]);
        }
    }
    table.render()
}

fn containers(before: Option<&StatsReport>, after: &StatsReport) -> String {
    let mut table = Table::new(&[
        ("CONTAINERS FROM", Left),
        ("RELEASE ", Left),
        ("COUNT", Right),
        (" FILL", Right),
        ("  WAIT", Right),
        (" SHED", Right),
        ("LET GO BECAUSE", Left),
    ]);
    let mut any = false;
    for port in &after.ports {
        let earlier = before.and_then(|before| named(before, &port.name));
        let now = since(earlier.map(|port| &port.containers), &port.containers);
        let shed = |port: &PortReport| port.losses.get("shed").copied().unwrap_or(0);
        let shed = shed(port).saturating_sub(earlier.map_or(0, shed));
        let count = now.count();
        if count == 0 && shed == 0 {
            continue;
        }
        any = true;
        let mean = |sum: u64| sum.checked_div(count);
        table.row(vec![
            port.name.clone(),
            port.promise.release.clone(),
            short(count),
            mean(now.bytes).map_or("-".to_owned(), short),
            mean(now.wait_ns).map_or("-".to_owned(), time),
            short(shed),
            reasons(&now),
        ]);
    }
    if any { table.render() } else { String::new() }
}

fn named<'r>(report: &'r StatsReport, name: &str) -> Option<&'r PortReport> {
    report.ports.iter().find(|port| port.name == name)
}

/// A port that went and came again counts from 0.
fn since(before: Option<&Containers>, after: &Containers) -> Containers {
    let nothing = Containers::default();
    let before = before.unwrap_or(&nothing);
    let released = after.released.iter().map(|(reason, count)| {
        let earlier = before.released.get(reason).copied().unwrap_or(0);
        (reason.clone(), count.saturating_sub(earlier))
    });
    Containers {
        released: released.collect(),
        packets: after.packets.saturating_sub(before.packets),
        bytes: after.bytes.saturating_sub(before.bytes),
        wait_ns: after.wait_ns.saturating_sub(before.wait_ns),
    }
}

/// Bytes, or bits per second.
fn amount(bytes: u64, elapsed_ns: Option<u64>) -> String {
    let Some(elapsed_ns) = elapsed_ns else { return short(bytes) };
    let bits = u128::from(bytes) * 8 * 1_000_000_000;
    let rate = bits.checked_div(elapsed_ns.into()).unwrap_or(0);
    short(u64::try_from(rate).unwrap_or(u64::MAX))
}

fn or_dash(rate_bps: u64) -> String {
    if rate_bps == 0 { "-".to_owned() } else { short(rate_bps) }
}

/// `850ns`, `12.3us`.
pub(crate) fn time(ns: u64) -> String {
    let (unit, name) = match ns {
        0..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    match ns / unit {
        whole @ 0..100 => format!("{whole}.{}{name}", ns % unit * 10 / unit),
        whole => format!("{}{name}", whole.min(99_999)),
    }
}

/// The two most frequent; `full 91% idle 9%`.
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
mod tests {
    use super::*;
    use crate::cli::render::samples::shared;
    use weir_api::Queued;

    #[test]
    fn totals_by_link_and_by_source() {
        let expected = "\
weir, up 01:02:03: totals
LINK / FROM        WEIGHT    MIN    MAX  BYTES    SHARE  QUEUED  SHED
nic0                               200M  5.00M            12.3k
  v1                    4  20.0M   500M  4.00M   80.0 %   12.3k  now
  vnet-0123456789       1      -      -  1.00M   20.0 %       0
v1                                    -  3.00k                0
  nic0                  1      -      -  3.00k  100.0 %       0

CONTAINERS FROM  RELEASE   COUNT   FILL    WAIT   SHED  LET GO BECAUSE
v1               adaptive  1.00k  4.00k  12.3us  4.00k  full 91% idle 9%
";
        assert_eq!(shares(None, &shared(), None, Paint::PLAIN), expected);
        let contended = contended(&shared(), Paint::PLAIN);
        assert!(contended.contains("\nnic0 ") && !contended.contains("3.00k"), "{contended}");
        assert_eq!(contended.lines().count(), 7, "{contended}");
    }

    #[test]
    fn what_happened_between_two_reports() {
        let before = shared();
        let mut after = before.clone();
        after.uptime_ns += 2_000_000_000;
        let v1 = &mut after.ports[1];
        v1.links[0].bytes += 40_000_000;
        (v1.links[0].shed, v1.links[0].queued) = (false, Queued::default());
        v1.containers.bytes += 100 * 2_000;
        v1.containers.packets += 300;
        v1.containers.released.insert("timeout".to_owned(), 60);
        v1.containers.released.insert("playout".to_owned(), 40);
        after.ports[2].links[0].bytes += 10_000_000;
        let expected = "\
weir, up 01:02:05: per second
LINK / FROM        WEIGHT    MIN    MAX  BIT/S    SHARE  QUEUED  SHED
nic0                               200M   200M                0
  v1                    4  20.0M   500M   160M   80.0 %       0
  vnet-0123456789       1      -      -  40.0M   20.0 %       0

CONTAINERS FROM  RELEASE   COUNT   FILL    WAIT   SHED  LET GO BECAUSE
v1               adaptive    100  2.00k     0ns      0  timeout 60% playout 40%
";
        assert_eq!(shares(Some(&before), &after, Some(9), Paint::PLAIN), expected);
        let cut = shares(Some(&before), &after, Some(4), Paint::PLAIN);
        assert!(cut.ends_with("\n(5 more lines are not shown)\n"), "{cut}");
        assert_eq!(cut.lines().count(), 4);
        // Started anew: everything since then.
        assert!(shares(Some(&after), &before, None, Paint::PLAIN).contains(": totals\n"));
        assert!(
            shares(Some(&before), &before, None, Paint::PLAIN).contains("v1                    4")
        );
    }

    #[test]
    fn the_greatest_numbers_still_fit() {
        let mut report = shared();
        for port in &mut report.ports {
            port.name = "enp0s31f6np0v15".to_owned();
            let promise = &mut port.promise;
            promise.weight = 1000;
            (promise.min_rate_bps, promise.max_rate_bps) = (u64::MAX, u64::MAX);
            promise.rate_bps = u64::MAX;
            port.losses.insert("shed".to_owned(), u64::MAX);
            for link in &mut port.links {
                link.to = "enp0s31f6np0v15".to_owned();
                (link.bytes, link.shed) = (u64::MAX, true);
                link.queued = Queued { packets: u64::MAX, bytes: u64::MAX };
            }
            let reasons = ["timeout", "playout"].map(|name| (name.to_owned(), u64::MAX / 2));
            let released = reasons.into();
            (port.containers.released, port.containers.bytes) = (released, u64::MAX);
            port.containers.wait_ns = u64::MAX;
        }
        for text in [
            shares(None, &report, None, Paint::PLAIN),
            shares(Some(&shared()), &report, None, Paint::PLAIN),
        ] {
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        }
        for (ns, text) in
            [(999, "999ns"), (12_345, "12.3us"), (999_999, "999us"), (1_500_000, "1.5ms")]
        {
            assert_eq!(time(ns), text);
        }
        assert_eq!(
            shares(None, &StatsReport::default(), None, Paint::PLAIN).lines().nth(1),
            Some("(nothing was sent)")
        );
    }
}
