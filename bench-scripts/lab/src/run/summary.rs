//! The final messages of a run. Invariant: failing checks come last.

use std::fmt::Write;

use super::estimate::spoken;
use super::interrupt::RESUME;
use super::screen::count;
use super::{Ended, Finished};
use crate::verdict::Verdict;

impl Ended {
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
        format!(
            "\n{}, {} of {judged} checks hold{}, {} not measured, in {}",
            count(self.finished.len(), "experiment"),
            judged - wrong,
            match unjudged {
                0 => String::new(),
                more => format!(" and {more} cannot be judged here"),
            },
            match failures {
                0 => "no cell".to_owned(),
                some => count(some, "cell"),
            },
            spoken(self.seconds),
        )
    }
}

impl Finished {
    pub(super) fn holds(&self) -> bool {
        self.failures.is_empty() && self.wrong().next().is_none()
    }

    fn judged(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.is_judged())
    }

    fn wrong(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.fails())
    }
}
