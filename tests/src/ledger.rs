//! Checks weir's statistics once traffic has stopped.
//!
//! Invariant: received + copies = delivered + passed + lost, nothing in flight, and every frame of the
//! pool has an owner. All of this exactly, without tolerance; and no broken invariant was counted.

use weir_api::{PortReport, StatsReport};

/// Checks one report; the error names each sum that is off.
pub fn check(stats: &StatsReport) -> Result<(), String> {
    let (ledger, frames) = (&stats.ledger, &stats.frames);
    let mut wrong = Vec::new();
    if ledger.balance() != 0 {
        wrong.push(format!("in minus out is {}: {ledger:?}", ledger.balance()));
    }
    if ledger.in_flight != 0 {
        wrong.push(format!("{} frames are still in flight", ledger.in_flight));
    }
    if !ledger.balanced {
        wrong.push("the ledger does not call itself balanced".to_owned());
    }
    let named: u64 = ledger.lost_by_reason.values().sum();
    if named != ledger.lost {
        wrong.push(format!("the reasons add up to {named}, not to what was lost"));
    }
    if frames.accounted() != frames.total {
        wrong.push(format!("the frames' owners add up to {}: {frames:?}", frames.accounted()));
    }
    if stats.broken_invariants != 0 {
        wrong.push(format!("{} broken invariants", stats.broken_invariants));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

/// Frames lost under `reason`, over all ports.
pub fn lost_under(stats: &StatsReport, reason: &str) -> u64 {
    stats.ledger.lost_by_reason.get(reason).copied().unwrap_or(0)
}

/// A number of one port; 0 if there is no such port.
pub fn number(stats: &StatsReport, name: &str, of: impl Fn(&PortReport) -> u64) -> u64 {
    stats.port(name).map_or(0, of)
}

/// Frames that a port's guest sent and that were lost under `reason`.
pub fn port_lost(stats: &StatsReport, name: &str, reason: &str) -> u64 {
    number(stats, name, |port| port.lost_under(reason))
}

#[cfg(test)]
mod tests;
