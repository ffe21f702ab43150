//! The live table, 80 columns: redrawn in place on a terminal, plain lines otherwise.

use anyhow::Result;
use serde_json::Value;
use std::io::{IsTerminal, Write, stdout};
use std::time::{Duration, Instant};

pub(crate) struct Table {
    last: Value,
    at: Instant,
    start: Instant,
    /// Lines drawn and to be drawn over; None where nothing may be redrawn.
    drawn: Option<usize>,
}

const HEAD: &str = "port   state      in kpps     in Mb/s    out kpps    out Mb/s          lost";

impl Table {
    pub(crate) fn new(first: Value) -> Self {
        let now = Instant::now();
        let terminal =
            stdout().is_terminal() && std::env::var_os("TERM").is_some_and(|t| t != "dumb");
        Self { last: first, at: now, start: now, drawn: terminal.then_some(0) }
    }

    pub(crate) fn period(&self) -> Duration {
        Duration::from_millis(if self.drawn.is_some() { 500 } else { 1000 })
    }

    pub(crate) fn update(&mut self, stats: Value) -> Result<()> {
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

    fn page(&self, stats: &Value, seconds: f64) -> String {
        let mut page = format!("{HEAD}\n");
        for port in stats["ports"].as_array().into_iter().flatten() {
            let before = find(&self.last, &port["name"]);
            let kpps = |way: &str| rate(port, before, way, "frames", seconds) / 1e3;
            let mbps = |way: &str| rate(port, before, way, "bytes", seconds) * 8.0 / 1e6;
            page += &format!(
                "{:<6} {:<6} {:>11.1} {:>11.1} {:>11.1} {:>11.1} {:>13}\n",
                text(&port["name"]),
                text(&port["state"]),
                kpps("rx"),
                mbps("rx"),
                kpps("tx"),
                mbps("tx"),
                sum(&port["losses"]),
            );
        }
        page + &format!("{:.0} s\n", self.start.elapsed().as_secs_f64())
    }

    fn line(&self, stats: &Value, seconds: f64) -> String {
        let total = |way: &str, what: &str| -> f64 {
            let ports = stats["ports"].as_array().into_iter().flatten();
            ports.map(|port| rate(port, find(&self.last, &port["name"]), way, what, seconds)).sum()
        };
        format!(
            "{:>3.0} s  in {:>8.1} kpps {:>9.1} Mb/s   out {:>8.1} kpps {:>9.1} Mb/s   lost {}\n",
            self.start.elapsed().as_secs_f64(),
            total("rx", "frames") / 1e3,
            total("rx", "bytes") * 8.0 / 1e6,
            total("tx", "frames") / 1e3,
            total("tx", "bytes") * 8.0 / 1e6,
            stats["ledger"]["lost"],
        )
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

fn find<'a>(stats: &'a Value, name: &Value) -> &'a Value {
    static NONE: Value = Value::Null;
    let ports = stats["ports"].as_array();
    ports.and_then(|ports| ports.iter().find(|port| port["name"] == *name)).unwrap_or(&NONE)
}

fn rate(port: &Value, before: &Value, way: &str, what: &str, seconds: f64) -> f64 {
    let at = |port: &Value| port[way][what].as_u64().unwrap_or(0);
    at(port).saturating_sub(at(before)) as f64 / seconds
}

fn sum(losses: &Value) -> u64 {
    losses.as_object().map_or(0, |all| all.values().filter_map(Value::as_u64).sum())
}

/// The ledger as a sum that can be checked by eye.
pub(crate) fn ledger(stats: &Value) -> String {
    let ledger = &stats["ledger"];
    let field = |name: &str| ledger[name].as_u64().unwrap_or(0);
    let mut page = String::from("ledger, in frames (a superframe is one)\n");
    for (sign, name) in [
        (' ', "received"),
        ('+', "copies"),
        ('-', "delivered"),
        ('-', "passed"),
        ('-', "lost"),
        ('-', "in_flight"),
    ] {
        page += &format!("  {sign} {name:<10} {:>12}\n", field(name));
    }
    let left = (field("received") + field("copies")) as i128
        - ["delivered", "passed", "lost", "in_flight"]
            .map(|name| i128::from(field(name)))
            .iter()
            .sum::<i128>();
    page += &format!("  = {:<10} {left:>12}\n", if left == 0 { "balanced" } else { "UNBALANCED" });
    for (reason, count) in ledger["lost_by_reason"].as_object().into_iter().flatten() {
        if count.as_u64() > Some(0) {
            page += &format!("      under {reason}: {count}\n");
        }
    }
    page
}
