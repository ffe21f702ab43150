//! The problems of a file, and their places.
//!
//! Invariant: a place is a path of keys and indices, `scene.traffic.1.stop`; lines are looked up only
//! where the text is available.

use toml::de::{DeTable, DeValue};

/// A sentence and its place, which is empty for the whole file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) at: String,
    pub(super) what: String,
}

pub(super) type Checked = Result<(), Problem>;

/// A problem unless `holds`.
pub(super) fn must(holds: bool, at: &str, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Problem::new(at, what())) }
}

/// The same with a sentence that is always the same.
pub(super) fn require(holds: bool, at: &str, what: &str) -> Checked {
    must(holds, at, || what.to_owned())
}

impl Problem {
    pub(super) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }

    /// With the line of its place in `text`, or of the longest part of the place that exists there.
    pub(super) fn shown(&self, text: &str) -> String {
        let line = line_of(text, &self.at).map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{line}{}", self.plain())
    }

    /// Without a line; indices count from 1 for people.
    pub(super) fn plain(&self) -> String {
        let mut place = String::new();
        for word in self.at.split('.').filter(|word| !word.is_empty()) {
            match word.parse::<usize>() {
                Ok(index) => place.push_str(&format!(" {}", index + 1)),
                Err(_) if place.is_empty() => place.push_str(word),
                Err(_) => place.push_str(&format!(".{word}")),
            }
        }
        if place.is_empty() { self.what.clone() } else { format!("{place}: {}", self.what) }
    }
}

/// The line that contains `offset`, counted from 1.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn line_of(text: &str, at: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut words = at.split('.');
    let (key, mut here) = root.get_ref().get_key_value(words.next()?)?;
    let mut offset = key.span().start;
    for word in words {
        let (start, next) = match here.get_ref() {
            DeValue::Table(table) => match table.get_key_value(word) {
                Some((key, value)) => (key.span().start, value),
                None => break,
            },
            DeValue::Array(items) => match word.parse().ok().and_then(|at: usize| items.get(at)) {
                Some(item) => (item.span().start, item),
                None => break,
            },
            _ => break,
        };
        (offset, here) = (start, next);
    }
    Some(line_at(text, offset))
}

#[cfg(test)]
mod tests;
