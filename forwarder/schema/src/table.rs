//! Reads one table by a section's declarations: mistyped and unknown keys are collected instead of
//! ending the reading. Invariant: a value is either valid or has left a problem.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue},
};

use crate::{
    nearest,
    problem::{Fault, Problems},
    setting::{Context, Section, Setting},
    value::shown,
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
    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(crate) fn span(&self, key: &str) -> Range<usize> {
        self.read.get(key).cloned().unwrap_or(0..0)
    }
}

/// Reads a table into `section`: from a file, every setting; from a client's document, those that can be
/// changed while weir runs, where an absent setting has its value in `defaults`.
pub(crate) fn read<S: Section>(
    problems: &mut Problems<'_>,
    path: &str,
    table: &DeTable<'_>,
    defaults: Option<&S>,
    section: &mut S,
    context: &Context<'_>,
) -> Places {
    let mut places = Places { path: path.to_owned(), ..Places::default() };
    let rows = S::SETTINGS;
    let readable = |row: &&Setting<S>| defaults.is_none() || row.about.effect.by_patch();
    let valid: Vec<&str> = rows.iter().filter(readable).map(|row| row.about.key).collect();
    for word in table.keys().filter(|word| !valid.contains(&word.get_ref().as_ref())) {
        let fixed = rows.iter().any(|row| row.about.key == word.get_ref());
        unknown_key(problems, word, &places.path(word.get_ref()), fixed, &valid);
    }
    let mut faults: Vec<(&'static str, Range<usize>, Fault)> = Vec::new();
    for row in rows.iter().filter(readable) {
        let key = row.about.key;
        let Some(node) = table.get(key) else {
            if let Some(defaults) = defaults {
                (row.copy)(defaults, section);
            }
            continue;
        };
        match (row.read)(section, node, context) {
            Ok(()) => drop(places.read.insert(key, node.span())),
            Err(found) => {
                places.refused.push(key);
                faults.extend(found.into_iter().map(|fault| (key, node.span(), fault)));
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
    word: &Spanned<DeString<'_>>,
    path: &str,
    fixed: bool,
    valid: &[&str],
) {
    let wrong = match nearest(word.get_ref(), valid) {
        _ if fixed => "cannot be changed while weir runs".to_owned(),
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => "unknown key".to_owned(),
    };
    problems.add(&word.span(), path, wrong, format!("valid: {}", valid.join(", ")));
}

/// A `[section]` with what the table has of it; an absent one is read as an empty one.
pub(crate) fn section<S: Section>(
    problems: &mut Problems<'_>,
    root: &DeTable<'_>,
    defaults: Option<&S>,
    mut section: S,
    context: &Context<'_>,
) -> S {
    let (name, empty) = (S::NAME, DeTable::new());
    let table = match root.get(name) {
        None => &empty,
        Some(node) => match node.get_ref() {
            DeValue::Table(table) => table,
            other => {
                let wrong = match other {
                    DeValue::Array(_) => "there can be only one".to_owned(),
                    _ => format!("{} is not a section", shown(other)),
                };
                problems.add(&node.span(), name, wrong, format!("valid: one section [{name}]"));
                return section;
            }
        },
    };
    read(problems, name, table, defaults, &mut section, context);
    section
}
