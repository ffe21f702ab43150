//! The final messages of a run. Invariant: failing checks come last.

use std::fmt::Write;

use anyhow::Result;
use serde::Serialize;

use super::estimate::spoken;
use super::interrupt::RESUME;
use super::{Ended, Finished};
use crate::verdict::Verdict;

impl Ended {
    /// Whether every verdict holds, except those that only affect the page, and every cell was
    /// measured.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.finished.iter().all(Finished::holds)
    }

    pub(super) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            holds: bool,
            #[serde(flatten)]
            ended: &'a Ended,
        }
        Ok(serde_json::to_string_pretty(&Whole { holds: self.holds(), ended: self })?)
    }

    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let failures: Vec<_> = self.finished.iter().flat_map(|done| &done.failures).collect();
        if !failures.is_empty() {
            text.push_str("\nnot measured:\n");
        }
        for failure in &failures {
            let _ = writeln!(text, "{}: {}", failure.cell, failure.error);
        }
        let wrong = self.finished.iter().filter(|done| done.wrong().next().is_some());
        for done in wrong {
            let _ = writeln!(text, "\n{} does not hold:", done.id);
            for verdict in done.wrong() {
                let _ = writeln!(text, "{}", verdict.line());
            }
        }
        if !self.finished.is_empty() {
            text.push_str(&self.counted(failures.len()));
        }
        if let Some((kept, all)) = self.interrupted {
            let _ = write!(text, "\ninterrupted: {kept} of {all} cells are kept; {RESUME}");
        }
        text
    }

    fn counted(&self, failures: usize) -> String {
        let judged: usize = self.finished.iter().map(|done| done.judged().count()).sum();
        let wrong: usize = self.finished.iter().map(|done| done.wrong().count()).sum();
        let all = self.finished.iter().flat_map(|done| &done.verdicts);
        let unjudged =
            all.filter(|verdict| verdict.ceiling.is_some() && !verdict.report_only).count();
        let number = self.finished.len();
        format!(
            "\n{number} {}, {} of {judged} checks hold{}, {} not measured, in {}",
            if number == 1 { "experiment" } else { "experiments" },
            judged - wrong,
            match unjudged {
                0 => String::new(),
                more => format!(" and {more} cannot be judged here"),
            },
            match failures {
                0 => "no cell".to_owned(),
                1 => "1 cell".to_owned(),
                more => format!("{more} cells"),
            },
            spoken(self.seconds),
        )
    }
}

impl Finished {
    #[must_use]
    pub fn holds(&self) -> bool {
        self.failures.is_empty() && self.wrong().next().is_none()
    }

    fn judged(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.is_judged())
    }

    fn wrong(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.fails())
    }
}
