//! Parses a file's text into an experiment. Invariant: a returned experiment can be run; an error is
//! one sentence with its file and, if there is one, its line.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, ensure};

use super::problem::{Problem, line_at};
use super::{Experiment, check};

/// The papers' order: ids, and beginnings of ids that continue with `-`.
const PAPERS: &str = "A B B-load B-full C C-events D-udp D-tcp D-two D-burn D-rtt E-send E-receive \
                      E-router E-latency";

/// Reads a file and all its cells of both efforts.
pub fn load(path: &Path) -> Result<Experiment> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(path).context("cannot be read");
    text.and_then(|text| read(&text, &stem).map_err(Error::msg))
        .with_context(|| path.display().to_string())
}

/// All `*.toml` of a folder, by id in the papers' order (A-E1 … E-latency).
pub fn load_all(folder: &Path) -> Result<Vec<Experiment>> {
    let folder_name = folder.display();
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("{folder_name}: cannot be read"))?;
    let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut all = paths.iter().map(|path| load(path)).collect::<Result<Vec<Experiment>>>()?;
    let none = "has no experiments: they are files called ID.toml";
    ensure!(!all.is_empty(), "{folder_name}: {none}");
    all.sort_by(|one, other| place(&one.id).cmp(&place(&other.id)));
    Ok(all)
}

/// `stem` is the file's name without its ending.
pub(super) fn read(text: &str, stem: &str) -> Result<Experiment, String> {
    let experiment: Experiment = toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| format!("line {}: ", line_at(text, span.start)));
        line.unwrap_or_default() + &error.message().trim().replace('\n', ", ")
    })?;
    check::whole(&experiment, stem).map_err(|problem: Problem| problem.shown(text))?;
    Ok(Experiment { text: text.to_owned(), ..experiment })
}

/// An id's place in the order, by its longest known beginning; unlisted ones follow their letter's others.
fn place(id: &str) -> (Option<char>, usize, &str) {
    let begins = |start: &str| {
        id.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let known = PAPERS.split(' ').enumerate().filter(|(_, start)| begins(start));
    let rank = known.max_by_key(|(_, start)| start.len()).map(|(index, _)| index);
    (id.chars().next(), rank.unwrap_or(usize::MAX), id)
}

#[cfg(test)]
pub(super) mod tests;
