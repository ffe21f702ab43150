//! Running experiments: all cells in a fair order, each kept as soon as it is done.
//!
//! - `plan`: the cells in order, their time, their programs; `campaign`: one cell after the other
//! - `capacity`: what weir's worker can do here, for experiments that fit their rates to it
//! - `store`: stored cells and results; `screen`: the bar and the lines
//!
//! Invariant: a stored cell is used only if it is whole, and of this peer, this scene at this scale,
//! this weir and this machine; everything else is measured again.

mod campaign;
mod capacity;
mod plan;
mod screen;
mod store;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use system_tests::{ns, signals};
use time::OffsetDateTime;

use self::campaign::Campaign;
pub use self::plan::{Overhead, missing, spoken};
use self::plan::{Planned, plan};
use self::screen::Screen;
pub use self::screen::count;
pub use self::store::kept;
use crate::cell::Measured;
use crate::scene;
use crate::spec::{Experiment, Scaled};
use crate::verdict::Verdict;

/// The exit code of an interrupted run.
pub const INTERRUPTED: u8 = 130;

/// How soon a signal is noticed: seldom enough not to disturb the measurement.
const LOOK: Duration = Duration::from_millis(100);
/// How long a cell may take to notice that its namespaces are gone.
const GRACE: Duration = Duration::from_secs(10);

const RESUME: &str = "the same command goes on from there";
/// Of facts that cannot be found out.
const UNKNOWN: &str = "unknown";

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

impl Machine {
    /// This machine, now, with the repository at `root`.
    pub fn here(root: &Path) -> Self {
        let read = |path| std::fs::read_to_string(path).ok();
        let kernel = read("/proc/sys/kernel/osrelease").map(|text| text.trim().to_owned());
        let cpu = read("/proc/cpuinfo").and_then(|text| model(&text));
        let commit = git(root, &["rev-parse", "--short=12", "HEAD"]);
        let changes = git(root, &["status", "--porcelain"]);
        Self {
            kernel: kernel.unwrap_or_else(|| UNKNOWN.to_owned()),
            cpu: cpu.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            commit: commit.unwrap_or_else(|| UNKNOWN.to_owned()),
            dirty: changes.is_some_and(|changes| !changes.is_empty()),
            date: now(),
        }
    }
}

/// The first core's name in /proc/cpuinfo; ARM's has none.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn git(root: &Path, words: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    // As root, git refuses another user's clone unless it is named.
    git.arg("-c").arg(format!("safe.directory={}", root.display())).arg("-C").arg(root);
    let output = git.args(words).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(said)
}

/// In the format of RFC 3339.
fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let ((year, month, day), (hour, minute, second)) = (now.to_calendar_date(), now.to_hms());
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
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

impl Ended {
    /// The final messages; failing checks come last.
    fn summary(&self) -> String {
        let mut text = String::new();
        let failures: Vec<_> = self.finished.iter().flat_map(|done| &done.failures).collect();
        if !failures.is_empty() {
            text.push_str("\nnot measured:\n");
        }
        for failure in &failures {
            let _ = writeln!(text, "{}: {}", failure.cell, failure.error);
        }
        let wrong = self.finished.iter().filter(|done| done.wrong().next().is_some());
        for done in wrong {
            let _ = writeln!(text, "\n{} does not hold:", done.id);
            for verdict in done.wrong() {
                let _ = writeln!(text, "{}", verdict.line());
            }
        }
        if !self.finished.is_empty() {
            text.push_str(&self.counted(failures.len()));
        }
        if let Some((kept, all)) = self.interrupted {
            let _ = write!(text, "\ninterrupted: {kept} of {all} cells are kept; {RESUME}");
        }
        text
    }

    fn counted(&self, failures: usize) -> String {
        let judged: usize = self.finished.iter().map(|done| done.judged().count()).sum();
        let wrong: usize = self.finished.iter().map(|done| done.wrong().count()).sum();
        let all = self.finished.iter().flat_map(|done| &done.verdicts);
        let unjudged =
            all.filter(|verdict| verdict.ceiling.is_some() && !verdict.report_only).count();
        format!(
            "\n{}, {} of {judged} checks hold{}, {} not measured, in {}",
            count(self.finished.len(), "experiment"),
            judged - wrong,
            match unjudged {
                0 => String::new(),
                more => format!(" and {more} cannot be judged here"),
            },
            match failures {
                0 => "no cell".to_owned(),
                some => count(some, "cell"),
            },
            spoken(self.seconds),
        )
    }
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

impl Finished {
    fn holds(&self) -> bool {
        self.failures.is_empty() && self.wrong().next().is_none()
    }

    fn judged(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.is_judged())
    }

    fn wrong(&self) -> impl Iterator<Item = &Verdict> {
        self.verdicts.iter().filter(|verdict| verdict.fails())
    }
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
    plan::ensure_all(&plan::programs(wanted().chain(&measuring)))?;
    let lacking = |planned: &Planned<'_>| missing(planned.experiment, &orders.only);
    if let Some(lacking) = planned.iter().find_map(lacking) {
        bail!(lacking);
    }
    let weir = system_tests::weir::binary().context("there is no weir to measure")?;
    let _lock = store::lock(folder)?;
    let interrupted = watch()?;

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
        overhead: Overhead::USUAL,
    };
    let ended = campaign.run(&planned, &mut scene::play)?;
    let text = if json { serde_json::to_string_pretty(&ended)? } else { ended.summary() };
    writeln!(std::io::stdout(), "{text}").context("cannot write to stdout")?;
    Ok(ended)
}

/// A flag that Ctrl-C and SIGTERM set. The processes in the namespaces are then ended, so that the cell
/// under way fails soon, and all are gone before this process is. Call this before there is any bed.
fn watch() -> Result<&'static AtomicBool> {
    let flag = signals::flag().context("cannot listen to signals")?;
    std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            while !flag.load(Ordering::SeqCst) {
                sleep(LOOK);
            }
            eprintln!("\nstopping; what was measured is kept");
            ns::remove_own();
            sleep(GRACE);
            // A cell that has not ended by now is not waited for.
            ns::remove_own();
            eprintln!("interrupted: {RESUME}");
            std::process::exit(i32::from(INTERRUPTED));
        })
        .context("cannot start a thread")?;
    Ok(flag)
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
