//! The machine of the results. Invariant: results of different machines, days or commits are never
//! presented as one.

use super::plot::place_of;
use crate::run::{Machine, Results, count};
use crate::spec::Experiment;

/// One origin of results, and the experiments that come from it.
pub(super) struct Origin<'a> {
    pub(super) machine: &'a Machine,
    pub(super) quick: bool,
    pub(super) experiments: Vec<&'a str>,
}

/// All origins, by the first experiment of each.
pub(super) fn origins(all: &[(Experiment, Option<Results>)]) -> Vec<Origin<'_>> {
    let mut origins: Vec<Origin<'_>> = Vec::new();
    for (experiment, results) in all {
        let Some(Results { machine, quick, .. }) = results else { continue };
        let same = |origin: &Origin<'_>| origin.quick == *quick && alike(origin.machine, machine);
        let new = || Origin { machine, quick: *quick, experiments: Vec::new() };
        let place = place_of(&mut origins, same, new);
        origins[place].experiments.push(&experiment.id);
    }
    origins
}

/// Compares the day, without the time of day.
fn alike(a: &Machine, b: &Machine) -> bool {
    let on_day = |of: &Machine| Machine { date: day(&of.date).to_owned(), ..of.clone() };
    on_day(a) == on_day(b)
}

pub(super) fn day(date: &str) -> &str {
    date.split(['T', ' ']).next().unwrap_or(date)
}

/// "AMD EPYC, 2 cores, Linux 6.8.0; weir at 0123abc, with changes; whole runs of 2026-05-30".
pub(super) fn line(origin: &Origin<'_>) -> String {
    let Machine { kernel, cpu, cores, commit, dirty, date } = origin.machine;
    let commit: String = commit.chars().take(12).collect();
    let changes = if *dirty { ", with changes" } else { "" };
    let effort = if origin.quick { "quick runs" } else { "whole runs" };
    let kernel = kernel.strip_prefix("Linux ").unwrap_or(kernel);
    let cores = count(*cores, "core");
    format!("{cpu}, {cores}, Linux {kernel}; weir at {commit}{changes}; {effort} of {}", day(date))
}
