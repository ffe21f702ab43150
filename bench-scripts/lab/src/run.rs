//! Running experiments: all cells in a fair order, each kept as soon as it is done.
//!
//! - `campaign`: one cell after the other; `order`: peers in turn within a repetition
//! - `capacity`: what weir's worker can do here, for experiments that fit their rates to it
//! - `store`: stored cells and results; `machine`: this machine; `needs`: programs
//! - `screen`: the bar and the lines; `estimate`: the time left; `summary`: the final messages
//! - `interrupt`: Ctrl-C
//!
//! Invariant: a stored cell is used only if it is whole, and of this peer, this scene at this scale,
//! this weir and this machine; everything else is measured again.

mod campaign;
mod capacity;
mod estimate;
mod interrupt;
mod machine;
mod needs;
mod order;
mod screen;
mod store;
mod summary;
#[cfg(test)]
mod tests;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};

use self::campaign::{Campaign, Planned};
pub use self::estimate::{Overhead, spoken};
pub use self::interrupt::INTERRUPTED;
pub use self::needs::missing;
use self::screen::Screen;
pub use self::screen::count;
pub use self::store::kept;
use crate::cell::Measured;
use crate::scene;
use crate::spec::{Experiment, Scaled};
use crate::verdict::Verdict;

// How to run; the fields' comments are the command line's help. One of the struct itself would take the
// place of the command's.
#[derive(Args, Clone, Debug)]
pub struct Orders {
    /// Fewer repetitions and shorter ones; kept apart from whole runs
    #[arg(long)]
    pub quick: bool,
    /// Measure again what is kept already
    #[arg(long)]
    pub again: bool,
    /// Only these peers. Results are written once the others' cells are there, too
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    pub only: Vec<String>,
    /// Shuffles the order of peers
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}

impl Orders {
    fn wants(&self, peer: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == peer)
    }
}

/// The machine of the results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub kernel: String,
    pub cpu: String,
    pub cores: usize,
    pub commit: String,
    /// The working tree had changes.
    pub dirty: bool,
    pub date: String,
}

/// An experiment's results, as `target/experiments/ID[.quick].json` has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub version: u32,
    pub id: String,
    pub quick: bool,
    pub seed: u64,
    pub machine: Machine,
    /// The scale of this run, if the file's rates fit themselves to the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaled>,
    /// The experiment file's text.
    pub file: String,
    /// In the order of the file. A cell that could not be measured has a note and nothing else.
    pub measured: Vec<Measured>,
    pub verdicts: Vec<Verdict>,
}

impl Results {
    /// The scale, if any rate differs from the file's.
    #[must_use]
    pub fn lowered(&self) -> Option<Scaled> {
        self.scale.filter(Scaled::is_lower)
    }
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Ended {
    /// Whether every verdict holds, except those that only affect the page, and every cell was
    /// measured.
    pub holds: bool,
    pub finished: Vec<Finished>,
    /// After an interruption: how many cells are stored, and of how many.
    pub interrupted: Option<(usize, usize)>,
    pub seconds: f64,
}

/// A completed experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Finished {
    pub id: String,
    pub quick: bool,
    /// The scale, if the file's rates fit themselves to the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaled>,
    /// The cells measured in this run.
    pub cells: usize,
    pub seconds: f64,
    /// The file of the results; `None` if peers were left out.
    pub results: Option<PathBuf>,
    pub failures: Vec<Failure>,
    pub verdicts: Vec<Verdict>,
}

/// A cell that could not be measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failure {
    pub cell: String,
    pub error: String,
}

/// Runs experiments one after the other on this machine, and prints the results to stdout, as JSON if
/// requested. `folder`: where results are stored; `root`: the repository.
pub fn run(
    experiments: &[Experiment],
    orders: &Orders,
    folder: &Path,
    root: &Path,
    json: bool,
) -> Result<Ended> {
    let planned = plan(experiments, orders)?;
    let cells = || planned.iter().flat_map(|planned| &planned.cells);
    let wanted = || cells().filter(|cell| orders.wants(&cell.place.peer));
    let scales = planned.iter().filter_map(|planned| planned.experiment.scale.as_ref());
    let measuring = capacity::cells(scales)?;
    needs::ensure(&needs::of(wanted().chain(&measuring)))?;
    let lacking = |planned: &Planned<'_>| missing(planned.experiment, &orders.only);
    if let Some(lacking) = planned.iter().find_map(lacking) {
        bail!(lacking);
    }
    let weir = system_tests::weir::binary().context("there is no weir to measure")?;
    let _lock = store::lock(folder)?;
    let interrupted = interrupt::watch()?;

    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let mut other = std::io::stderr();
    // JSON has stdout to itself.
    let findings: &mut dyn Write = if json { &mut other } else { &mut out };
    let all = wanted().count();
    let mut campaign = Campaign {
        orders,
        folder,
        machine: Machine::here(root),
        weir: store::fingerprint(&weir)?,
        interrupted: &|| interrupted.load(Ordering::SeqCst),
        screen: Screen::new(std::io::stderr().is_terminal(), all, &mut err, findings),
        overhead: Overhead::default(),
    };
    let ended = campaign.run(&planned, &mut scene::play)?;
    let text = if json { serde_json::to_string_pretty(&ended)? } else { ended.summary() };
    writeln!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(ended)
}

/// The experiments with something to measure: an effort may leave out the wanted peers.
fn plan<'a>(experiments: &'a [Experiment], orders: &Orders) -> Result<Vec<Planned<'a>>> {
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

/// Whether measurements with this build on this machine are meaningful at all.
pub fn fit() -> Result<()> {
    ensure!(
        system_tests::may_run_as_root(),
        "experiments make network namespaces: run them as root, for instance\n  \
         sudo -E env PATH=\"$PATH\" cargo xtask experiment run …"
    );
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(cores >= 2, "experiments need two cores: one for the senders and one for the worker");
    if cfg!(debug_assertions) {
        eprintln!("weir-lab: this is a debug build; its figures mean nothing");
    }
    Ok(())
}
