//! What came of a scenario, as a table a reviewer can read.
//! Invariant: every frame of the ledger is in exactly one row's numbers.

use std::collections::BTreeMap;
use std::fmt;

use crate::{Ledger, Losses, ReleaseReason};

/// One way through: packets from one port for another. Losses before a destination was known
/// stand in a row without one.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub offered: u64,
    pub delivered: u64,
    /// Delivered while the sources sent: what came after that says nothing about shares.
    pub bytes_in_span: u64,
    pub losses: Losses,
    /// Delivered after a packet of the same row that had come in later.
    pub misordered: u64,
    /// From arrival to hand-over to the device.
    pub wait_sum_ns: u64,
    pub wait_max_ns: u64,
    pub handed_over: u64,
    pub(super) next_seq: u64,
    pub(super) last_seq: u64,
}

/// Rows by (from, to), ports by their index in the scenario.
#[derive(Clone, Debug)]
pub struct Report {
    pub name: &'static str,
    pub rows: BTreeMap<(usize, Option<usize>), Row>,
    pub port_names: Vec<&'static str>,
    pub ledger: Ledger,
    pub span_ns: u64,
    pub held_peak_packets: u64,
    pub held_peak_bytes: u64,
    pub releases: Vec<(ReleaseReason, u64)>,
}

impl Report {
    #[must_use]
    pub fn row(&self, from: usize, to: usize) -> Row {
        self.rows.get(&(from, Some(to))).cloned().unwrap_or_default()
    }

    fn name_of(&self, port: usize) -> &'static str {
        self.port_names.get(port).copied().unwrap_or("?")
    }

    fn cells(&self, from: usize, to: Option<usize>, row: &Row) -> Vec<String> {
        let lost: Vec<String> = row.losses.iter().map(|(why, n)| format!("{why} {n}")).collect();
        vec![
            self.name_of(from).to_owned(),
            to.map_or("-", |to| self.name_of(to)).to_owned(),
            row.offered.to_string(),
            row.delivered.to_string(),
            // Bits per microsecond are Mbit/s; tenths without floating point.
            tenths(u128::from(row.bytes_in_span) * 80_000, self.span_ns),
            tenths(u128::from(row.wait_sum_ns) / 100, row.handed_over),
            tenths(u128::from(row.wait_max_ns) / 100, 1),
            row.misordered.to_string(),
            if lost.is_empty() { "-".to_owned() } else { lost.join(", ") },
        ]
    }
}

/// `sum / n`, where `sum` counts tenths.
fn tenths(sum: u128, n: u64) -> String {
    let value = sum.checked_div(n.into()).unwrap_or(0);
    format!("{}.{}", value / 10, value % 10)
}

const HEADS: [&str; 9] =
    ["from", "to", "offered", "delivered", "Mbit/s", "wait us", "max us", "misordered", "lost"];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = vec![HEADS.map(str::to_owned).to_vec()];
        lines.extend(self.rows.iter().map(|((from, to), row)| self.cells(*from, *to, row)));
        let width = |column: usize| {
            lines.iter().filter_map(|cells| cells.get(column)).map(String::len).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
        writeln!(f, "{}", self.name)?;
        for cells in &lines {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
                let text = if (2..HEADS.len() - 1).contains(&column) {
                    format!("{cell:>width$}  ")
                } else {
                    format!("{cell:<width$}  ")
                };
                line.push_str(&text);
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        let releases: Vec<String> =
            self.releases.iter().map(|(why, n)| format!("{n} {why}")).collect();
        writeln!(f, "containers: {}", releases.join(", "))?;
        writeln!(
            f,
            "held at most: {} packets, {} bytes",
            self.held_peak_packets, self.held_peak_bytes
        )?;
        write!(f, "{}", self.ledger)
    }
}
