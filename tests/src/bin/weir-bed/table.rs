//! The live table, 80 columns: redrawn in place on a terminal, plain lines otherwise.

use anyhow::Result;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};
use weir_api::{PortReport, StatsReport, Traffic};

pub(crate) struct Table {
    last: StatsReport,
    at: Instant,
    start: Instant,
    /// Lines drawn and to be drawn over; None where nothing may be redrawn.
    drawn: Option<usize>,
}

const HEAD: &str = "port   state      in kpps     in Mb/s    out kpps    out Mb/s          lost";

impl Table {
    pub(crate) fn new(first: StatsReport) -> Self {
        let now = Instant::now();
        let terminal =
            stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|t| t != "dumb");
        Self { last: first, at: now, start: now, drawn: terminal.then_some(0) }
    }

    pub(crate) fn period(&self) -> Duration {
        Duration::from_millis(if self.drawn.is_some() { 500 } else { 1000 })
    }

    pub(crate) fn update(&mut self, stats: StatsReport) -> Result<()> {
        let seconds = self.at.elapsed().as_secs_f64().max(1e-3);
        let text = if self.drawn.is_some() {
            self.page(&stats, seconds)
        } else {
            self.line(&stats, seconds)
        };
        let mut out = stdout().lock();
        if let Some(drawn) = self.drawn.filter(|drawn| *drawn > 0) {
            // Up over the old page, and clear what is below.
            write!(out, "\x1b[{drawn}A\x1b[J")?;
        }
        out.write_all(text.as_bytes())?;
        out.flush()?;
        self.drawn = self.drawn.map(|_| text.lines().count());
        self.last = stats;
        self.at = Instant::now();
        Ok(())
    }

    fn page(&self, stats: &StatsReport, seconds: f64) -> String {
        let mut page = format!("{HEAD}\n");
        for port in &stats.ports {
            let [rx, tx] = self.rates(port, seconds);
            page += &format!(
                "{:<6} {:<6} {:>11.1} {:>11.1} {:>11.1} {:>11.1} {:>13}\n",
                port.name,
                port.state.name(),
                rx.kpps,
                rx.mbps,
                tx.kpps,
                tx.mbps,
                port.lost(),
            );
        }
        page + &format!("{:.0} s\n", self.start.elapsed().as_secs_f64())
    }

    fn line(&self, stats: &StatsReport, seconds: f64) -> String {
        let mut all = [Rate::default(); 2];
        for port in &stats.ports {
            for (sum, rate) in all.iter_mut().zip(self.rates(port, seconds)) {
                *sum = Rate { kpps: sum.kpps + rate.kpps, mbps: sum.mbps + rate.mbps };
            }
        }
        let [rx, tx] = all;
        format!(
            "{:>3.0} s  in {:>8.1} kpps {:>9.1} Mb/s   out {:>8.1} kpps {:>9.1} Mb/s   lost {}\n",
            self.start.elapsed().as_secs_f64(),
            rx.kpps,
            rx.mbps,
            tx.kpps,
            tx.mbps,
            stats.ledger.lost,
        )
    }

    /// In and out, since the last look.
    fn rates(&self, port: &PortReport, seconds: f64) -> [Rate; 2] {
        let before = self.last.port(&port.name);
        let rate = |now: &Traffic, before: Option<&Traffic>| {
            let before = before.copied().unwrap_or_default();
            let each = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            Rate {
                kpps: each(now.frames, before.frames) / 1e3,
                mbps: each(now.bytes, before.bytes) * 8.0 / 1e6,
            }
        };
        let of = |traffic: fn(&PortReport) -> &Traffic| rate(traffic(port), before.map(traffic));
        [of(|port| &port.rx), of(|port| &port.tx)]
    }
}

#[derive(Clone, Copy, Default)]
struct Rate {
    kpps: f64,
    mbps: f64,
}

/// The ledger as a sum that can be checked by eye.
pub(crate) fn ledger(stats: &StatsReport) -> String {
    let ledger = &stats.ledger;
    let mut page = String::from("ledger, in frames (a superframe is one)\n");
    for (sign, name, frames) in [
        (' ', "received", ledger.received),
        ('+', "copies", ledger.copies),
        ('-', "delivered", ledger.delivered),
        ('-', "passed", ledger.passed),
        ('-', "lost", ledger.lost),
        ('-', "in_flight", ledger.in_flight),
    ] {
        page += &format!("  {sign} {name:<10} {frames:>12}\n");
    }
    let left = ledger.balance();
    page += &format!("  = {:<10} {left:>12}\n", if left == 0 { "balanced" } else { "UNBALANCED" });
    for (reason, count) in &ledger.lost_by_reason {
        page += &format!("      under {reason}: {count}\n");
    }
    page
}
