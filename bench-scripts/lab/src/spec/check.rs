//! Checks a file. Invariant: a file that passes can be run and judged: every name is known, the parts of
//! a cell's name can be told apart in it, and every quantity is measured.
//!
//! - [`scene`]: the scene of each cell; [`claims`]: checks, figures and published numbers

mod claims;
mod scene;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::scene::above_zero;
use super::problem::{Checked, each, require, within};
use super::quantity::is_rate;
use super::{Experiment, Peer, PeerKind, Scale, variables};
use crate::cell::Cell;

/// The last is not a paper: weir against its peers.
const PAPERS: [&str; 6] = ["A", "B", "C", "D", "E", "W"];
/// Limits, so that a typing slip does not cost too much.
const MOST_REPETITIONS: u32 = 1000;
const MOST_SECONDS: f64 = 3600.0;

/// Checks a whole file; `stem` is its name without the ending.
pub(super) fn whole(experiment: &Experiment, stem: &str) -> Checked {
    head(experiment, stem)?;
    peers(&experiment.peer)?;
    each("variant", &experiment.variant, |variant, before| {
        name(&variant.name, before.iter().all(|other| other.name != variant.name))?;
        Names::peers(experiment).have(variant.peers.as_ref(), "peers")
    })?;
    if let Some(vary) = &experiment.vary {
        within("vary", values(&vary.values))?;
    }
    within("full", effort(experiment, false))?;
    within("quick", effort(experiment, true))?;
    variables::check_names(&experiment.variant)?;
    let cells = [once(experiment, false)?, once(experiment, true)?];
    let what = "nothing in [scene] depends on $x: use it, or take this out";
    require(experiment.vary.is_none() || experiment.uses_x()?, "vary", what)?;
    claims::check(experiment, &cells)?;
    scale(experiment, &cells)
}

fn head(experiment: &Experiment, stem: &str) -> Checked {
    let Experiment { id, paper, .. } = experiment;
    let what = format!("the file is called {stem}.toml: rename it, or write id = \"{stem}\"");
    require(id == stem, "id", what)?;
    let what = format!("there is no paper \"{paper}\": write one of {}", PAPERS.join(", "));
    require(PAPERS.contains(&paper.as_str()), "paper", what)?;
    let of_paper = id.strip_prefix(paper.as_str()).is_some_and(|rest| {
        rest.is_empty() || rest.strip_prefix('-').is_some_and(|name| is_plain(name, "-"))
    });
    let what = format!("an experiment of paper {paper} is called {paper}, or {paper}- and a name");
    require(of_paper, "id", what)
}

fn peers(all: &[Peer]) -> Checked {
    require(!all.is_empty(), "peer", "there is no peer: add a [[peer]]")?;
    each("peer", all, |peer, before| {
        name(&peer.name, before.iter().all(|other| other.name != peer.name))?;
        let none = peer.binary.is_none()
            && peer.idle.is_none()
            && peer.mode.is_none()
            && peer.lane.is_none()
            && peer.config.is_empty();
        let what = "binary, idle, mode, lane and config are weir's: take them out";
        require(none || peer.kind == PeerKind::Weir, "", what)?;
        let what = "which lane weir's frames go by is not said: write lane = \"scheduled\", by which \
                    a worker schedules and measures each, or lane = \"auto\"";
        require(peer.lane.is_some() || peer.kind != PeerKind::Weir, "", what)
    })
}

fn name(name: &str, is_new: bool) -> Checked {
    let what = format!("\"{name}\" is no name for results: use letters, digits, . and -");
    require(is_plain(name, ".-"), "name", what)?;
    require(is_new, "name", format!("\"{name}\" is there twice: rename one"))
}

fn effort(experiment: &Experiment, quick: bool) -> Checked {
    let effort = experiment.effort(quick);
    let what = format!("write a number from 1 to {MOST_REPETITIONS}");
    require((1..=MOST_REPETITIONS).contains(&effort.repetitions), "repetitions", what)?;
    let what = format!("write a time above 0 and up to {MOST_SECONDS}");
    require(effort.seconds > 0.0 && effort.seconds <= MOST_SECONDS, "seconds", what)?;
    if let Some(list) = &effort.values {
        let what = "values are those of [vary], which is not there: add it";
        require(experiment.vary.is_some(), "values", what)?;
        values(list)?;
    }
    Names::peers(experiment).have(effort.peers.as_ref(), "peers")?;
    Names::variants(experiment).have(effort.variants.as_ref(), "variants")?;
    let some = !experiment.places(quick).is_empty();
    require(some, "", "its peers have none of its variants: nothing is measured")
}

