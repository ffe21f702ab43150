//! Text for people: tables that align and fit a terminal of 80 columns. Invariant: pure functions from
//! reports to text, so that tests can compare the printed text.

mod config;
mod counters;
mod dump;
mod ledger;
mod number;
pub(crate) mod paint;
mod ports;
pub(crate) mod probe;
mod shares;
mod watch;

pub use self::config::{changes, config};
pub use self::counters::counters;
pub use self::dump::{flow_losses, flows, latency, losses};
pub use self::ledger::ledger;
pub(crate) use self::ledger::places;
pub use self::number::span;
pub(crate) use self::number::{grouped, per_second, percent, permille, short, time, uptime};
pub use self::paint::Paint;
use self::paint::len;
pub use self::ports::{port_list, stats};
pub use self::shares::shares;
pub(crate) use self::watch::since;
pub use self::watch::{Rates, watch};
#[cfg(test)]
pub(crate) use crate::observe::samples;

/// The width that every output fits into.
pub const WIDTH: usize = 80;

/// A column of rows `R`: its title, with `>` in front if it is right-aligned, and a row's cell.
pub(crate) type Column<'c, R> = (&'static str, &'c dyn Fn(&R) -> String);

/// Columns two spaces apart, each as wide as its widest cell.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    titles: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Titles as in a [`Column`].
    pub(crate) fn new(titles: &[&'static str]) -> Self {
        Self { titles: titles.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn of<R>(rows: impl IntoIterator<Item = R>, columns: &[Column<'_, R>]) -> Self {
        let cells = |row: R| columns.iter().map(|(_, cell)| cell(&row)).collect();
        let titles = columns.iter().map(|(title, _)| *title).collect();
        Self { titles, rows: rows.into_iter().map(cells).collect() }
    }

    /// A row of a single cell is a line of its own, and widens no column.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn render(&self) -> String {
        let columns: Vec<(&str, bool, usize)> = (self.titles.iter().enumerate())
            .map(|(i, titled)| {
                let title = titled.trim_start_matches('>');
                let rows = self.rows.iter().filter(|row| row.len() > 1);
                let widths = rows.filter_map(|row| row.get(i)).map(|cell| len(cell));
                (title, title != *titled, widths.chain([len(title)]).max().unwrap_or(0))
            })
            .collect();
        let header = columns.iter().map(|column| column.0.to_owned()).collect();
        let mut text = String::new();
        for row in [&header].into_iter().chain(&self.rows) {
            let cells = row.iter().zip(&columns).map(|(cell, (_, right, width))| {
                let pad = " ".repeat(width.saturating_sub(len(cell)));
                if *right { pad + cell } else { cell.clone() + &pad }
            });
            text.extend([cells.collect::<Vec<_>>().join("  ").trim_end(), "\n"]);
        }
        text
    }

    /// With exact numbers if they fit, otherwise with rounded ones.
    pub(crate) fn fitting(make: impl Fn(fn(u64) -> String) -> Self) -> String {
        let exact = make(grouped).render();
        if exact.lines().all(|line| len(line) <= WIDTH) { exact } else { make(short).render() }
    }
}

/// Breaks a text into lines that fit.
pub(crate) fn paragraph(text: &str) -> String {
    hanging("", text, WIDTH)
}

/// Breaks a text into lines of at most `width`, each indented.
pub(crate) fn wrapped(text: &str, indent: usize, width: usize) -> String {
    hanging(&" ".repeat(indent), text, width)
}

/// The same after a lead, with which further lines align. Only a longer word exceeds `width`.
pub(crate) fn hanging(lead: &str, text: &str, width: usize) -> String {
    let indent = " ".repeat(len(lead));
    let options = textwrap::Options::new(width)
        .initial_indent(lead)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let words: Vec<&str> = text.split_whitespace().collect();
    textwrap::fill(&words.join(" "), options) + "\n"
}

#[cfg(test)]
mod tests;
