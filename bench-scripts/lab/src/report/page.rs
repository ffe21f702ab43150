//! The page around the sections: head, contents, summary, papers.
//!
//! Invariant: complete without external scripts, fonts or pictures.

use std::fmt::Write as _;

use anyhow::Result;

use super::facts::{self, Standing};
use super::html::escape;
use super::look;
use super::section::{badge, section};
use crate::run::Results;
use crate::spec::Experiment;

type All = [(Experiment, Option<Results>)];

/// The command that reproduces everything.
const AGAIN: &str = "cargo xtask experiment run all &amp;&amp; cargo xtask report";

pub(super) fn page(all: &All) -> Result<String> {
    let mut out =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    out += "<title>weir: five papers' experiments</title>\n<style>\n";
    out += &look::style();
    out += "</style>\n</head>\n<body>\n";
    out += &contents(all);
    out += "<main>\n";
    out += &head(all);
    out += &summary(all);
    for experiments in by_paper(all) {
        out += &paper_head(&experiments[0].0.paper);
        for (experiment, results) in experiments {
            out += &section(experiment, results.as_ref())?;
        }
        out += "</section>\n";
    }
    Ok(out + "</main>\n</body>\n</html>\n")
}

/// The experiments of each paper, which come one after the other.
fn by_paper(all: &All) -> impl Iterator<Item = &All> {
    all.chunk_by(|(one, _), (next, _)| one.paper == next.paper)
}

fn contents(all: &All) -> String {
    let mut out = String::from(
        "<nav aria-label=\"Contents\">\n<p><a href=\"#summary\">Summary</a></p>\n<ul>\n",
    );
    for experiments in by_paper(all) {
        let letter = &experiments[0].0.paper;
        let about = paper(letter).0;
        let letter = escape(letter);
        let _ = writeln!(out, "<li><a href=\"#paper-{letter}\">{letter}. {about}</a>\n<ul>");
        for (experiment, results) in experiments {
            let (words, sign, class) = Standing::of(results.as_ref()).shown();
            let _ = writeln!(
                out,
                "<li><a href=\"#{id}\"><span class=\"{class}\" title=\"{words}\">{sign}</span> {id}</a></li>",
                id = escape(&experiment.id),
            );
        }
        out += "</ul></li>\n";
    }
    out + "</ul>\n</nav>\n"
}

fn head(all: &All) -> String {
    let mut out = String::from("<header>\n<h1>Five papers' experiments, on weir</h1>\n");
    out += "<p>weir is a data-plane forwarder for virtualization hosts. This page repeats the experiments of five papers on network virtualization, on weir and on what it is compared with, and sets the results beside what the papers printed. Absolute numbers are this machine's; only ratios, shares, fairness and orderings are judged.</p>\n";
    let origins = facts::origins(all);
    if origins.is_empty() {
        out += "<p>Nothing has been run yet.</p>\n";
    } else if let [(origin, _)] = &origins[..] {
        let _ = writeln!(out, "<p class=\"machine\">{}.</p>", escape(origin));
    } else {
        out += "<ul class=\"machine\">\n";
        for (origin, experiments) in &origins {
            let experiments = escape(&experiments.join(", "));
            let _ = writeln!(out, "<li>{} <small>{experiments}</small></li>", escape(origin));
        }
        out += "</ul>\n";
    }
    if all.iter().any(|(_, results)| results.as_ref().is_some_and(|results| results.quick)) {
        out += "<p>Quick runs only show that everything works and points the right way: their intervals are wide or missing.</p>\n";
    }
    let _ = writeln!(out, "<p>To make it again: <code>{AGAIN}</code></p>\n</header>");
    out
}

