//! Small experiments for tests. Invariant: nothing here needs a kernel.

use crate::cell::{Cell, Measured, Outcome, Place};
use crate::run::{Machine, Results};
use crate::spec::{Experiment, Scene};

pub(in crate::run) const SECONDS: f64 = 4.0;

/// `peer0`, `peer1`, … at x = 1, 2, …; nothing is varied if `xs` is 0.
pub(in crate::run) fn experiment(peers: usize, xs: usize, repetitions: u32) -> Experiment {
    toml::from_str(&text(peers, xs, repetitions)).unwrap()
}

/// An experiment file.
pub(in crate::run) fn text(peers: usize, xs: usize, repetitions: u32) -> String {
    let mut text = format!(
        r#"id = "X-1"
title = "Something is tried"
paper = "A"
claim = "It works."
their-setup = "Theirs."
our-setup = "Ours."
full = {{ repetitions = {repetitions}, seconds = {SECONDS} }}
quick = {{ repetitions = 1, seconds = 1 }}

[scene]
vms = 1
traffic = [{{ kind = "flood", from = "vm1", to = "uplink", size = 100 }}]
window = [{{ name = "all", from = 0, to = "$seconds" }}]

[[check]]
what = "everything arrives"
value = {{ quantity = "all.vm1.mbit", peer = "peer0" }}
least = 1
"#
    );
    if xs > 0 {
        let values: Vec<usize> = (1..=xs).collect();
        text += &format!("[vary]\nname = \"rate\"\nunit = \"Mb/s\"\nvalues = {values:?}\n");
    }
    for peer in 0..peers {
        text += &format!("[[peer]]\nname = \"peer{peer}\"\nkind = \"weir\"\n");
    }
    text
}

pub(in crate::run) fn scene() -> Scene {
    let text = format!("vms = 1\nwindow = [{{ name = \"all\", from = 0, to = {SECONDS:?} }}]");
    toml::from_str(&text).unwrap()
}

/// In the order of the file.
pub(in crate::run) fn cells(peers: usize, xs: usize, repetitions: u32) -> Vec<Cell> {
    let (mut cells, all) = (Vec::new(), experiment(peers, 0, 1).peer);
    let xs: Vec<Option<f64>> =
        if xs == 0 { vec![None] } else { (1..=xs).map(|x| Some(x as f64)).collect() };
    for repetition in 0..repetitions {
        for x in &xs {
            for peer in &all {
                let place = Place {
                    experiment: "X-1".to_owned(),
                    peer: peer.name.clone(),
                    variant: String::new(),
                    x: *x,
                    repetition,
                };
                cells.push(Cell { place, peer: peer.clone(), scene: scene() });
            }
        }
    }
    cells
}

pub(in crate::run) fn machine() -> Machine {
    Machine {
        kernel: "6.18".to_owned(),
        cpu: "one of them".to_owned(),
        cores: 2,
        commit: "0123456789ab".to_owned(),
        dirty: false,
        date: "2025-01-02T03:04:05Z".to_owned(),
    }
}

pub(in crate::run) fn outcome(mbit: f64) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.values.insert("all.vm1.mbit".to_owned(), mbit);
    outcome.series.insert("vm1.mbit".to_owned(), vec![(0.5, mbit), (1.5, mbit / 2.0)]);
    outcome
}

pub(in crate::run) fn measured(cell: &Cell, mbit: f64) -> Measured {
    Measured {
        place: cell.place.clone(),
        outcome: outcome(mbit),
        began_unix_s: 1_700_000_000,
        took_s: 5.25,
    }
}

pub(in crate::run) fn results(id: &str, quick: bool) -> Results {
    Results {
        version: crate::run::store::VERSION,
        id: id.to_owned(),
        quick,
        seed: 1,
        machine: machine(),
        scale: None,
        file: text(2, 2, 1),
        measured: cells(2, 2, 1).iter().map(|cell| measured(cell, 0.25)).collect(),
        verdicts: Vec::new(),
    }
}
