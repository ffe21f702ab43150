//! What the page and the table say of results: where they come from, whether an experiment holds, and
//! the number that decides it.
//!
//! Invariant: results of different machines, days or commits are never presented as one. An experiment
//! holds if at least one check is judged and all judged checks hold.

use super::plot::place_of;
use super::{digits, look};
use crate::run::{Machine, Results, count};
use crate::spec::Experiment;
use crate::verdict::{ENDLESS, Verdict};

/// All origins of results in words, by the first experiment of each, with the experiments that come from
/// it.
pub(super) fn origins(all: &[(Experiment, Option<Results>)]) -> Vec<(String, Vec<&str>)> {
    let mut origins: Vec<(String, Vec<&str>)> = Vec::new();
    for (experiment, results) in all {
        let Some(results) = results else { continue };
        let origin = origin(results);
        let new = || (origin.clone(), Vec::new());
        let place = place_of(&mut origins, |(known, _)| *known == origin, new);
        origins[place].1.push(&experiment.id);
    }
    origins
}

/// "AMD EPYC, 2 cores, Linux 6.8.0; weir at 0123abc, with changes; whole runs of 2026-05-30".
fn origin(results: &Results) -> String {
    let Machine { kernel, cpu, cores, commit, dirty, date } = &results.machine;
    let commit: String = commit.chars().take(12).collect();
    let changes = if *dirty { ", with changes" } else { "" };
    let effort = if results.quick { "quick runs" } else { "whole runs" };
    let kernel = kernel.strip_prefix("Linux ").unwrap_or(kernel);
    let cores = count(*cores, "core");
    let day = date.split(['T', ' ']).next().unwrap_or(date);
    format!("{cpu}, {cores}, Linux {kernel}; weir at {commit}{changes}; {effort} of {day}")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Holds,
    Fails,
    /// It was run, and the file judges nothing.
    Unjudged,
    NotRun,
}

impl Standing {
    pub(super) fn of(results: Option<&Results>) -> Self {
        let Some(results) = results else { return Self::NotRun };
        let mut judged = results.verdicts.iter().filter(|verdict| verdict.is_judged()).peekable();
        if judged.peek().is_none() {
            Self::Unjudged
        } else if judged.all(|verdict| verdict.holds) {
            Self::Holds
        } else {
            Self::Fails
        }
    }

    /// Its words, its sign, so that colour is not the only difference, and its class of style.
    pub(super) fn shown(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Holds => ("holds", "✓", "holds"),
            Self::Fails => ("does not hold", "✗", "fails"),
            Self::Unjudged => ("not judged", "–", "open"),
            Self::NotRun => ("not run yet", "–", "open"),
        }
    }
}

/// The judged verdicts, failing ones first; then those that are only reported.
pub(super) fn in_order(results: &Results) -> Vec<&Verdict> {
    let mut verdicts: Vec<_> = results.verdicts.iter().collect();
    verdicts.sort_by_key(|verdict| (!verdict.is_judged(), verdict.holds));
    verdicts
}

/// The deciding verdict: the first that fails or, if all hold, the one nearest to its bound.
pub(super) fn deciding(results: &Results) -> Option<&Verdict> {
    let judged = || results.verdicts.iter().filter(|verdict| verdict.is_judged());
    judged()
        .find(|verdict| !verdict.holds)
        .or_else(|| judged().min_by(|a, b| margin(a).total_cmp(&margin(b))))
}

/// A number's distance from its bounds, relative to them.
fn margin(verdict: &Verdict) -> f64 {
    let Some(number) = verdict.number else { return f64::INFINITY };
    let part = |distance: f64, bound: f64| distance / bound.abs().max(1e-9);
    let least = verdict.least.map(|least| part(number - least, least));
    let most = verdict.most.map(|most| part(most - number, most));
    least.into_iter().chain(most).fold(f64::INFINITY, f64::min)
}

/// The number by itself.
pub(super) fn number(verdict: &Verdict) -> Option<String> {
    verdict.number.map(|number| match number.abs() {
        ENDLESS.. => "endless".to_owned(),
        _ => digits::deciding(number, &[verdict.least, verdict.most]),
    })
}

/// "0.9934 (0.98 to 1.02 asked; weir, 40 Mb/s)", as plain text.
pub(super) fn told(verdict: &Verdict) -> String {
    let bounds = digits::bounds(verdict.least, verdict.most);
    let asked =
        if bounds.is_empty() || verdict.report_only { bounds } else { format!("must be {bounds}") };
    let ceiling = verdict.ceiling.map(|most| format!("nothing here could exceed {most:.2}"));
    let details = [asked, ceiling.unwrap_or_default(), verdict.at.clone()]
        .into_iter()
        .filter(|word| !word.is_empty());
    let details = details.collect::<Vec<_>>().join("; ");
    let number = number(verdict).unwrap_or_else(|| "not measured".to_owned());
    if details.is_empty() { number } else { format!("{number} ({details})") }
}

/// Whether a check is about a peer that weir is compared with.
pub(super) fn at_baseline(experiment: &Experiment, verdict: &Verdict) -> bool {
    let check = experiment.check.iter().find(|check| check.what == verdict.what);
    let judged = check.map(|check| check.value.peer.as_str());
    judged.is_some() && judged != look::ours(experiment).map(|peer| peer.name.as_str())
}

/// The paper's value of a verdict's number.
pub(super) fn published(experiment: &Experiment, verdict: &Verdict) -> Option<String> {
    let check = experiment.check.iter().find(|check| check.what == verdict.what)?;
    check.published.map(digits::exact)
}
