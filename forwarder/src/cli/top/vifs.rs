//! The ports: traffic, shares, promises, residence, losses. Invariant: a port's share is that of the
//! link on which it fares worst, so that trouble anywhere shows.

use super::grid::{Cell, Declared, Grid, Row, WIDE, columns};
use super::model::Span;
use super::sample::Measured;
use crate::cli::render::{Rates, paint::Tone, permille, short, time};
use weir_api::{Amount, Lanes, LinkShare, PortReport, State};
use weir_core::Choice as _;

columns! {
    fn cells(span: &Span<'_>, port: &PortReport) {
        let rates = span.rates(port);
        let rate = |of: fn(Rates) -> u64| Cell::number(rates.map(of), short);
        let share = share(span, port);
        let link = share.as_ref().map(|share| share.link);
        let part = |of: Option<u64>| Cell::number(of, |permille| format!("{}%", permille / 10));
        let queued = port.links.iter().map(|link| link.queued.bytes).fold(0, u64::saturating_add);
        let shed = port.links.iter().any(|link| link.shed);
        let lost = rates.map_or(0, |rates| rates.lost_ps);
        let rate_or_dash = |bps: u64| Cell::number((bps > 0).then_some(bps), short);
        let (p50, p99) = residence(span, port);
    }
    "name" "NAME" Text, 0 => Cell::text(&port.name);
    "state" "STATE" Mark(5), 6 => Cell::text(state(port.state)).toned(Tone::of_state(port.state));
    "rx" "RX" Number(5), 1 => rate(|rates| rates.rx_bps);
    "tx" "TX" Number(5), 2 => rate(|rates| rates.tx_bps);
    "frames" "FR/S" Number(5), 11 => rate(|rates| rates.rx_pps.saturating_add(rates.tx_pps));
    "express" "EXPR" Number(5), 12 => part(express(span, port));
    "share" "SHARE" Number(6), 5 => part(share.as_ref().map(|share| share.permille));
    "due" "DUE" Number(4), 9 => part(share.as_ref().and_then(|share| share.due_permille));
    "queue" "QUEUE" Number(6), 7 => Cell::number(Some(queued), short);
    "shed" "SHED" Mark(4), 8 => Cell::text(if shed { "shed" } else { "" }).toned(Tone::Warn);
    "p50" "P50" Number(6), 10 => Cell::number(p50, time);
    "p99" "P99" Number(6), 4 => Cell::number(p99, time);
    "lost" "LOST" Number(5), 3 => rate(|rates| rates.lost_ps).toned(Tone::of_losses(lost));
    "link" "OF LINK" Text, WIDE => Cell::text(link.map_or("-", |link| link.to.as_str()));
    "weight" "WEIGHT" Number(6), WIDE + 1 =>
        Cell::number(Some(port.promise.weight), |weight| weight.to_string());
    "min" "MIN" Number(5), WIDE + 2 => rate_or_dash(port.promise.min_rate_bps);
    "max" "MAX" Number(5), WIDE + 3 => rate_or_dash(port.promise.max_rate_bps);
    "mode" "MODE" Mark(9), WIDE + 4 => Cell::text(port.mode.to_string());
}

pub(super) static VIEW: Declared = Declared {
    columns: COLUMNS,
    by: "name",
    help: &[
        ("RX TX", "bit/s that the port sent, and that were delivered to it"),
        ("FR/S", "frames a second, both ways; a superframe is one"),
        ("EXPR", "the part of what it sent that the gate handed over, without a worker"),
        ("SHARE", "its part of what went over its most contended link (OF LINK)"),
        ("DUE", "its part by what it was promised: WEIGHT, MIN and MAX, among those that send"),
        ("QUEUE", "bytes of it that wait; SHED: more than may, dropped at its own core"),
        ("P50 P99", "how long its packets stayed at a worker, in the last interval"),
        ("LOST", "frames a second; view 3 says why"),
    ],
    grid,
};

fn grid(span: &Span<'_>) -> Grid {
    let ports = &span.after.stats.ports;
    let rows = ports.iter().map(|port| Row::of(cells(span, port))).collect();
    Grid { columns: COLUMNS, rows, empty: "(no ports yet)".to_owned() }
}

fn state(state: State) -> &'static str {
    match state {
        State::Failed => "fail",
        State::Stopped => "stop",
        state => state.name(),
    }
}

/// Residence times of packets that the port sent and that were delivered since the sample before.
fn residence(span: &Span<'_>, port: &PortReport) -> (Option<u64>, Option<u64>) {
    let Measured::On(latency) = &span.after.latency else { return (None, None) };
    let before = span.before.and_then(|before| before.latency.on());
    let times = latency.since(before, &port.name).filter(|times| !times.is_empty());
    let at = |quantile: f64| times.as_ref().map(|times| times.value_at_quantile(quantile));
    (at(0.5), at(0.99))
}

/// The express part of the bytes that the port sent since the sample before; `None` if it sent none.
fn express(span: &Span<'_>, port: &PortReport) -> Option<u64> {
    let before = span.stats_before()?.port(&port.name);
    let before = before.map_or_else(Lanes::default, |before| before.lanes);
    let sent = |of: fn(&Lanes) -> Amount| of(&port.lanes).bytes.saturating_sub(of(&before).bytes);
    let express = sent(|lanes| lanes.express);
    permille(express, sent(|lanes| lanes.express + lanes.scheduled + lanes.bridge))
}

/// A port's part of a link, and its promise there.
struct Share<'s> {
    link: &'s LinkShare,
    permille: u64,
    /// `None` for the only source of a link without a rate.
    due_permille: Option<u64>,
}

/// The link on which the port is shed, or else has the largest backlog, or else sends the most.
fn share<'s>(span: &Span<'s>, port: &'s PortReport) -> Option<Share<'s>> {
    let sent = |port: &PortReport, link: &LinkShare| {
        let before =
            span.stats_before().and_then(|before| before.port(&port.name)?.link_to(&link.to));
        link.bytes.saturating_sub(before.map_or(0, |before| before.bytes))
    };
    let hardest = |link: &&LinkShare| (link.shed, link.queued.bytes, sent(port, link));
    let link = port.links.iter().max_by_key(hardest)?;
    let wants = |port: &PortReport, link: &LinkShare| {
        link.shed || link.queued.packets > 0 || sent(port, link) > 0
    };
    if !wants(port, link) {
        return None;
    }
    let (mut bytes, mut weights, mut sources) = (0_u64, 0_u64, 0);
    let ports = &span.after.stats.ports;
    for other in ports {
        let Some(theirs) = other.link_to(&link.to) else { continue };
        bytes = bytes.saturating_add(sent(other, theirs));
        if wants(other, theirs) {
            weights = weights.saturating_add(other.promise.weight);
            sources += 1;
        }
    }
    let rate_bps = span.after.stats.port(&link.to).map_or(0, |to| to.promise.rate_bps);
    let promise = &port.promise;
    let by_weight = permille(promise.weight, weights)?;
    let of_rate = |bps: u64| permille(bps, rate_bps).filter(|_| bps > 0);
    let due = by_weight.max(of_rate(promise.min_rate_bps).unwrap_or(0));
    let due = due.min(of_rate(promise.max_rate_bps).unwrap_or(1000)).min(1000);
    let due_permille = (sources > 1 || of_rate(promise.max_rate_bps).is_some()).then_some(due);
    Some(Share { link, permille: permille(sent(port, link), bytes).unwrap_or(0), due_permille })
}

#[cfg(test)]
mod tests;
