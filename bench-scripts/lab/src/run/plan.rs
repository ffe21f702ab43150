//! The plan of a run: the cells, their order, the time they take, and the programs they need.
//!
//! Cells that are compared are adjacent: the peers of one repetition, variant and x are measured one
//! after the other, so that a machine that is slow for a while is slow for all of them. The first peer
//! rotates from group to group and from repetition to repetition; the others follow in shuffled order.
//!
//! Invariant: the order is a permutation of the cells, the same for the same seed; a time is an estimate,
//! never a bound, and every measured cell improves it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use weir_core::sim::Random;

use super::Orders;
use crate::cell::Cell;
use crate::spec::{Experiment, Kind, Scene};

/// The weight of the last cell's overhead; the next experiment's beds may be of another size.
const NEWEST: f64 = 0.2;
/// The programs of every bed.
const ALWAYS: [&str; 3] = ["ip", "tc", "ethtool"];

/// An experiment with all its cells in the order of the file.
#[derive(Debug)]
pub(super) struct Planned<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) cells: Vec<Cell>,
}

/// The experiments with something to measure: an effort may leave out the wanted peers.
pub(super) fn plan<'a>(experiments: &'a [Experiment], orders: &Orders) -> Result<Vec<Planned<'a>>> {
    let mut planned = Vec::new();
    for experiment in experiments {
        let cells = experiment.cells(orders.quick)?;
        if cells.iter().any(|cell| orders.wants(&cell.place.peer)) {
            planned.push(Planned { experiment, cells });
        }
    }
    let effort = if orders.quick { " with --quick" } else { "" };
    ensure!(!planned.is_empty(), "nothing is measured of {}{effort}", orders.only.join(" and "));
    Ok(planned)
}

/// Takes cells in the file's order (by repetition, then variant, then x, then peer); returns them in
/// the order of measurement.
pub(super) fn fair(mut cells: Vec<Cell>, seed: u64) -> Vec<Cell> {
    let mut random = Random::new(seed, 0);
    for repetition in cells.chunk_by_mut(|a, b| a.place.repetition == b.place.repetition) {
        let beside =
            |a: &Cell, b: &Cell| a.place.variant == b.place.variant && a.place.x == b.place.x;
        for (number, group) in repetition.chunk_by_mut(beside).enumerate() {
            let turn = seed as usize % group.len() + number + group[0].place.repetition as usize;
            group.swap(0, turn % group.len());
            // Fisher and Yates, for all but the first.
            for i in (2..group.len()).rev() {
                group.swap(i, 1 + random.below(i as u64) as usize);
            }
        }
    }
    cells
}

/// Seconds of the scene itself.
fn length_s(scene: &Scene) -> f64 {
    scene.window.iter().map(|window| window.to).fold(0.0, f64::max)
}

/// The cells' time beyond their scenes, learned from finished ones.
#[derive(Clone, Copy, Debug)]
pub struct Overhead {
    mean_s: f64,
}

impl Overhead {
    /// Before any measurement: namespaces, starting and stopping, waiting until every path works.
    pub const USUAL: Self = Self { mean_s: 2.0 };

    pub(super) fn learn(&mut self, scene: &Scene, took_s: f64) {
        let beyond = (took_s - length_s(scene)).max(0.0);
        self.mean_s += NEWEST * (beyond - self.mean_s);
    }

    /// The estimate in seconds for cells.
    pub fn expected_s<'a>(&self, cells: impl IntoIterator<Item = &'a Cell>) -> f64 {
        cells.into_iter().map(|cell| length_s(&cell.scene) + self.mean_s).sum()
    }
}

/// `45 s`, `12 min`, `5 h 10 min`.
pub fn spoken(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    // Rounded up, so that the end is never promised too early.
    let minutes = seconds.div_ceil(60);
    match (seconds, minutes) {
        (..100, _) => format!("{seconds} s"),
        (_, ..100) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// The programs that cells need.
pub(super) fn programs<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> BTreeSet<&'static str> {
    let mut programs = BTreeSet::from(ALWAYS);
    for scene in cells.into_iter().map(|cell| &cell.scene) {
        if scene.traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
            programs.insert("iperf3");
        }
        programs.extend(scene.load.iter().map(|load| load.what.program()));
    }
    programs
}

pub(super) fn ensure_all(programs: &BTreeSet<&'static str>) -> Result<()> {
    let missing: Vec<&str> = programs.iter().copied().filter(|name| !exists(name)).collect();
    let missing = missing.join(" and no ");
    ensure!(
        missing.is_empty(),
        "there is no {missing} on this machine: `cargo xtask setup` installs it"
    );
    Ok(())
}

/// The programs that an experiment's peers need beyond weir's set-up and that this machine lacks.
/// `only`: the peers that are measured, all if there is none.
pub fn missing(experiment: &Experiment, only: &[String]) -> Option<String> {
    let peers = experiment.peer.iter().filter(|peer| only.is_empty() || only.contains(&peer.name));
    let missing = peers.filter_map(|peer| peer.kind.program()).filter(|(name, _)| !exists(name));
    let (programs, packages): (Vec<&str>, Vec<&str>) = missing.unzip();
    let named = || format!("{} needs {}", experiment.id, programs.join(" and "));
    (!programs.is_empty()).then(|| format!("{}: apt-get install {}", named(), packages.join(" ")))
}

fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // As root from a service or by `su`, PATH may lack these folders, in which `ip` is.
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests;
