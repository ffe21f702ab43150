//! Programs that cells need. Invariant: missing ones are reported before anything is measured.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cell::Cell;
use crate::spec::{Experiment, Kind};

/// The programs of every bed.
const ALWAYS: [&str; 3] = ["ip", "tc", "ethtool"];

pub(super) fn of<'a>(cells: impl IntoIterator<Item = &'a Cell>) -> BTreeSet<&'static str> {
    let mut needs = BTreeSet::from(ALWAYS);
    for scene in cells.into_iter().map(|cell| &cell.scene) {
        if scene.traffic.iter().any(|traffic| traffic.kind == Kind::Tcp) {
            needs.insert("iperf3");
        }
        needs.extend(scene.load.iter().map(|load| load.what.program()));
    }
    needs
}

/// What an experiment lacks on this machine for peers that weir's set-up does not install; `only`: the
/// peers that are measured, all if there is none.
#[must_use]
pub fn missing(experiment: &Experiment, only: &[String]) -> Option<String> {
    let peers = experiment.peer.iter().filter(|peer| only.is_empty() || only.contains(&peer.name));
    let missing = peers.filter_map(|peer| peer.kind.program()).filter(|(name, _)| !exists(name));
    let (programs, packages): (Vec<&str>, Vec<&str>) = missing.unzip();
    let named = || format!("{} needs {}", experiment.id, programs.join(" and "));
    (!programs.is_empty()).then(|| format!("{}: apt-get install {}", named(), packages.join(" ")))
}

pub(super) fn ensure(needs: &BTreeSet<&'static str>) -> Result<()> {
    let missing: Vec<&str> = needs.iter().copied().filter(|name| !exists(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "there is no {} on this machine: `cargo xtask setup` installs it",
        missing.join(" and no ")
    )
}

fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // As root from a service or by `su`, PATH may lack these folders, in which `ip` is.
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(name).is_file())
}

#[cfg(test)]
mod tests;
