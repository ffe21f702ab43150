//! Whole runs with a player that measures nothing. Invariant: no root, no kernel, no waiting.

mod machine;
pub(super) mod testing;

use std::cell::{Cell as Switch, RefCell};
use std::path::Path;

use anyhow::{Result, bail};

use super::campaign::Campaign;
use super::plan::Planned;
use super::screen::Screen;
use super::{Ended, Orders, Overhead, Results, kept};
use crate::cell::{Cell, Outcome};
use crate::spec::{Capacity, Scale, Scaled};

const PEERS: usize = 3;
const XS: usize = 2;
const REPETITIONS: u32 = 2;
const ALL: usize = PEERS * XS * REPETITIONS as usize;
/// With one repetition.
const QUICK: usize = PEERS * XS;

/// The arguments of a run, and its observations.
struct Trial {
    folder: tempfile::TempDir,
    orders: Orders,
    weir: &'static str,
    /// Cells in the order in which they were played.
    played: RefCell<Vec<String>>,
    /// Set once this many cells were played.
    interrupt_after: Switch<Option<usize>>,
    progress: RefCell<Vec<u8>>,
    findings: RefCell<Vec<u8>>,
    check: bool,
    /// The demand of the file's rates on a worker, if they fit themselves to it; and what the worker
    /// can do.
    scale: Option<f64>,
    manages: Switch<f64>,
}

impl Trial {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            orders: Orders { quick: false, again: false, seed: 1, only: Vec::new() },
            weir: "weir-a",
            played: RefCell::default(),
            interrupt_after: Switch::new(None),
            progress: RefCell::default(),
            findings: RefCell::default(),
            check: false,
            scale: None,
            manages: Switch::new(500.0),
        }
    }

    fn run(&self) -> Ended {
        self.run_with(|_| Ok(testing::outcome(1.0))).unwrap()
    }

    fn run_with(&self, mut play: impl FnMut(&Cell) -> Result<Outcome>) -> Result<Ended> {
        self.played.borrow_mut().clear();
        let mut experiment = testing::experiment(PEERS, XS, REPETITIONS);
        if !self.check {
            experiment.check.clear();
        }
        if let Some(mbit) = self.scale {
            experiment.scale = Some(Scale { mbit: Some(mbit), pps: None, share: 0.5 });
            experiment.scene.insert("link".to_owned(), 100.into());
        }
        let cells = match self.orders.quick || self.scale.is_some() {
            true => experiment.cells(self.orders.quick)?,
            false => testing::cells(PEERS, XS, REPETITIONS),
        };
        experiment.text = testing::text(PEERS, XS, REPETITIONS);
        let (mut progress, mut findings) = (self.progress.borrow_mut(), self.findings.borrow_mut());
        let interrupted =
            || self.interrupt_after.get().is_some_and(|after| self.played.borrow().len() >= after);
        let mut campaign = Campaign {
            orders: &self.orders,
            folder: self.folder.path(),
            machine: testing::machine(),
            weir: self.weir.to_owned(),
            interrupted: &interrupted,
            screen: Screen::new(false, cells.len(), &mut *progress, &mut *findings),
            overhead: Overhead::USUAL,
        };
        campaign.run(&[Planned { experiment: &experiment, cells }], &mut |cell| {
            if cell.place.experiment == "capacity" {
                let windows = cell.scene.window.iter();
                let mbit = windows.map(|it| (format!("{}.all.mbit", it.name), self.manages.get()));
                return Ok(Outcome { values: mbit.collect(), ..Outcome::default() });
            }
            assert_eq!(cell.place.peer, cell.peer.name);
            self.played.borrow_mut().push(cell.place.key());
            play(cell)
        })
    }

    fn played(&self) -> usize {
        self.played.borrow().len()
    }

    fn results(&self) -> Option<Results> {
        kept(self.folder.path(), "X-1").unwrap()
    }

    fn progress(&self) -> String {
        String::from_utf8(self.progress.borrow().clone()).unwrap()
    }
}

fn cell_files(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("X-1")).map_or(0, Iterator::count)
}

