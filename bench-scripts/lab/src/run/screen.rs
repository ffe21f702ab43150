//! What is seen of a run: a bar on a terminal, a line for each cell elsewhere; and the verdicts.
//!
//! Invariant: progress and findings go to two places, so that the findings can be piped away; no
//! line of progress is longer than a hundred columns, and none holds a number that decides.

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
            // No ticking thread: between two cells is soon enough, and nothing else is to run.
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

    /// A cell is over, one way or the other.
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

    /// `cells` more are to be measured.
    pub(super) fn more(&mut self, cells: usize) {
        self.all += cells;
        if let Some(bar) = &self.bar {
            bar.set_length(self.all as u64);
        }
    }

    /// `cells` are done or need not be measured.
    pub(super) fn taken(&mut self, cells: usize) {
        self.done += cells;
        if let Some(bar) = &self.bar {
            bar.set_position(self.done as u64);
        }
    }

    /// Something about the run itself.
    pub(super) fn note(&mut self, text: &str) {
        let Self { bar, progress, .. } = self;
        // A closed stream does not end the run.
        beside(bar.as_ref(), || drop(writeln!(progress, "{text}")));
    }

    /// Something that was found out.
    pub(super) fn finding(&mut self, text: &str) {
        let Self { bar, findings, .. } = self;
        beside(bar.as_ref(), || {
            drop(writeln!(findings, "{text}"));
            drop(findings.flush());
        });
    }

    /// Takes the bar away.
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
    let mut words = vec![format!("{} {}", place.experiment, place.peer)];
    if !place.variant.is_empty() {
        words.push(place.variant.clone());
    }
    if let Some(x) = place.x {
        let unit = experiment.vary.as_ref().map_or("", |vary| vary.unit.as_str());
        words.push(format!("{x} {unit}").trim_end().to_owned());
    }
    let times = experiment.effort(quick).repetitions;
    if times > 1 {
        words.push(format!("{} of {times}", place.repetition + 1));
    }
    words.join(", ")
}

/// The first line, in `columns` at most.
pub(super) fn shortened(text: &str, columns: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    line.chars().take(columns.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
