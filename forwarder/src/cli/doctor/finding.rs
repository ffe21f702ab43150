//! Findings, and their text: within 80 columns, except for commands and paths, which stay whole.

use std::fmt::{Display, Write as _};

use serde::Serialize;

use crate::cli::render::paint::{Paint, Tone};
use crate::cli::render::{WIDTH, hanging};
use crate::observe::dump::files::json;
use weir_api::VERSION;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// For information.
    Note,
    /// It works, but slowly, or not for all traffic.
    Warn,
    /// It does not work.
    Fail,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Ok | Self::Note => Tone::Plain,
            Self::Warn => Tone::Warn,
            Self::Fail => Tone::Bad,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `host`, or an interface.
    pub subject: String,
    pub level: Level,
    /// The name of the check, in a word.
    pub check: &'static str,
    pub text: String,
    /// One line that fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// All findings, in the order in which they are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub findings: Vec<Finding>,
    subject: String,
}

/// The JSON, with the version of the control socket's answers.
#[derive(Serialize)]
struct Json<'r> {
    version: u64,
    ok: bool,
    findings: &'r [Finding],
}

impl Report {
    /// Begins the findings about a subject.
    pub(super) fn section(&mut self, subject: &str) {
        subject.clone_into(&mut self.subject);
    }

    pub(super) fn add(&mut self, level: Level, check: &'static str, text: impl Into<String>) {
        let (subject, text) = (self.subject.clone(), text.into());
        self.findings.push(Finding { subject, level, check, text, fix: None });
    }

    pub(super) fn with_fix(
        &mut self,
        level: Level,
        check: &'static str,
        text: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let (subject, text, fix) = (self.subject.clone(), text.into(), Some(fix.into()));
        self.findings.push(Finding { subject, level, check, text, fix });
    }

    /// A check that passes or fails; returns whether it passes.
    pub(super) fn check<T>(
        &mut self,
        check: &'static str,
        checked: &Result<T, impl Display>,
        passes: &str,
    ) -> bool {
        match checked {
            Ok(_) => self.add(Level::Ok, check, passes),
            Err(error) => self.add(Level::Fail, check, format!("{error:#}")),
        }
        checked.is_ok()
    }

    pub fn fails(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Fail)
    }

    pub(super) fn json(&self) -> String {
        json(&Json { version: VERSION, ok: !self.fails(), findings: &self.findings })
    }

    pub(super) fn text(&self, paint: Paint) -> String {
        let mut out = String::new();
        let mut subject = None;
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or(0);
        for finding in &self.findings {
            if subject != Some(&finding.subject) {
                let gap = if subject.is_some() { "\n" } else { "" };
                let _ = writeln!(out, "{gap}{}", finding.subject);
                subject = Some(&finding.subject);
            }
            let word = format!("{:4}", finding.level.word());
            let word = paint.paint(finding.level.tone(), &word);
            let lead = format!("  {word}  {:width$}  ", finding.check);
            out.push_str(&hanging(&lead, &finding.text, WIDTH));
            if let Some(fix) = &finding.fix {
                let lead = format!("{:indent$}-> ", "", indent = width + 10);
                out.push_str(&hanging(&lead, fix, WIDTH));
            }
        }
        let counted = |level, what: &str| match self
            .findings
            .iter()
            .filter(|finding| finding.level == level)
            .count()
        {
            0 => format!("no {what}"),
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let (fails, warns) = (counted(Level::Fail, "failure"), counted(Level::Warn, "warning"));
        let _ = writeln!(out, "\n{fails}, {warns}, {}", counted(Level::Note, "note"));
        out
    }
}

#[cfg(test)]
mod tests;