#[test]
fn measures_every_cell_once() {
    let trial = Trial::new();
    let ended = trial.run();
    assert!(ended.holds && ended.interrupted.is_none());
    assert_eq!((trial.played(), cell_files(trial.folder.path())), (ALL, ALL));
    let results = trial.results().unwrap();
    let order: Vec<String> = results.measured.iter().map(|cell| cell.place.key()).collect();
    let file: Vec<String> =
        testing::cells(PEERS, XS, REPETITIONS).iter().map(|cell| cell.place.key()).collect();
    assert_eq!(order, file, "in the order of the file");
    assert_ne!(order, *trial.played.borrow(), "measured in a fair one");
    assert_eq!(results.file, testing::text(PEERS, XS, REPETITIONS));
    let progress = trial.progress();
    assert_eq!(progress.lines().count(), ALL, "{progress}");
    assert!(progress.lines().all(|line| line.chars().count() <= 100), "{progress}");
    assert!(progress.contains("[12/12] X-1 peer"), "{progress}");
}

#[test]
fn takes_what_is_kept() {
    let mut trial = Trial::new();
    trial.run();
    trial.run();
    assert_eq!(trial.played(), 0);
    assert!(trial.progress().contains("X-1: 12 of 12 cells are kept"));
    let found = String::from_utf8(trial.findings.borrow().clone()).unwrap();
    assert!(found.ends_with("\nX-1 Something is tried: everything is kept\n"), "{found}");
    trial.weir = "weir-b";
    trial.run();
    assert_eq!(trial.played(), ALL, "another weir");
    trial.orders.quick = true;
    trial.run();
    assert_eq!(trial.played(), QUICK, "another effort");
    trial.orders.again = true;
    trial.run();
    assert_eq!(trial.played(), QUICK, "asked to");
}

#[test]
fn goes_on_where_it_was_interrupted() {
    let trial = Trial::new();
    trial.interrupt_after.set(Some(5));
    let ended = trial.run();
    // The fifth was under way.
    assert_eq!(ended.interrupted, Some((4, ALL)));
    assert_eq!((ended.finished.len(), trial.results()), (0, None));
    assert_eq!(cell_files(trial.folder.path()), 4);
    let said = ended.summary();
    assert_eq!(said, "\ninterrupted: 4 of 12 cells are kept; the same command goes on from there");
    trial.interrupt_after.set(None);
    let ended = trial.run();
    assert_eq!((trial.played(), ended.interrupted), (ALL - 4, None));
    assert_eq!(trial.results().unwrap().measured.len(), ALL);
}

#[test]
fn does_not_try_again_what_was_interrupted() {
    let trial = Trial::new();
    trial.interrupt_after.set(Some(1));
    let ended = trial.run_with(|_| bail!("the namespace is gone")).unwrap();
    assert_eq!((trial.played(), ended.interrupted), (1, Some((0, ALL))));
    assert_eq!(trial.progress(), "");
}

#[test]
fn tries_once_more_what_fails() {
    let trial = Trial::new();
    let mut failed = false;
    let ended = trial.run_with(|_| {
        if std::mem::replace(&mut failed, true) {
            return Ok(testing::outcome(1.0));
        }
        bail!("a hiccup\nand a long log")
    });
    assert!(ended.unwrap().holds);
    assert_eq!(trial.played(), ALL + 1);
    let progress = trial.progress();
    assert!(progress.contains("failed, and is tried once more: a hiccup\n"), "{progress}");
}

