//! The output and the files of a forwarder that has stopped. Invariant: the exit code is about the
//! forwarding; a failed dump is only logged.

use std::path::Path;

use crate::observe::dump::files;
use crate::service::forwarder::FinalNumbers;
use weir_api::LedgerReport;

pub(super) fn write_dumps(last: &FinalNumbers, folder: &Path) {
    let Some((latency, flows)) = &last.measured else { return };
    let wrong = files::write_last(folder, &last.stats, latency, flows);
    for wrong in &wrong {
        tracing::error!("not dumped: {wrong}");
    }
    if wrong.is_empty() {
        tracing::info!("dumped what was measured into {}", folder.display());
    }
}

pub(super) fn summary(ledger: &LedgerReport) -> String {
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

/// ` (shed 3, shutdown 1)`; nothing if nothing was lost.
fn reasons(ledger: &LedgerReport) -> String {
    let each: Vec<String> =
        ledger.lost_by_reason.iter().map(|(reason, n)| format!("{reason} {n}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join(", ")) }
}

#[cfg(test)]
mod tests;
