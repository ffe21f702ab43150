//! By which lane each port's frames went. Invariant: told where there is more than one lane: with
//! everything scheduled, RX and TX say it all.

use super::{
    Align::{Left, Right},
    Table, percent, time,
};
use weir_api::{Amount, LinkLane, PortReport, StatsReport};

/// For `weir stats`: what ports sent (RX) and what they were delivered (TX), by lane; empty where the
/// workers did it all.
pub(super) fn lanes(report: &StatsReport) -> String {
    let told: Vec<&PortReport> = report.ports.iter().filter(|port| has_others(port)).collect();
    if told.is_empty() {
        return String::new();
    }
    Table::fitting(|number| {
        let mut table = Table::new(&[
            ("LANES", Left),
            ("RX EXPRESS", Right),
            ("RX SCHEDULED", Right),
            ("RX BRIDGE", Right),
            ("TX EXPRESS", Right),
            ("TX SCHEDULED", Right),
        ]);
        for port in &told {
            let (rx, tx) = (&port.lanes, &port.tx_lanes);
            let lanes = [rx.express, rx.scheduled, rx.bridge, tx.express, tx.scheduled];
            let frames = lanes.map(|amount| number(amount.frames));
            table.row([port.name.clone()].into_iter().chain(frames).collect());
        }
        table
    })
}

/// For `weir stats`: by which lane frames reach the links with a rate, how often each has passed to its scheduler, what part of
/// it the gate handed over, and what the host and the bridge sent.
pub(super) fn links(report: &StatsReport) -> String {
    let rated: Vec<(&PortReport, LinkLane)> =
        report.ports.iter().filter_map(|port| Some((port, port.link?))).collect();
    if rated.is_empty() {
        return String::new();
    }
    let mut text = Table::fitting(|number| {
        let mut table = Table::new(&[
            ("LINKS", Left),
            ("LANE", Left),
            ("FLIPS", Right),
            ("EXPRESS", Right),
            ("HOST FRAMES", Right),
            ("HOST BYTES", Right),
            ("AHEAD", Right),
        ]);
        for (port, link) in &rated {
            let express = express(port, link).map_or_else(|| "-".to_owned(), percent);
            table.row(vec![
                port.name.clone(),
                link.lane.name().to_owned(),
                number(link.closings),
                express,
                number(link.charged.frames),
                number(link.charged.bytes),
                time(link.ahead_ns),
            ]);
        }
        table
    });
    for (port, _) in rated.iter().filter(|(_, link)| link.is_full()) {
        let name = &port.name;
        text += &format!("link {name}: host and bridge send all that it takes, no room is left\n");
    }
    text
}

/// Of the bytes that were sent to a link, those that the gate handed over, in thousandths.
fn express(port: &PortReport, link: &LinkLane) -> Option<u64> {
    let bytes = |amount: Amount| u128::from(amount.bytes);
    let lanes = &port.tx_lanes;
    let all = bytes(lanes.express) + bytes(lanes.scheduled) + bytes(link.charged);
    u64::try_from((1000 * bytes(lanes.express)).checked_div(all)?).ok()
}

/// Whether anything went by another lane than a worker's.
fn has_others(port: &PortReport) -> bool {
    let others = [port.lanes.express, port.lanes.bridge, port.tx_lanes.express];
    others.iter().any(|amount| *amount != Amount::default())
}

#[cfg(test)]
mod tests;
