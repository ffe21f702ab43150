//! `weir stats --watch`: rates from two reports. Invariant: the time between them is weir's own (its
//! uptime), so that a slow answer does not distort a rate.

use super::paint::{Paint, Tone};
use super::ports::{limits, state, worker_line};
use super::{Table, grouped, per_second, short, uptime};
use weir_api::{PortReport, Regimes, StatsReport, WorkerReport};

/// Rates per second, of one port or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub rx_pps: u64,
    pub rx_bps: u64,
    pub tx_pps: u64,
    pub tx_bps: u64,
    pub lost_ps: u64,
}

impl Rates {
    /// The difference over `elapsed_ns`; a port that is new, or came back, counts from 0.
    pub fn between(before: Option<&PortReport>, after: &PortReport, elapsed_ns: u64) -> Self {
        let rate = |of: fn(&PortReport) -> u64, unit: u64| {
            let happened = of(after).saturating_sub(before.map_or(0, of));
            per_second(happened.saturating_mul(unit), elapsed_ns).unwrap_or(0)
        };
        Self {
            rx_pps: rate(|port| port.rx.frames, 1),
            rx_bps: rate(|port| port.rx.bytes, 8),
            tx_pps: rate(|port| port.tx.frames, 1),
            tx_bps: rate(|port| port.tx.bytes, 8),
            lost_ps: rate(PortReport::lost, 1),
        }
    }

    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            rx_pps: self.rx_pps.saturating_add(other.rx_pps),
            rx_bps: self.rx_bps.saturating_add(other.rx_bps),
            tx_pps: self.tx_pps.saturating_add(other.tx_pps),
            tx_bps: self.tx_bps.saturating_add(other.tx_bps),
            lost_ps: self.lost_ps.saturating_add(other.lost_ps),
        }
    }
}

/// The rates between two reports; if not all ports fit `max_lines`, the busiest are shown.
pub fn watch(
    before: &StatsReport,
    after: &StatsReport,
    max_lines: Option<usize>,
    paint: Paint,
) -> String {
    // weir was restarted: its counts began at its start.
    let restarted = after.uptime_ns < before.uptime_ns;
    let nothing = StatsReport::default();
    let before = if restarted { &nothing } else { before };
    let elapsed_ns = after.uptime_ns.saturating_sub(before.uptime_ns);
    let mut rows: Vec<(usize, &PortReport, Rates)> = after
        .ports
        .iter()
        .enumerate()
        .map(|(i, port)| (i, port, Rates::between(before.port(&port.name), port, elapsed_ns)))
        .collect();
    let total = rows.iter().fold(Rates::default(), |sum, row| sum.add(row.2));
    // Heading, column names, sum, and a line for each worker.
    let around = 3 + after.worker.len();
    let room = max_lines.map_or(usize::MAX, |lines| lines.saturating_sub(around).max(1));
    let hidden = rows.len().saturating_sub(room);
    if hidden > 0 {
        rows.sort_by_key(|(_, _, rates)| std::cmp::Reverse(rates.rx_bps.max(rates.tx_bps)));
        // One line is needed for the number of ports that are not shown.
        rows.truncate(room.saturating_sub(1).max(1));
        rows.sort_by_key(|(i, _, _)| *i);
    }
    let lost = after.ports.iter().map(PortReport::lost).fold(0, u64::saturating_add);
    let lines = rows.iter().map(|(_, port, rates)| {
        (port.name.as_str(), state(port.state, paint), *rates, port.lost())
    });
    let rendered = Table::of(
        lines.chain([("all", String::new(), total, lost)]),
        &[
            ("PORT           ", &|(name, ..)| (*name).to_owned()),
            ("STATE", &|(_, state, ..)| state.clone()),
            ("> RX PPS", &|(_, _, rates, _)| short(rates.rx_pps)),
            (">RX BIT/S", &|(_, _, rates, _)| short(rates.rx_bps)),
            ("> TX PPS", &|(_, _, rates, _)| short(rates.tx_pps)),
            (">TX BIT/S", &|(_, _, rates, _)| short(rates.tx_bps)),
            ("> LOST/S", &|(_, _, rates, _)| {
                paint.paint(Tone::of_losses(rates.lost_ps), &short(rates.lost_ps))
            }),
            (">  LOST", &|(.., lost)| short(*lost)),
        ],
    )
    .render();
    let (ports, sum) = rendered.trim_end().rsplit_once('\n').unwrap_or((&rendered, ""));
    let again = if restarted { ", restarted" } else { "" };
    let mut text = format!(
        "weir, up {}{again}: {} ports, {} frames in flight, {}\n",
        uptime(after.uptime_ns),
        grouped(after.ports.len() as u64),
        grouped(after.ledger.in_flight),
        match after.ledger.balanced {
            true => "ledger balanced".to_owned(),
            false => paint.paint(Tone::Bad, "LEDGER NOT BALANCED"),
        },
    );
    text.extend([ports, "\n"]);
    if hidden > 0 {
        let hidden = after.ports.len() - rows.len();
        text += &format!("({hidden} quieter ports are not shown)\n");
    }
    text.extend([sum, "\n"]);
    text + &workers(before, after)
}

/// The regimes of each worker's time between two reports.
fn workers(before: &StatsReport, after: &StatsReport) -> String {
    let line = |worker: &WorkerReport| worker_line(worker, &since(Some(before), worker));
    after.worker.iter().map(line).chain(limits(after)).collect()
}

/// The regimes of a worker's time since an earlier report, if there is one.
pub(crate) fn since(before: Option<&StatsReport>, worker: &WorkerReport) -> Regimes {
    let workers = before.map_or(&[][..], |before| &before.worker);
    let earlier = workers.iter().find(|earlier| earlier.core == worker.core);
    let since = |of: fn(&Regimes) -> u64| {
        of(&worker.regimes).saturating_sub(earlier.map_or(0, |earlier| of(&earlier.regimes)))
    };
    Regimes::of(since(|r| r.busy.ns), since(|r| r.idle.ns), since(|r| r.back_pressured.ns))
}

#[cfg(test)]
mod tests;
