//! What a forwarder that has stopped says and leaves behind.
//! Invariant: the exit code is about the forwarding; that a dump could not be written is only said.

use std::path::Path;

use crate::control::dump::files;
use crate::control::forwarder::Last;
use weir_api::{LedgerReport, StatsReport};

pub(super) fn leave(last: &Last, folder: &Path) {
    let (Some(latency), Some(flows)) = (&last.latency, &last.flows) else { return };
    let wrong = files::write_last(folder, &last.stats, latency, flows);
    for wrong in &wrong {
        tracing::error!("not dumped: {wrong}");
    }
    if wrong.is_empty() {
        tracing::info!("dumped what was measured into {}", folder.display());
    }
}

pub(super) fn say_goodbye(last: &StatsReport) {
    tracing::info!("stopped: {}", sum(&last.ledger));
}

fn sum(ledger: &LedgerReport) -> String {
    let express = match ledger.express {
        0 => String::new(),
        express => format!(" ({express} by the express lane)"),
    };
    format!(
        "received {} + copies {} = delivered {}{express} + passed {} + lost {}{} + in flight {}{}",
        ledger.received,
        ledger.copies,
        ledger.delivered,
        ledger.passed,
        ledger.lost,
        reasons(ledger),
        ledger.in_flight,
        if ledger.balanced { "" } else { " (NOT balanced: please report it)" }
    )
}

/// ` (shed 3, shutdown 1)`; nothing where nothing was lost.
fn reasons(ledger: &LedgerReport) -> String {
    let each: Vec<String> =
        ledger.lost_by_reason.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_went_by_the_express_lane_and_why_frames_were_lost() {
        let mut ledger = LedgerReport { received: 9, delivered: 9, ..LedgerReport::default() };
        let expected = "received 9 + copies 0 = delivered 9 + passed 0 + lost 0 + in flight 0";
        assert_eq!(sum(&ledger), expected);
        ledger = LedgerReport {
            received: 12,
            delivered: 8,
            express: 7,
            lost: 3,
            balanced: false,
            lost_by_reason: [("shed".to_owned(), 2), ("shutdown".to_owned(), 1)].into(),
            ..ledger
        };
        let expected = "received 12 + copies 0 = delivered 8 (7 by the express lane) + passed 0 \
                        + lost 3 (shed 2, shutdown 1) + in flight 0 (NOT balanced: please report it)";
        assert_eq!(sum(&ledger), expected);
    }
}
