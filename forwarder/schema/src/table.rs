//! Reads one table by a section's declarations: mistyped and unknown keys are collected instead of
//! ending the reading. Invariant: a value is either valid or has left a problem.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    nearest,
    problem::{Fault, Problems},
    setting::{Context, Section, Setting},
    written::{Table, Written},
};

/// The places of the settings that were read, for faults found later.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// `port`, or `ports.v1` of a document.
    pub(crate) path: String,
    read: BTreeMap<&'static str, Range<usize>>,
    /// Settings whose values were refused.
    pub(crate) refused: Vec<&'static str>,
}

impl Places {
    /// The places of a table that was not read.
    pub(crate) fn none(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }

    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn span(&self, key: &str) -> Range<usize> {
        self.read.get(key).cloned().unwrap_or(0..0)
    }
}

/// Reads a table into `section`: from a file, every setting; from a client's patch, those that can be
/// changed while weir runs, where `null` resets a setting to its value in `patch`.
pub(crate) fn read<S: Section>(
    problems: &mut Problems<'_>,
    path: &str,
    table: &Table,
    patch: Option<&S>,
    section: &mut S,
    context: &Context<'_>,
) -> Places {
    let mut places = Places::none(path);
    let readable = |row: &Setting<S>| patch.is_none() || row.about.effect.by_patch();
    let rows = S::settings();
    let valid: Vec<&str> =
        rows.iter().filter(|row| readable(row)).map(|row| row.about.key).collect();
    for (word, entry) in table.iter().filter(|(word, _)| !valid.contains(word)) {
        // A key that is absent has no value already.
        if !matches!(entry.node.value, Written::Null) {
            let fixed = rows.iter().any(|row| row.about.key == word);
            unknown_key(problems, &entry.span, &places.path(word), word, fixed, &valid);
        }
    }
    let mut faults: Vec<(&'static str, Range<usize>, Fault)> = Vec::new();
    for row in rows.iter().filter(|row| readable(row)) {
        let key = row.about.key;
        let Some(node) = table.get(key) else { continue };
        if let (Written::Null, Some(defaults)) = (&node.value, patch) {
            (row.copy)(defaults, section);
            continue;
        }
        match (row.read)(section, node, context) {
            Ok(()) => drop(places.read.insert(key, node.span.clone())),
            Err(found) => {
                places.refused.push(key);
                faults.extend(found.into_iter().map(|fault| (key, node.span.clone(), fault)));
            }
        }
    }
    if let Some((key, fault)) = section.contradiction()
        && !places.refused.contains(&key)
    {
        let order = |key: &str| rows.iter().position(|row| row.about.key == key);
        let before = faults.partition_point(|(other, ..)| order(other) < order(key));
        faults.insert(before, (key, places.span(key), fault));
    }
    for (key, span, fault) in faults {
        let span = fault.span.unwrap_or(span);
        problems.add(&span, places.path(key), fault.wrong, fault.valid);
    }
    places
}

/// Reports a key that is invalid here; `fixed`: the file may have it.
pub(crate) fn unknown_key(
    problems: &mut Problems<'_>,
    span: &Range<usize>,
    path: &str,
    word: &str,
    fixed: bool,
    valid: &[&str],
) {
    let wrong = match nearest(word, valid) {
        _ if fixed => "cannot be changed while weir runs".to_owned(),
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => "unknown key".to_owned(),
    };
    problems.add(span, path, wrong, format!("valid: {}", valid.join(", ")));
}

/// A `[section]`; an absent one leaves `section` as it is.
pub(crate) fn section<S: Section>(
    problems: &mut Problems<'_>,
    root: &Table,
    patch: Option<&S>,
    section: &mut S,
    context: &Context<'_>,
) {
    let name = S::NAME;
    let Some(node) = root.get(name) else { return };
    let wrong = match (&node.value, patch) {
        (Written::Table(table), _) => {
            read(problems, name, table, patch, section, context);
            return;
        }
        (Written::Null, Some(defaults)) => {
            for row in S::settings().iter().filter(|row| row.about.effect.by_patch()) {
                (row.copy)(defaults, section);
            }
            return;
        }
        (Written::List(_), _) => "there can be only one".to_owned(),
        (other, _) => format!("{} is not a section", other.shown()),
    };
    problems.add(&node.span, name, wrong, format!("valid: one section [{name}]"));
}
