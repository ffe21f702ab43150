//! `weir stats --ledger`: the sum, which must be exact, and its difference.

use super::paint::{Paint, Tone};
use super::{Table, WIDTH, grouped, percent, permille};
use weir_api::StatsReport;

/// The column in which the figures end.
const FIGURES: usize = 52;

fn line(label: &str, figure: &str) -> String {
    format!("{label:<24}{figure:>width$}\n", width = FIGURES - 24)
}

/// A sum, of which other lines above have `above`.
fn sum(above: u64, parts: &[(&str, u64)], total: &str) -> String {
    let mut text: String = parts.iter().map(|(name, part)| line(name, &grouped(*part))).collect();
    let all = parts.iter().fold(u128::from(above), |all, (_, part)| all + u128::from(*part));
    let all = u64::try_from(all).unwrap_or(u64::MAX);
    text.push_str(&line("", &"-".repeat(grouped(all).len())));
    text + &line(total, &grouped(all))
}

/// The whole ledger, and the census of the pool below it.
pub fn ledger(report: &StatsReport, paint: Paint) -> String {
    let ledger = &report.ledger;
    let mut text = line("LEDGER", "FRAMES");
    text += &sum(
        0,
        &[("  received", ledger.received), ("+ cut from superframes", ledger.copies)],
        "= to account for",
    );
    text.push('\n');
    text += &line("  delivered", &grouped(ledger.delivered));
    // Outside the column of the sum: the line above includes these frames.
    text += &format!("    of them {} by the express lane\n", grouped(ledger.express));
    let rest = [
        ("+ passed to the host", ledger.passed),
        ("+ lost", ledger.lost),
        ("+ in flight", ledger.in_flight),
    ];
    text += &sum(ledger.delivered, &rest, "= accounted for");
    text += &format!("balanced: {}\n\n", verdict(ledger.balanced, ledger.balance(), paint));
    text += &lost(report);
    let pool = &report.frames;
    text += &line("POOL", "FRAMES");
    text += &sum(
        0,
        &[
            ("  free", pool.free),
            ("+ in fill rings", pool.fill),
            ("+ received", pool.rx),
            ("+ held in queues", pool.held),
            ("+ being sent", pool.tx),
        ],
        "= accounted for",
    );
    let missing = i128::from(pool.total) - i128::from(pool.accounted());
    text + &format!("of {}: {}\n", grouped(pool.total), verdict(missing == 0, missing, paint))
}

fn verdict(balanced: bool, balance: i128, paint: Paint) -> String {
    let off = grouped(u64::try_from(balance.unsigned_abs()).unwrap_or(u64::MAX));
    let wrong = match balance {
        _ if balanced => return "yes".to_owned(),
        0.. => format!("NO, {off} vanished without a name"),
        _ => format!("NO, {off} counted twice"),
    };
    paint.paint(Tone::Bad, &wrong)
}

/// Every reason that occurred, the most frequent first, with its ports.
fn lost(report: &StatsReport) -> String {
    let ledger = &report.ledger;
    if ledger.lost_by_reason.is_empty() {
        return "nothing lost\n\n".to_owned();
    }
    let mut reasons: Vec<(&String, u64)> =
        ledger.lost_by_reason.iter().map(|(name, frames)| (name, *frames)).collect();
    reasons.sort_by_key(|(name, frames)| (std::cmp::Reverse(*frames), *name));
    let table = Table::of(
        reasons,
        &[
            ("LOST", &|(name, _)| (*name).clone()),
            (">FRAMES", &|(_, frames)| grouped(*frames)),
            (">SHARE", &|(_, frames)| percent(permille(*frames, ledger.lost.max(1)).unwrap_or(0))),
            ("AT", &|(name, _)| places(report, name)),
        ],
    );
    let cut = |line: &str| -> String { line.chars().take(WIDTH).chain(['\n']).collect() };
    let text: String = table.render().lines().map(cut).collect();
    text + "what the names mean: weir stats --help-counters\n\n"
}

/// `v1 4,000, v2 7`, the worst first.
pub(crate) fn places(report: &StatsReport, reason: &str) -> String {
    let lost = |port: &weir_api::PortReport| port.losses.get(reason).copied();
    let mut ports: Vec<(&str, u64)> =
        report.ports.iter().filter_map(|port| Some((port.name.as_str(), lost(port)?))).collect();
    ports.sort_by_key(|(_, frames)| std::cmp::Reverse(*frames));
    let named: Vec<String> =
        ports.iter().take(2).map(|(name, frames)| format!("{name} {}", grouped(*frames))).collect();
    let more = if ports.len() > 2 { format!(", {} more", ports.len() - 2) } else { String::new() };
    named.join(", ") + &more
}

#[cfg(test)]
mod tests;