fn values(list: &[f64]) -> Checked {
    require(!list.is_empty(), "values", "there is no value: write one at least")?;
    each("values", list, |value, before| {
        require(value.is_finite(), "", format!("{value} is no value: write a finite number"))?;
        require(!before.contains(value), "", format!("{value} is there twice"))
    })
}

/// The cells of an effort's first repetition, each of them checked.
fn once(experiment: &Experiment, quick: bool) -> Checked<Vec<Cell>> {
    let mut cells = experiment.all_cells(quick)?;
    cells.retain(|cell| cell.place.repetition == 0);
    for Cell { place, peer, scene } in &cells {
        let index = experiment.peer.iter().position(|one| one.name == peer.name);
        let kind = format!("peer.{}.kind", index.unwrap_or_default());
        within("scene", scene::check(scene))
            .and_then(|()| within(&kind, scene::check_peer(peer.kind, scene)))
            .map_err(|problem| {
                problem.with(&place.variant, place.x, experiment.effort(quick).seconds)
            })?;
    }
    Ok(cells)
}

/// Scaled results can be drawn and judged: no axis and no ratio of unlike quantities needs to know the
/// scale. `cells` of the full and of the quick effort.
fn scale(experiment: &Experiment, cells: &[Vec<Cell>; 2]) -> Checked {
    let Some(Scale { mbit, pps, share }) = &experiment.scale else { return Ok(()) };
    let what = "write what the rates ask of weir's worker: mbit of TCP that it cuts, or pps that it \
                forwards, one of both";
    require(mbit.is_some() != pps.is_some(), "scale", what)?;
    above_zero(*mbit, "scale.mbit", "a rate in Mb/s")?;
    above_zero(*pps, "scale.pps", "frames a second")?;
    let what = format!(
        "{share} is no share: write a part of what the worker manages, above 0 and up to 1"
    );
    require(*share > 0.0 && *share <= 1.0, "scale.share", what)?;
    let rates = |cell: &Cell| cell.scene.rates_listed();
    let some = cells.iter().flatten().any(|cell| !rates(cell).is_empty());
    require(some, "scale", "no scene here has a rate: take this out")?;
    let what = "$x makes a rate here, and the axis would not show which one: take this out, or vary \
                something else";
    for cells in cells {
        let varies = |one: &Cell, other: &Cell| {
            one.place.variant == other.place.variant && rates(one) != rates(other)
        };
        let vary = cells.iter().any(|one| cells.iter().any(|other| varies(one, other)));
        require(!vary, "scale", what)?;
    }
    let what =
        "with [scale] a rate is divided by a rate, and nothing else is: choose another quantity";
    each("check", &experiment.check, |check, _| {
        let rate = is_rate(&check.value.quantity);
        let alike = check.over.as_ref().is_none_or(|over| is_rate(&over.quantity) == rate);
        require(alike, "over", what)
    })
}

/// The names of one kind, to which other parts of a file refer.
struct Names<'a> {
    what: &'static str,
    known: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn peers(experiment: &'a Experiment) -> Self {
        Self { what: "peer", known: experiment.peer.iter().map(|one| &one.name[..]).collect() }
    }

    fn variants(experiment: &'a Experiment) -> Self {
        let known = experiment.variant.iter().map(|one| &one.name[..]).collect();
        Self { what: "variant", known }
    }

    fn has(&self, name: &str, at: &str) -> Checked {
        let valid: Vec<&str> = self.known.iter().copied().collect();
        let valid = if valid.is_empty() { "there are none".into() } else { valid.join(", ") };
        let what = format!("there is no {} \"{name}\", valid: {valid}", self.what);
        require(self.known.contains(name), at, what)
    }

    /// A given list has at least one name, and all names are known.
    fn have(&self, names: Option<&Vec<String>>, at: &str) -> Checked {
        let Some(names) = names else { return Ok(()) };
        require(!names.is_empty(), at, format!("name one {} at least", self.what))?;
        each(at, names, |name, before| {
            self.has(name, "")?;
            require(!before.contains(name), "", format!("\"{name}\" is there twice: take one out"))
        })
    }
}

/// `1 VM`, `2 VMs`.
fn vms(count: u8) -> String {
    if count == 1 { "1 VM".to_owned() } else { format!("{count} VMs") }
}

/// Whether a name can be part of other names: letters, digits and those of `more`.
fn is_plain(name: &str, more: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}
