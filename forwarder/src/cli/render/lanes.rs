//! The lanes of each port's frames. Invariant: shown only if more than one lane was used: otherwise RX
//! and TX say everything.

use super::{Table, percent, permille, time};
use weir_api::{Amount, LinkLane, PortReport, StatsReport};

/// For `weir stats`: the frames that ports sent (RX) and that were delivered to them (TX), by lane;
/// empty if the workers handled all.
pub(super) fn lanes(report: &StatsReport) -> String {
    let told: Vec<&PortReport> = report.ports.iter().filter(|port| has_others(port)).collect();
    if told.is_empty() {
        return String::new();
    }
    Table::fitting(|number| {
        Table::of(
            told.iter().copied(),
            &[
                ("LANES", &|port| port.name.clone()),
                (">RX EXPRESS", &|port| number(port.lanes.express.frames)),
                (">RX SCHEDULED", &|port| number(port.lanes.scheduled.frames)),
                (">RX BRIDGE", &|port| number(port.lanes.bridge.frames)),
                (">TX EXPRESS", &|port| number(port.tx_lanes.express.frames)),
                (">TX SCHEDULED", &|port| number(port.tx_lanes.scheduled.frames)),
            ],
        )
    })
}

/// For `weir stats`: the present lane of each link with a rate, how often it has passed to its
/// scheduler, the gate's part of its traffic, and the traffic of the host and the bridge.
pub(super) fn links(report: &StatsReport) -> String {
    let rated: Vec<(&PortReport, LinkLane)> =
        report.ports.iter().filter_map(|port| Some((port, port.link?))).collect();
    if rated.is_empty() {
        return String::new();
    }
    let mut text = Table::fitting(|number| {
        Table::of(
            rated.iter().copied(),
            &[
                ("LINKS", &|(port, _)| port.name.clone()),
                ("LANE", &|(_, link)| link.lane.to_string()),
                (">FLIPS", &|(_, link)| number(link.closings)),
                (">EXPRESS", &|(port, link)| {
                    express(port, link).map_or_else(|| "-".to_owned(), percent)
                }),
                (">HOST FRAMES", &|(_, link)| number(link.charged.frames)),
                (">HOST BYTES", &|(_, link)| number(link.charged.bytes)),
                (">AHEAD", &|(_, link)| time(link.ahead_ns)),
            ],
        )
    });
    for (port, _) in rated.iter().filter(|(_, link)| link.is_full()) {
        let name = &port.name;
        text += &format!("link {name}: host and bridge send all that it takes, no room is left\n");
    }
    text
}

/// The gate's part of the bytes sent to a link, in thousandths.
fn express(port: &PortReport, link: &LinkLane) -> Option<u64> {
    let lanes = &port.tx_lanes;
    permille(lanes.express.bytes, (lanes.express + lanes.scheduled + link.charged).bytes)
}

/// Whether any frame used a lane other than a worker's.
fn has_others(port: &PortReport) -> bool {
    let others = [port.lanes.express, port.lanes.bridge, port.tx_lanes.express];
    others.iter().any(|amount| *amount != Amount::default())
}

#[cfg(test)]
mod tests;
