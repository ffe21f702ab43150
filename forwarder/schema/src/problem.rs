//! The problems of a configuration, and their places. Invariant: a problem says what is wrong and what
//! would be valid; all problems of one file are reported together, in the order of its lines.

use std::{fmt, ops::Range};

use crate::{Located, PortPlan};

/// Why a configuration cannot be used. `main` ends with exit code 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigErrors {
    pub problems: Vec<Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// `None`: it is in the command line or a client's document, or the file could not be read.
    pub at: Option<Located>,
    /// `port.weight`, `ports.v1.weight` of a document, `syntax`, `--worker`, or the file's name.
    pub key: String,
    pub wrong: String,
    /// What would be valid; empty if `wrong` says it already.
    pub valid: String,
}

impl ConfigErrors {
    /// A problem with its place in a file.
    pub(crate) fn at(
        at: Option<Located>,
        key: &str,
        wrong: impl Into<String>,
        valid: impl Into<String>,
    ) -> Self {
        let problem = Problem { at, key: key.into(), wrong: wrong.into(), valid: valid.into() };
        Self { problems: vec![problem] }
    }

    /// A problem of a command line argument.
    pub fn argument(key: &str, wrong: impl Into<String>, valid: impl Into<String>) -> Self {
        Self::at(None, key, wrong, valid)
    }

    /// The same for each fault of its value.
    pub(crate) fn of_faults(key: &str, faults: Vec<Fault>) -> Self {
        let faults = faults.into_iter();
        let problems = faults.map(|Fault { wrong, valid, .. }| Problem {
            at: None,
            key: key.to_owned(),
            wrong,
            valid,
        });
        Self { problems: problems.collect() }
    }

    /// A problem of a port that shows only later: "there is no such interface".
    pub fn port(port: &PortPlan, wrong: impl Into<String>, valid: impl Into<String>) -> Self {
        let key = if port.at.is_some() { "port.name" } else { &port.name };
        Self::at(port.at.clone(), key, wrong, valid)
    }

    /// Puts the problems of several ports into one report.
    pub fn and(mut self, other: Self) -> Self {
        self.problems.extend(other.problems);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(out, "{}:{}:{}: ", at.file, at.line, at.column)?;
        }
        write!(out, "{}: {}", self.key, self.wrong)?;
        if !self.valid.is_empty() {
            write!(out, "; {}", self.valid)?;
        }
        if let Some(at) = &self.at {
            let (pad, carets) = (" ".repeat(at.column - 1), "^".repeat(at.width.max(1)));
            write!(out, "\n{:>5} | {}\n      | {pad}{carets}", at.line, at.source_line)?;
        }
        Ok(())
    }
}

/// Why a value is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its place, if it is not the value's.
    pub span: Option<Range<usize>>,
    pub wrong: String,
    pub valid: String,
}

pub(crate) fn fault<T>(
    wrong: impl Into<String>,
    valid: impl Into<String>,
) -> Result<T, Vec<Fault>> {
    Err(vec![Fault { span: None, wrong: wrong.into(), valid: valid.into() }])
}

/// Collects the problems while a file or a document is read.
#[derive(Debug)]
pub(crate) struct Problems<'s> {
    /// The file's name and text; `None`: the input has no lines to point at.
    file: Option<(&'s str, &'s str)>,
    found: Vec<Problem>,
}

impl<'s> Problems<'s> {
    pub(crate) fn new(file: Option<(&'s str, &'s str)>) -> Self {
        Self { file, found: Vec::new() }
    }

    /// The place of some bytes of the file.
    pub(crate) fn locate(&self, span: &Range<usize>) -> Option<Located> {
        let (file, text) = self.file?;
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let in_line = &before[line_start..];
        let rest = after.split('\n').next().unwrap_or_default().trim_end_matches('\r');
        let spanned = span.end.saturating_sub(start);
        let width = rest.char_indices().take_while(|(offset, _)| *offset < spanned).count();
        Some(Located {
            file: file.into(),
            line: before.matches('\n').count() + 1,
            column: in_line.chars().count() + 1,
            width: width.max(1),
            // A tab would move the caret off its word.
            source_line: format!("{in_line}{rest}").replace('\t', " "),
        })
    }

    pub(crate) fn add(
        &mut self,
        span: &Range<usize>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        valid: impl Into<String>,
    ) {
        self.add_at(self.locate(span), key, wrong, valid);
    }

    pub(crate) fn add_at(
        &mut self,
        at: Option<Located>,
        key: impl Into<String>,
        wrong: impl Into<String>,
        valid: impl Into<String>,
    ) {
        let (key, wrong, valid) = (key.into(), wrong.into(), valid.into());
        self.found.push(Problem { at, key, wrong, valid });
    }

    /// The problems in the order of their places, if there are any.
    pub(crate) fn finish(mut self) -> Result<(), ConfigErrors> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|problem| problem.at.as_ref().map(|at| (at.line, at.column)));
        Err(ConfigErrors { problems: self.found })
    }
}

#[cfg(test)]
mod tests;
