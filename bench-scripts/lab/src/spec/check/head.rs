//! A file's head: its id, its peers, its efforts and its variables.
//!
//! Invariant: the parts of a cell's name can be told apart in it.

use std::collections::BTreeSet;

use super::is_plain;
use crate::spec::problem::{Checked, must, require};
use crate::spec::{Effort, Experiment, PeerKind};

/// The last is not a paper: weir against its peers.
const PAPERS: [&str; 6] = ["A", "B", "C", "D", "E", "W"];
/// Limits, so that a typing slip does not cost too much.
const MOST_REPETITIONS: u32 = 1000;
const MOST_SECONDS: f64 = 3600.0;

pub(super) fn check(experiment: &Experiment, stem: &str) -> Checked {
    let Experiment { id, paper, .. } = experiment;
    must(id == stem, "id", || {
        format!("the file is called {stem}.toml: rename it, or write id = \"{stem}\"")
    })?;
    must(PAPERS.contains(&paper.as_str()), "paper", || {
        format!("there is no paper \"{paper}\": write one of {}", PAPERS.join(", "))
    })?;
    let rest = id.strip_prefix(paper.as_str());
    let of_paper = rest.is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|name| is_plain(name, "-"))
    });
    must(of_paper, "id", || {
        format!("an experiment of paper {paper} is called {paper}, or {paper}- and a name")
    })?;
    peers(experiment)?;
    variants(experiment)?;
    if let Some(vary) = &experiment.vary {
        values(&vary.values, "vary.values")?;
    }
    effort(experiment, &experiment.full, "full")?;
    effort(experiment, &experiment.quick, "quick")
}

fn peers(experiment: &Experiment) -> Checked {
    require(!experiment.peer.is_empty(), "peer", "there is no peer: add a [[peer]]")?;
    let mut known = BTreeSet::new();
    for (index, peer) in experiment.peer.iter().enumerate() {
        let at = format!("peer.{index}");
        name(&peer.name, &mut known, &at)?;
        let none = peer.binary.is_none()
            && peer.idle.is_none()
            && peer.mode.is_none()
            && peer.lane.is_none()
            && peer.config.is_empty();
        let what = "binary, idle, mode, lane and config are weir's: take them out";
        require(none || peer.kind == PeerKind::Weir, &at, what)?;
        let what = "which lane weir's frames go by is not said: write lane = \"scheduled\", by which \
                    a worker schedules and measures each, or lane = \"auto\"";
        require(peer.lane.is_some() || peer.kind != PeerKind::Weir, &at, what)?;
    }
    Ok(())
}

fn variants(experiment: &Experiment) -> Checked {
    let mut known = BTreeSet::new();
    for (index, variant) in experiment.variant.iter().enumerate() {
        let at = format!("variant.{index}");
        name(&variant.name, &mut known, &at)?;
        Names::peers(experiment).have(variant.peers.as_ref(), &format!("{at}.peers"))?;
    }
    Ok(())
}

fn name<'a>(name: &'a str, known: &mut BTreeSet<&'a str>, at: &str) -> Checked {
    let at = format!("{at}.name");
    must(is_plain(name, ".-"), &at, || {
        format!("\"{name}\" is no name for results: use letters, digits, . and -")
    })?;
    must(known.insert(name), &at, || format!("\"{name}\" is there twice: rename one"))
}

/// The names of one kind, to which other parts of a file refer.
pub(super) struct Names<'a> {
    what: &'static str,
    known: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn peers(experiment: &'a Experiment) -> Self {
        Self { what: "peer", known: experiment.peer.iter().map(|one| &one.name[..]).collect() }
    }

    pub(super) fn variants(experiment: &'a Experiment) -> Self {
        let known = experiment.variant.iter().map(|one| &one.name[..]).collect();
        Self { what: "variant", known }
    }

    pub(super) fn has(&self, name: &str, at: &str) -> Checked {
        must(self.known.contains(name), at, || {
            let valid: Vec<&str> = self.known.iter().copied().collect();
            let valid = if valid.is_empty() { "there are none".into() } else { valid.join(", ") };
            format!("there is no {} \"{name}\", valid: {valid}", self.what)
        })
    }

    /// A given list has at least one name, and all names are known.
    pub(super) fn have(&self, names: Option<&Vec<String>>, at: &str) -> Checked {
        let Some(names) = names else { return Ok(()) };
        must(!names.is_empty(), at, || format!("name one {} at least", self.what))?;
        for (index, name) in names.iter().enumerate() {
            let at = format!("{at}.{index}");
            self.has(name, &at)?;
            must(!names[..index].contains(name), &at, || {
                format!("\"{name}\" is there twice: take one out")
            })?;
        }
        Ok(())
    }
}

fn effort(experiment: &Experiment, effort: &Effort, at: &str) -> Checked {
    let Effort { repetitions, seconds, .. } = *effort;
    must((1..=MOST_REPETITIONS).contains(&repetitions), &format!("{at}.repetitions"), || {
        format!("write a number from 1 to {MOST_REPETITIONS}")
    })?;
    must(seconds > 0.0 && seconds <= MOST_SECONDS, &format!("{at}.seconds"), || {
        format!("write a time above 0 and up to {MOST_SECONDS}")
    })?;
    if let Some(list) = &effort.values {
        let at = format!("{at}.values");
        let what = "values are those of [vary], which is not there: add it";
        require(experiment.vary.is_some(), &at, what)?;
        values(list, &at)?;
    }
    Names::peers(experiment).have(effort.peers.as_ref(), &format!("{at}.peers"))?;
    Names::variants(experiment).have(effort.variants.as_ref(), &format!("{at}.variants"))?;
    let some = !experiment.places(at == "quick").is_empty();
    require(some, at, "its peers have none of its variants: nothing is measured")
}

fn values(list: &[f64], at: &str) -> Checked {
    require(!list.is_empty(), at, "there is no value: write one at least")?;
    for (index, value) in list.iter().enumerate() {
        let at = format!("{at}.{index}");
        must(value.is_finite(), &at, || format!("{value} is no value: write a finite number"))?;
        must(!list[..index].contains(value), &at, || format!("{value} is there twice"))?;
    }
    Ok(())
}

/// The varied quantity must make a difference.
pub(super) fn check_x(experiment: &Experiment) -> Checked {
    if experiment.vary.is_none() {
        return Ok(());
    }
    let used = experiment.uses_x(false)?;
    require(used, "vary", "nothing in [scene] depends on $x: use it, or take this out")
}
