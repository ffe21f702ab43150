//! The output of a run: a bar on a terminal, a line for each cell elsewhere; and the verdicts.
//!
//! Invariant: progress and findings go to two places, so that the findings can be piped away; no line
//! of progress is longer than a hundred columns, and none holds a deciding number.

use std::io::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::spoken;
use crate::cell::Place;
use crate::spec::Experiment;

const COLUMNS: usize = 100;

pub(super) struct Screen<'a> {
    /// Its position and length count cells; hidden where progress is lines.
    pub(super) bar: ProgressBar,
    progress: &'a mut dyn Write,
    findings: &'a mut dyn Write,
}

impl<'a> Screen<'a> {
    /// `bar`: `progress` is a terminal.
    pub(super) fn new(
        bar: bool,
        all: usize,
        progress: &'a mut dyn Write,
        findings: &'a mut dyn Write,
    ) -> Self {
        let target = if bar { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(all as u64), target);
        // Without a ticking thread: updates between two cells are soon enough, and nothing else may run.
        if let Ok(style) = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        Self { bar, progress, findings }
    }

    pub(super) fn begin(&mut self, cell: &str, left_s: f64) {
        self.bar.set_prefix(shortened(cell, COLUMNS / 2));
        self.bar.set_message(remaining(left_s));
        self.bar.tick();
    }

    /// Reports a finished cell, measured or not.
    pub(super) fn over(&mut self, cell: &str, how: &str, left_s: f64) {
        self.bar.inc(1);
        if self.bar.is_hidden() {
            let (done, all) = (self.bar.position(), self.bar.length().unwrap_or_default());
            let before = format!("[{done}/{all}] ");
            let after = format!(": {how}, {}", remaining(left_s));
            let room = COLUMNS.saturating_sub(before.chars().count() + after.chars().count());
            self.note(&format!("{before}{}{after}", shortened(cell, room)));
        }
    }

    /// Prints a message about the run itself.
    pub(super) fn note(&mut self, text: &str) {
        // A closed stream does not end the run.
        self.bar.suspend(|| drop(writeln!(self.progress, "{text}")));
    }

    /// Prints a result.
    pub(super) fn finding(&mut self, text: &str) {
        self.bar.suspend(|| {
            drop(writeln!(self.findings, "{text}"));
            drop(self.findings.flush());
        });
    }
}

fn remaining(left_s: f64) -> String {
    format!("{} left", spoken(left_s))
}

/// `A-E1 weir, small, 40 Mb/s, 2 of 10`.
pub(super) fn named(place: &Place, experiment: &Experiment, quick: bool) -> String {
    let mut words = place.words("", experiment.unit());
    let times = experiment.effort(quick).repetitions;
    if times > 1 {
        words.push(format!("{} of {times}", place.repetition + 1));
    }
    format!("{} {}", place.experiment, words.join(", "))
}

/// "1 cell", "3 cells".
pub fn count(number: usize, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// The first line, with at most `columns` columns.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
