//! Text for people: tables that align and fit a terminal of 80 columns. Invariant: pure functions
//! from reports to text, so that every picture is tested as it is printed.

mod config;
mod counters;
mod dump;
mod lanes;
mod ledger;
pub(crate) mod paint;
mod ports;
pub(crate) mod probe;
pub(crate) mod screen;
mod shares;
mod watch;

use self::paint::len;
pub use self::{
    config::{changes, config},
    counters::counters,
    dump::{flow_losses, flows, latency, losses, span},
    ledger::ledger,
    paint::Paint,
    ports::{port_list, stats},
    shares::shares,
    watch::{Rates, watch},
};
pub(crate) use self::{ledger::places, shares::time, watch::since};
#[cfg(test)]
pub(crate) use crate::observe::samples;

/// What every picture fits into.
pub const WIDTH: usize = 80;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Columns two spaces apart, each as wide as its widest cell.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// A row of a single cell is a line of its own, and widens no column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let width = |column: usize, header: &str| {
            let rows = self.rows.iter().filter(|row| row.len() > 1);
            let cells = rows.filter_map(|row| row.get(column)).map(|cell| len(cell));
            cells.chain([len(header)]).max().unwrap_or(0)
        };
        let columns: Vec<(usize, Align)> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, (header, align))| (width(i, header), *align))
            .collect();
        let header: Vec<String> = self.columns.iter().map(|column| column.0.to_owned()).collect();
        let mut text = String::new();
        for row in [&header].into_iter().chain(&self.rows) {
            let mut line = String::new();
            for (cell, (width, align)) in row.iter().zip(&columns) {
                if !line.is_empty() {
                    line.push_str("  ");
                }
                let pad = " ".repeat(width.saturating_sub(len(cell)));
                match align {
                    Align::Left => line.extend([cell.as_str(), &pad]),
                    Align::Right => line.extend([pad.as_str(), cell]),
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// With exact numbers if they fit, else with rounded ones.
    pub(crate) fn fitting(make: impl Fn(fn(u64) -> String) -> Self) -> String {
        let exact = make(grouped).render();
        if exact.lines().all(|line| len(line) <= WIDTH) { exact } else { make(short).render() }
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Three digits and a prefix: `1.23M`. Cut off, not rounded, so that nothing becomes `1000k`.
pub(crate) fn short(number: u64) -> String {
    const PREFIXES: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let (mut whole, mut rest, mut prefix) = (number, 0, "");
    for next in PREFIXES {
        if whole < 1000 {
            break;
        }
        (whole, rest, prefix) = (whole / 1000, whole % 1000, next);
    }
    match whole {
        _ if prefix.is_empty() => whole.to_string(),
        0..10 => format!("{whole}.{:02}{prefix}", rest / 10),
        10..100 => format!("{whole}.{}{prefix}", rest / 100),
        _ => format!("{whole}{prefix}"),
    }
}

/// `12.3 %` of 1000 parts.
pub(crate) fn percent(permille: u64) -> String {
    format!("{}.{} %", permille / 10, permille % 10)
}

/// `3 d 04:05:06`, or `04:05:06`.
pub(crate) fn uptime(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let clock = format!("{hours:02}:{:02}:{:02}", seconds / 60 % 60, seconds % 60);
    if days > 0 { format!("{days} d {clock}") } else { clock }
}

/// Words in lines of at most `width`, each indented.
pub(crate) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    let (mut out, mut line) = (String::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && indent + len(&line) + 1 + len(word) > width {
            out.extend([" ".repeat(indent).as_str(), &line, "\n"]);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.extend([" ".repeat(indent).as_str(), &line, "\n"]);
    out
}

#[cfg(test)]
mod tests;