#[test]
fn goes_on_after_what_fails_twice() {
    let trial = Trial::new();
    let broken = "peer1_2_r0";
    let play = |cell: &Cell| {
        if cell.place.key() == broken {
            bail!("no such thing\nit said: nothing");
        }
        Ok(testing::outcome(1.0))
    };
    let ended = trial.run_with(play).unwrap();
    assert_eq!(trial.played(), ALL + 1);
    assert!(!ended.holds);
    let failure = &ended.finished[0].failures[0];
    assert_eq!(failure.cell, "X-1 peer1, 2 Mb/s, 1 of 2");
    assert_eq!(failure.error, "no such thing");
    assert!(trial.progress().contains("it said: nothing"), "the whole of it is shown");
    let results = trial.results().unwrap();
    let cell = results.measured.iter().find(|cell| cell.place.key() == broken).unwrap();
    assert!(cell.outcome.values.is_empty());
    assert_eq!(cell.outcome.notes, ["could not be measured: no such thing"]);
    insta::assert_snapshot!(ended.summary().replace("0 s", "T"), @"

    not measured:
    X-1 peer1, 2 Mb/s, 1 of 2: no such thing

    1 experiment, 0 of 0 checks hold, 1 cell not measured, in T
    ");

    assert!(trial.run().holds);
    assert_eq!(trial.played(), 1, "only what failed");
}

#[test]
fn some_peers_alone_make_no_results() {
    let mut trial = Trial::new();
    trial.check = true;
    trial.orders.only = vec!["peer1".to_owned(), "peer2".to_owned()];
    let ended = trial.run();
    assert_eq!(trial.played(), ALL * 2 / 3);
    assert_eq!((ended.finished[0].verdicts.len(), trial.results()), (0, None));
    assert!(ended.finished[0].results.is_none());
    trial.orders.only = vec!["peer0".to_owned()];
    let ended = trial.run();
    assert_eq!(trial.played(), ALL / 3);
    assert_eq!(ended.finished[0].verdicts.len(), 1, "now everybody is there");
    assert_eq!(trial.results().unwrap().measured.len(), ALL);
}

#[test]
fn what_does_not_hold_comes_last() {
    let mut trial = Trial::new();
    trial.check = true;
    let ended = trial.run_with(|_| Ok(testing::outcome(0.5))).unwrap();
    assert!(!ended.holds);
    let verdict = ended.finished[0].verdicts[0].line();
    let found = String::from_utf8(trial.findings.borrow().clone()).unwrap();
    assert!(found.starts_with("\nX-1 Something is tried: 12 cells in "), "{found}");
    assert!(found.contains(&verdict), "{found}");
    let summary = ended.summary();
    assert!(summary.contains(&format!("\nX-1 does not hold:\n{verdict}\n")), "{summary}");
    assert!(
        summary.contains("1 experiment, 0 of 1 checks hold, no cell not measured"),
        "{summary}"
    );
    assert_eq!(trial.results().unwrap().verdicts.len(), 1);
    let json: serde_json::Value = serde_json::to_value(&ended).unwrap();
    assert_eq!(json["holds"], false);
    assert_eq!(json["finished"][0]["verdicts"][0]["number"], 0.5);
}

#[test]
fn what_fails_in_a_quick_run_is_measured_twice_more() {
    let mut trial = Trial::new();
    (trial.check, trial.orders.quick) = (true, true);
    // The machine was busy with something else once.
    let once =
        |cell: &Cell| Ok(testing::outcome(if cell.place.repetition == 0 { 0.5 } else { 1.0 }));
    let ended = trial.run_with(once).unwrap();
    assert!(ended.holds);
    assert_eq!(trial.played(), 3 * QUICK);
    assert_eq!(trial.results().unwrap().measured.len(), 3 * QUICK);
    assert!(trial.progress().contains("X-1: in doubt: everything arrives\n"));
    assert!(trial.progress().contains("[18/18] "), "{}", trial.progress());

    trial.orders.again = true;
    let never = trial.run_with(|_| Ok(testing::outcome(0.5))).unwrap();
    assert!(!never.holds);
    assert_eq!(trial.played(), 3 * QUICK, "but not without end");
    trial.orders.quick = false;
    trial.run_with(|_| Ok(testing::outcome(0.5))).unwrap();
    assert_eq!(trial.played(), ALL, "a whole run is what it is");
}

#[test]
fn no_number_is_none() {
    let trial = Trial::new();
    let strange = |_: &Cell| {
        let mut outcome = testing::outcome(f64::NAN);
        outcome.values.insert("all.vm1.kpps".to_owned(), 2.0);
        Ok(outcome)
    };
    trial.run_with(strange).unwrap();
    let outcome = &trial.results().unwrap().measured[0].outcome;
    assert_eq!(outcome.values.keys().collect::<Vec<_>>(), ["all.vm1.kpps"]);
    assert_eq!(outcome.series["vm1.mbit"], []);
    assert_eq!(outcome.notes.len(), 2);
}

#[test]
fn what_cannot_be_kept_ends_the_run() {
    let trial = Trial::new();
    // A file in the place of the folder of cells.
    std::fs::write(trial.folder.path().join("X-1"), "").unwrap();
    let error = trial.run_with(|_| Ok(testing::outcome(1.0))).unwrap_err();
    assert!(format!("{error:#}").contains("cannot write"), "{error:#}");
    assert_eq!(trial.played(), 1);
}

#[test]
fn rates_are_fitted_to_what_the_worker_manages() {
    let mut trial = Trial::new();
    (trial.check, trial.scale) = (true, Some(500.0));
    let links = RefCell::new(Vec::new());
    let run = |trial: &Trial| {
        links.borrow_mut().clear();
        let ended = trial.run_with(|cell| {
            links.borrow_mut().push(cell.scene.link.unwrap());
            Ok(testing::outcome(0.5))
        });
        assert!(links.borrow().windows(2).all(|two| two[0] == two[1]), "{links:?}");
        let link = links.borrow().first().copied();
        (ended.unwrap(), link)
    };
    let (ended, link) = run(&trial);
    assert_eq!((trial.played(), link), (ALL, Some(50.0)));
    let half = Scaled { factor: 0.5, capacity: Capacity { mbit: Some(500.0), pps: None } };
    assert_eq!((ended.finished[0].scale, trial.results().unwrap().scale), (Some(half), Some(half)));
    let verdict = &ended.finished[0].verdicts[0];
    assert_eq!((verdict.least, verdict.holds), (Some(0.5), true), "half of the file's bound");
    let found = String::from_utf8(trial.findings.borrow().clone()).unwrap();
    assert!(found.starts_with("this machine's worker cuts 500 Mb/s of TCP\n"), "{found}");
    let told = "scaled to 0.5 of the file's rates: this machine's worker cuts 500 Mb/s of TCP\n";
    assert!(found.contains(told), "{found}");
    let json: serde_json::Value = serde_json::to_value(&ended).unwrap();
    assert_eq!(json["finished"][0]["scale"]["factor"], 0.5);

    trial.manages.set(540.0);
    let (ended, _) = run(&trial);
    assert_eq!((trial.played(), ended.finished[0].scale), (0, Some(half)), "nearly the same");
    trial.manages.set(800.0);
    let (ended, link) = run(&trial);
    assert_eq!((trial.played(), link), (ALL, Some(80.0)), "kept at another scale");
    assert_eq!(ended.finished[0].scale.unwrap().factor, 0.8);
    trial.manages.set(5000.0);
    let (ended, link) = run(&trial);
    assert_eq!((trial.played(), link), (ALL, Some(100.0)), "never above the file's rates");
    assert_eq!(ended.finished[0].scale.unwrap().factor, 1.0);
    trial.manages.set(960.0);
    trial.orders.again = true;
    assert_eq!(run(&trial).1, Some(96.0), "asked to measure again");
}

#[test]
fn a_scale_goes_on_where_it_was_interrupted() {
    let mut trial = Trial::new();
    trial.scale = Some(500.0);
    trial.interrupt_after.set(Some(5));
    assert_eq!(trial.run().interrupted, Some((4, ALL)));
    // During the measurement of the machine, of which nothing is known then.
    trial.interrupt_after.set(Some(0));
    assert_eq!((trial.run().interrupted, trial.played()), (Some((4, ALL)), 0));
    trial.interrupt_after.set(None);
    trial.manages.set(470.0);
    assert!(trial.run().interrupted.is_none());
    assert_eq!(trial.played(), ALL - 4);
}

#[test]
fn a_worker_that_moves_nothing_ends_the_run() {
    let mut trial = Trial::new();
    trial.scale = Some(500.0);
    trial.manages.set(0.0);
    let error = trial.run_with(|_| Ok(testing::outcome(1.0))).unwrap_err();
    insta::assert_snapshot!(format!("{error:#}"), @"what weir's worker manages, tcp: nothing came through weir: no rate can be fitted to that");
    assert_eq!(trial.played(), 0);
}
