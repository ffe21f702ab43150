//! The links with a rate: lane, load, senders, changes of lane. Invariant: the load is everything sent
//! to the link, by the gate, by a worker, and by the host and the bridge.

use super::grid::{Cell, Declared, Grid, Row, columns};
use super::model::Span;
use crate::cli::render::{paint::Tone, permille, short, time};
use weir_api::{Amount, LaneNow, LinkLane, PortReport};

columns! {
    fn cells(span: &Span<'_>, port: &PortReport, link: &LinkLane) {
        let before = span.stats_before().and_then(|before| {
            let port = before.port(&port.name)?;
            Some((port, port.link?))
        });
        let sent = |now: Amount, earlier: fn(&PortReport, &LinkLane) -> Amount| {
            before.map(|(port, link)| now.since(earlier(port, &link)).bytes)
        };
        let express = sent(port.tx_lanes.express, |port, _| port.tx_lanes.express);
        let scheduled = sent(port.tx_lanes.scheduled, |port, _| port.tx_lanes.scheduled);
        let host = sent(link.charged, |_, link| link.charged);
        let could = span.elapsed_ns().map(|ns| {
            let bytes = u128::from(port.promise.rate_bps) * u128::from(ns) / 8_000_000_000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        });
        let of_rate = |bytes: Option<u64>| permille(bytes?, could?);
        let all = [express, scheduled, host]
            .into_iter()
            .try_fold(0, |sum: u64, of| Some(sum.saturating_add(of?)));
        let part = |of: Option<u64>| Cell::number(of, |permille| format!("{}%", permille / 10));
        let flips = before.and_then(|(_, before)| span.per_second(before.closings, link.closings));
        let lane = Cell::text(link.lane.to_string());
        let lane = if link.lane == LaneNow::Scheduled { lane.toned(Tone::Warn) } else { lane };
        let ahead = Cell::number(Some(link.ahead_ns), time);
    }
    "link" "LINK" Text, 0 => Cell::text(&port.name);
    "lane" "LANE" Mark(9), 1 => lane;
    "rate" "RATE" Number(5), 6 => Cell::number(Some(port.promise.rate_bps), short);
    "taken" "TAKEN" Number(6), 2 => part(of_rate(all));
    "express" "EXPR" Number(5), 4 => part(of_rate(express));
    "host" "HOST" Number(5), 5 => part(of_rate(host));
    "flips" "FLIPS" Number(6), 3 => Cell::number(Some(link.closings), short);
    "flips/s" "FLIP/S" Number(7), 8 => Cell::number(flips, short);
    "queue" "QUEUE" Number(6), 7 => Cell::number(Some(port.queued.bytes), short);
    "ahead" "AHEAD" Number(6), 9 => if link.is_full() { ahead.toned(Tone::Bad) } else { ahead };
}

pub(super) static VIEW: Declared = Declared {
    columns: COLUMNS,
    by: "link",
    help: &[
        (
            "LANE",
            "express: the gate hands frames over; scheduled: a source waits, and a worker sends",
        ),
        ("RATE", "bit/s that may be sent to it"),
        ("TAKEN", "the part of RATE that was sent, by all"),
        ("EXPR", "that which the gate handed over, of RATE"),
        ("HOST", "that which the host and the bridge sent, past weir, of RATE"),
        ("FLIPS", "how often it passed to its scheduler; FLIP/S: in the last interval"),
        ("QUEUE", "bytes that wait for it"),
        ("AHEAD", "how far what was sent is ahead of RATE; above 20ms the host leaves no room"),
    ],
    grid,
};

fn grid(span: &Span<'_>) -> Grid {
    let ports = span.after.stats.ports.iter();
    let rows = ports.filter_map(|port| Some(Row::of(cells(span, port, &port.link?)))).collect();
    Grid { columns: COLUMNS, rows, empty: "(no port has a rate)".to_owned() }
}

#[cfg(test)]
pub(super) mod tests;
