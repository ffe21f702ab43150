//! An experiment on the page: claim, verdict, figures, set-ups, notes.
//!
//! Invariant: its `id` is the experiment's id, so that links to it stay valid.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;

use super::facts::{self, Standing};
use super::html::{escape, marked, sentence};
use super::{digits, figure};
use crate::run::{Results, count};
use crate::spec::{Experiment, Peer};

pub(super) fn section(experiment: &Experiment, results: Option<&Results>) -> Result<String> {
    let id = escape(&experiment.id);
    let mut out = format!(
        "<section id=\"{id}\" class=\"experiment\" aria-labelledby=\"{id}-title\">\n<h3 id=\"{id}-title\"><a href=\"#{id}\">{id}</a> {}</h3>\n",
        escape(&experiment.title)
    );
    // W is weir against its peers.
    let whose = if experiment.paper == "W" { "The aim" } else { "The paper" };
    let _ = writeln!(
        out,
        "<p class=\"claim\"><b>{whose}:</b> {}</p>",
        escape(&sentence(&experiment.claim))
    );
    match results {
        Some(results) => out += &verdicts(experiment, results),
        None => {
            let _ = writeln!(
                out,
                "<p class=\"verdict\">{} <code>cargo xtask experiment run {id}</code></p>",
                badge(Standing::NotRun)
            );
        }
    }
    for one in &experiment.figure {
        out += &figure::figure(experiment, results, one)?;
    }
    out += &figure::unclaimed(experiment)?;
    out += &setups(experiment, results);
    out += &results.map(notes).unwrap_or_default();
    Ok(out + "</section>\n")
}

/// "✓ holds".
pub(super) fn badge(standing: Standing) -> String {
    let (words, sign, class) = standing.shown();
    format!(
        "<strong class=\"badge {class}\"><span aria-hidden=\"true\">{sign}</span> {words}</strong>"
    )
}

fn verdicts(experiment: &Experiment, results: &Results) -> String {
    let mut out = format!("<p class=\"verdict\">{}", badge(Standing::of(Some(results))));
    if let Some(verdict) = facts::deciding(results) {
        let _ = write!(out, " {}", escape(&facts::told(verdict)));
    }
    out += "</p>\n";
    if results.quick {
        out += "<p class=\"words\">A quick run: short windows and few repetitions; bounds may be wider than a whole run's.</p>\n";
    }
    if let Some(scale) = results.lowered() {
        let _ = writeln!(
            out,
            "<p class=\"words\">{} Rates below are as measured at this scale; ratios do not depend on it.</p>",
            escape(&sentence(&scale.sentence())),
        );
    }
    let ordered = facts::in_order(results);
    if ordered.is_empty() {
        return out;
    }
    out += "<ul class=\"checks\">\n";
    for verdict in ordered {
        let (class, word) = match (verdict.report_only, verdict.holds) {
            (false, true) => ("holds", "✓ holds".to_owned()),
            (false, false) if !verdict.is_judged() => {
                ("open", "– cannot be judged here".to_owned())
            }
            (false, false) => ("fails", "✗ does not hold".to_owned()),
            (true, seen) => {
                let seen = if seen { "yes" } else { "no" };
                let at =
                    if facts::at_baseline(experiment, verdict) { " at the baseline" } else { "" };
                ("open", format!("seen{at}: {seen}"))
            }
        };
        let theirs = facts::published(experiment, verdict)
            .map(|number| format!("; the paper's: {number}"))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "<li><span class=\"{class}\">{word}</span> {} <span class=\"number\">{}{theirs}</span></li>",
            escape(&sentence(&verdict.what)),
            escape(&facts::told(verdict)),
        );
    }
    out + "</ul>\n"
}

fn setups(experiment: &Experiment, results: Option<&Results>) -> String {
    let mut out = String::from("<dl class=\"setup\">\n");
    let mut add = |term: &str, text: &str| {
        if !text.trim().is_empty() {
            let _ = writeln!(out, "<dt>{term}</dt><dd>{}</dd>", marked(text));
        }
    };
    add("The paper's set-up", &sentence(&experiment.their_setup));
    add("What differs here", &sentence(&experiment.our_setup));
    let peers: Vec<_> = experiment.peer.iter().map(Peer::shown).collect();
    add("Compared", &peers.join("; "));
    if let Some(results) = results {
        add("Run", &effort(experiment, results));
    }
    out + "</dl>\n"
}

/// "10 repetitions of 10 s each; 160 measurements in 35 minutes, seed 7".
fn effort(experiment: &Experiment, results: &Results) -> String {
    let seconds = digits::exact(experiment.effort(results.quick).seconds);
    let took: f64 = results.measured.iter().map(|cell| cell.took_s).sum();
    let took = if took < 120.0 {
        format!("{} s", digits::exact(took.round()))
    } else {
        format!("{} minutes", digits::exact((took / 60.0).round()))
    };
    let kind = if results.quick { "quick: " } else { "" };
    format!(
        "{kind}{}, runs of {seconds} s; {} in {took}, order by seed {}",
        count(figure::repetitions(results), "repetition"),
        count(results.measured.len(), "measurement"),
        results.seed,
    )
}

/// The notes of the measurements, each once.
fn notes(results: &Results) -> String {
    // Of each, how often, and of which peers.
    let mut notes: BTreeMap<&str, (usize, BTreeSet<&str>)> = BTreeMap::new();
    for cell in &results.measured {
        for note in &cell.outcome.notes {
            let (times, peers) = notes.entry(note).or_default();
            *times += 1;
            peers.insert(&cell.place.peer);
        }
    }
    if notes.is_empty() {
        return String::new();
    }
    let mut notes: Vec<_> = notes.into_iter().collect();
    notes.sort_by_key(|(_, (times, _))| Reverse(*times));
    let mut out = String::from("<h4>Notes of the runs</h4>\n<ul class=\"notes\">\n");
    for (note, (times, peers)) in notes {
        let _ = writeln!(
            out,
            "<li>{} <small>{times} of {} ({})</small></li>",
            escape(&sentence(note)),
            count(results.measured.len(), "measurement"),
            escape(&Vec::from_iter(peers).join(", ")),
        );
    }
    out + "</ul>\n"
}
