//! The problems of a file, and their places.
//!
//! Invariant: a place is a path of keys and indices, `scene.traffic.1.stop`. A check names the part below
//! what it was given, and its caller the part above.

use toml::de::{DeTable, DeValue};

/// A sentence and its place, which is empty for the whole file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) at: String,
    pub(super) what: String,
}

pub(super) type Checked<T = ()> = Result<T, Problem>;

/// A problem unless `holds`.
pub(super) fn require(holds: bool, at: &str, what: impl Into<String>) -> Checked {
    if holds { Ok(()) } else { Err(Problem::new(at, what)) }
}

/// Puts a problem's place below `key`.
pub(super) fn within<T>(key: &str, checked: Checked<T>) -> Checked<T> {
    checked.map_err(|Problem { at, what }| {
        let at = if at.is_empty() { key.to_owned() } else { format!("{key}.{at}") };
        Problem { at, what }
    })
}

/// Checks each item of a list. `check` also gets the items before it.
pub(super) fn each<T>(
    key: &str,
    items: &[T],
    mut check: impl FnMut(&T, &[T]) -> Checked,
) -> Checked {
    for (index, item) in items.iter().enumerate() {
        within(&format!("{key}.{index}"), check(item, &items[..index]))?;
    }
    Ok(())
}

impl Problem {
    pub(super) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }

    /// Adds the choice of variables that it is about.
    pub(super) fn with(mut self, variant: &str, x: Option<f64>, seconds: f64) -> Self {
        let variant = Some(variant).filter(|name| !name.is_empty());
        let variant = variant.map(|name| format!("variant {name}, ")).unwrap_or_default();
        let x = x.map(|x| format!("$x = {x}, ")).unwrap_or_default();
        self.what.push_str(&format!(" (with {variant}{x}$seconds = {seconds})"));
        self
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
        let next = match here.get_ref() {
            DeValue::Table(table) => {
                table.get_key_value(word).map(|(key, value)| (key.span().start, value))
            }
            DeValue::Array(items) => {
                let item = word.parse().ok().and_then(|at: usize| items.get(at));
                item.map(|item| (item.span().start, item))
            }
            _ => None,
        };
        let Some(next) = next else { break };
        (offset, here) = next;
    }
    Some(line_at(text, offset))
}

#[cfg(test)]
mod tests;
