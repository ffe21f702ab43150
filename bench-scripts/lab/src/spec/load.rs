//! Parses a file's text into an experiment. Invariant: a returned experiment can be run; an error is
//! one sentence with its file and, if there is one, its line.

use std::cmp::Ordering;
use std::fs;
use std::path::{Path, PathBuf};

use super::problem::{Problem, line_at};
use super::{Experiment, SpecError, check};

/// The papers' order: ids, and beginnings of ids that continue with `-`.
const PAPERS: [&str; 15] = [
    "A",
    "B",
    "B-load",
    "B-full",
    "C",
    "C-events",
    "D-udp",
    "D-tcp",
    "D-two",
    "D-burn",
    "D-rtt",
    "E-send",
    "E-receive",
    "E-router",
    "E-latency",
];

/// Reads a file and all its cells of both efforts.
pub fn load(path: &Path) -> Result<Experiment, SpecError> {
    let of_path = |what: String| SpecError { path: path.to_owned(), what };
    let unreadable = |error: std::io::Error| of_path(format!("cannot be read: {error}"));
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    read(&text, &stem).map_err(of_path)
}

/// All `*.toml` of a folder, by id in the papers' order (A-E1 … E-latency).
pub fn load_all(folder: &Path) -> Result<Vec<Experiment>, SpecError> {
    let of_folder = |what: String| SpecError { path: folder.to_owned(), what };
    let unreadable = |error: std::io::Error| of_folder(format!("cannot be read: {error}"));
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut paths: Vec<PathBuf> =
        entries.map_err(unreadable)?.iter().map(fs::DirEntry::path).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    let mut all = paths.iter().map(|path| load(path)).collect::<Result<Vec<Experiment>, _>>()?;
    if all.is_empty() {
        return Err(of_folder("has no experiments: they are files called ID.toml".to_owned()));
    }
    all.sort_by(|one, other| by_paper(&one.id, &other.id));
    Ok(all)
}

/// `stem` is the file's name without its ending.
pub(super) fn read(text: &str, stem: &str) -> Result<Experiment, String> {
    let experiment: Experiment = toml::from_str(text).map_err(|error| of_text(text, &error))?;
    check::whole(&experiment, stem).map_err(|problem: Problem| problem.shown(text))?;
    Ok(Experiment { text: text.to_owned(), ..experiment })
}

fn of_text(text: &str, error: &toml::de::Error) -> String {
    let what = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => format!("line {}: {what}", line_at(text, span.start)),
        None => what,
    }
}

/// A total order; an unlisted experiment follows its letter's others.
fn by_paper(one: &str, other: &str) -> Ordering {
    let key = |id: &str| (id.chars().next(), rank(id));
    key(one).cmp(&key(other)).then_with(|| one.cmp(other))
}

/// By the longest beginning.
fn rank(id: &str) -> usize {
    let begins = |start: &str| {
        id.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let known = PAPERS.iter().enumerate().filter(|(_, start)| begins(start));
    known.max_by_key(|(_, start)| start.len()).map_or(PAPERS.len(), |(index, _)| index)
}

#[cfg(test)]
pub(super) mod tests;