fn summary(all: &All) -> String {
    let standings: Vec<_> = all.iter().map(|(_, results)| Standing::of(results.as_ref())).collect();
    let mut parts = Vec::new();
    for standing in [Standing::Holds, Standing::Fails, Standing::Unjudged, Standing::NotRun] {
        let number = standings.iter().filter(|one| **one == standing).count();
        if number > 0 {
            let words = match standing {
                Standing::Holds if number > 1 => "hold",
                Standing::Fails if number > 1 => "do not hold",
                one => one.shown().0,
            };
            parts.push(format!("{number} {words}"));
        }
    }
    let mut out = String::from(
        "<section id=\"summary\" aria-labelledby=\"summary-title\">\n<h2 id=\"summary-title\">Summary</h2>\n",
    );
    let _ = writeln!(out, "<p>Of {} experiments: {}.</p>", all.len(), parts.join(", "));
    out += "<div class=\"scroll\" role=\"region\" aria-label=\"Summary\" tabindex=\"0\"><table class=\"summary\">\n<thead><tr><th scope=\"col\">Experiment</th><th scope=\"col\">The paper's claim</th><th scope=\"col\">Here</th><th scope=\"col\">What decides</th></tr></thead>\n<tbody>\n";
    for (experiment, results) in all {
        let decides = results
            .as_ref()
            .and_then(facts::deciding)
            .map(|verdict| format!("{}: {}", escape(&verdict.what), escape(&facts::told(verdict))));
        let _ = writeln!(
            out,
            "<tr><th scope=\"row\"><a href=\"#{id}\">{id}</a><br>{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&experiment.title),
            escape(&experiment.claim),
            badge(Standing::of(results.as_ref())),
            decides.unwrap_or_default(),
            id = escape(&experiment.id),
        );
    }
    out + "</tbody></table></div>\n</section>\n"
}

/// Opens the paper's section.
fn paper_head(letter: &str) -> String {
    let (about, citation) = paper(letter);
    let letter = escape(letter);
    format!(
        "<section id=\"paper-{letter}\" class=\"paper\" aria-labelledby=\"paper-{letter}-title\">\n<h2 id=\"paper-{letter}-title\">{letter}. {about}</h2>\n<p class=\"citation\">{citation}</p>\n"
    )
}

/// A paper's subject and authors, by the letter of the experiment files.
fn paper(letter: &str) -> (&'static str, &'static str) {
    match letter {
        "A" => (
            "Isolation between virtual adapters",
            "Blazej Adamczyk and Andrzej Chydzinski (Silesian University of Technology), \
             “On the Performance Isolation Across Virtual Network Adapters in Xen”: what \
             one VM's traffic does to another's, and a weighted round robin against it.",
        ),
        "B" => (
            "Packets by the container",
            "Shikha R. Thakur and R. M. Goudar (MIT Academy of Engineering, Pune), \
             “Improving Network I/O Virtualization Performance of Xen Hypervisor”: packets \
             handed over by the container, released when their traffic's own delays say so.",
        ),
        "C" => (
            "A shorter path",
            "Zhang Jian, Li Xiaoyong and Guan Haibing (Shanghai Jiao Tong University), \
             “The Optimization of Xen Network Virtualization”: what does not need the far \
             side is done where it arises.",
        ),
        "D" => (
            "IPv4, IPv6, round trips and jitter",
            "David Antoš, Jiří Denemark and Jan Fousek (CESNET technical report 3/2008), \
             “Effects of Virtualisation on Behaviour and Performance Characteristics of \
             Network Processing”: both protocols by packet size, two VMs at once, a busy \
             neighbour.",
        ),
        "E" => (
            "Many hosts and many routers on one machine",
            "Fabienne Anhalt and Pascale Vicat-Blanc Primet (INRIA, ENS Lyon), “Analysis \
             and Experimental Evaluation of Network Data-Plane Virtualization Mechanisms”: \
             one to eight virtual hosts or routers, how much they carry and how fairly.",
        ),
        "W" => (
            "weir against its peers",
            "No paper's: what weir costs and how fast it is beside a Linux bridge, a bridge \
             with HTB, and XDP redirect.",
        ),
        _ => ("", ""),
    }
}
