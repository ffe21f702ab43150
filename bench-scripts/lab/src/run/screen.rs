//! The output of a run: a bar on a terminal, a line for each cell elsewhere; and the verdicts.
//!
//! Invariant: progress and findings go to two places, so that the findings can be piped away; no line
//! of progress is longer than a hundred columns, and none holds a deciding number.

use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::estimate::spoken;
use crate::cell::Place;
use crate::spec::Experiment;

const COLUMNS: usize = 100;

pub(super) struct Screen<'a> {
    bar: Option<ProgressBar>,
    progress: &'a mut dyn Write,
    findings: &'a mut dyn Write,
    done: usize,
    all: usize,
}

impl std::fmt::Debug for Screen<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Screen({} of {})", self.done, self.all)
    }
}

impl<'a> Screen<'a> {
    /// `bar`: `progress` is a terminal.
    pub(super) fn new(
        bar: bool,
        all: usize,
        progress: &'a mut dyn Write,
        findings: &'a mut dyn Write,
    ) -> Self {
        let bar = bar.then(|| {
            let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            // Without a ticking thread: updates between two cells are soon enough, and nothing else may
            // run.
            match ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len}  {msg}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Self { bar, progress, findings, done: 0, all }
    }

    pub(super) fn begin(&mut self, cell: &str, left: Duration) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(shortened(cell, COLUMNS / 2));
            bar.set_message(remaining(left));
            bar.tick();
        }
    }

    /// Reports a finished cell, measured or not.
    pub(super) fn over(&mut self, cell: &str, how: &str, left: Duration) {
        self.taken(1);
        if self.bar.is_none() {
            let (done, all) = (self.done, self.all);
            let before = format!("[{done}/{all}] ");
            let after = format!(": {how}, {}", remaining(left));
            let room = COLUMNS.saturating_sub(before.chars().count() + after.chars().count());
            self.note(&format!("{before}{}{after}", shortened(cell, room)));
        }
    }

    /// Adds `cells` that remain to be measured.
    pub(super) fn more(&mut self, cells: usize) {
        self.all += cells;
        if let Some(bar) = &self.bar {
            bar.set_length(self.all as u64);
        }
    }

    /// Counts `cells` as done or not needed.
    pub(super) fn taken(&mut self, cells: usize) {
        self.done += cells;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
        }
    }

    /// Prints a message about the run itself.
    pub(super) fn note(&mut self, text: &str) {
        let Self { bar, progress, .. } = self;
        // A closed stream does not end the run.
        beside(bar.as_ref(), || drop(writeln!(progress, "{text}")));
    }

    /// Prints a result.
    pub(super) fn finding(&mut self, text: &str) {
        let Self { bar, findings, .. } = self;
        beside(bar.as_ref(), || {
            drop(writeln!(findings, "{text}"));
            drop(findings.flush());
        });
    }

    /// Removes the bar.
    pub(super) fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn beside(bar: Option<&ProgressBar>, write: impl FnOnce()) {
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

fn remaining(left: Duration) -> String {
    format!("{} left", spoken(left))
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
