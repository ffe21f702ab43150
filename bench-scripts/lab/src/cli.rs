//! The command line. Invariant: nothing is measured before all arguments are valid.

mod choose;
mod list;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use weir_lab::run::{self, INTERRUPTED, Orders};
use weir_lab::{report, spec};

pub(crate) use self::choose::Unknown;

/// The papers' experiments: run from files, judged, and drawn beside what was published
#[derive(Debug, Parser)]
#[command(
    name = "weir-lab",
    after_help = "Examples:\n  \
        weir-lab list                      what there is, how long it takes, what came out\n  \
        weir-lab run A-E1 B --quick        one, and all of paper B, in short\n  \
        weir-lab run all                   everything; Ctrl-C, and the same command goes on\n  \
        weir-lab report                    one page of all that was measured"
)]
pub(crate) struct Cli {
    /// Where experiment files are [default: bench-scripts/experiments]
    #[arg(long, global = true, value_name = "FOLDER")]
    experiments: Option<PathBuf>,
    /// Where results are kept [default: target/experiments]
    #[arg(long, global = true, value_name = "FOLDER")]
    results: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Name every experiment: its peers, its cells, how long it takes, what came out
    #[command(
        long_about = "Names every experiment: its peers, its cells, how long it takes, whole and \
        with --quick, and what came out if results are kept.\n\n\
        Times are estimates before anything was measured: the cells' scenes and what it takes to \
        set each up."
    )]
    List {
        /// As JSON: an array with an object for each
        #[arg(long)]
        json: bool,
    },
    /// Measure experiments, judge them, and keep the results
    #[command(
        long_about = "Measures experiments against their peers and says what holds.\n\n\
        An experiment comes to cells: one peer under one choice of its variables, once. Each has a \
        test bed of its own out of network namespaces. Repetition by repetition, the peers are \
        measured in turn, another one first each time. Where files ask for it, rates are first \
        fitted to what weir's worker manages on this machine.\n\n\
        Each cell is kept as soon as it is measured. Whatever ends a run, the same command goes on \
        from there. A kept cell is measured again if what its file says of it, weir's binary or \
        the machine has changed, or with --again. A cell that fails is tried once more.\n\n\
        Takes root and an otherwise idle machine with two cores at least. Nothing of the machine's \
        own network is touched.",
        after_help = "Exit code: 0 everything holds; 1 something does not, or could not be measured; \
        2 no such experiment or peer; 130 interrupted."
    )]
    Run(RunArgs),
    /// Write one page and a table of all results that are kept
    #[command(
        long_about = "Writes one page of everything that was measured, with what was published \
        beside it, and a short table. The page needs no network and no other file. Of an \
        experiment, results of a whole run go before those of a quick one; what was not measured \
        is said to be so."
    )]
    Report {
        /// The page [default: target/experiments/report.html]
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
        /// The table [default: RESULTS.md in the repository]
        #[arg(long, value_name = "FILE")]
        table: Option<PathBuf>,
        /// Do not open the page, which is done on a desktop's terminal
        #[arg(long)]
        open_nothing: bool,
    },
}

#[derive(Debug, Args)]
struct RunArgs {
    /// `A-E1` and the like (see `list`), a paper's letter for all of its experiments, or `all`
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    orders: Orders,
    /// Say at the end what came out as JSON on stdout, and everything else on stderr
    #[arg(long)]
    json: bool,
}

/// The repository's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder `experiments` beside cargo's folder of this program's profile.
fn usual_results() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where weir-lab itself is")?;
    let target =
        own.ancestors().nth(2).context("weir-lab is not in a target folder: say --results")?;
    Ok(target.join("experiments"))
}

impl Cli {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let files = self.experiments.unwrap_or_else(|| root().join("bench-scripts/experiments"));
        let results = self.results.map_or_else(usual_results, Ok)?;
        match self.command {
            Command::List { json } => list::list(&files, &results, json)?,
            Command::Run(args) => return run_them(args, &files, &results),
            Command::Report { page, table, open_nothing } => {
                let page = page.unwrap_or_else(|| results.join("report.html"));
                let table = table.unwrap_or_else(|| root().join("RESULTS.md"));
                draw(&files, &results, &page, &table)?;
                if !open_nothing {
                    open(&page);
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn run_them(args: RunArgs, files: &Path, results: &Path) -> Result<ExitCode> {
    let all = spec::load_all(files)?;
    let only = &args.orders.only;
    let chosen = choose::playable(choose::experiments(all, &args.ids)?, &args.ids, only);
    choose::check_peers(&chosen, only)?;
    run::fit()?;
    let ended = run::run(&chosen, &args.orders, results, &root(), args.json)?;
    Ok(match (ended.interrupted, ended.holds) {
        (Some(_), _) => ExitCode::from(INTERRUPTED),
        (None, true) => ExitCode::SUCCESS,
        (None, false) => ExitCode::FAILURE,
    })
}

/// The page and the table; results that may be outdated are named.
fn draw(files: &Path, results: &Path, page: &Path, table: &Path) -> Result<()> {
    let mut all = Vec::new();
    for experiment in spec::load_all(files)? {
        let found = run::kept(results, &experiment.id)?;
        if found.as_ref().is_some_and(|found| found.file != experiment.text) {
            let id = &experiment.id;
            eprintln!(
                "weir-lab: {id}: its file has changed since it was run; `run {id}` measures what differs"
            );
        }
        all.push((experiment, found));
    }
    report::write(&report::report(&all)?, page, table)?;
    let there = all.iter().filter(|(_, found)| found.is_some()).count();
    println!("{there} of {} experiments have results", all.len());
    println!("page:  {}", page.display());
    println!("table: {}", table.display());
    Ok(())
}

/// Opens the page on a desktop's terminal. If that fails, its path has been printed.
fn open(page: &Path) {
    let desktop =
        ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if !desktop || !std::io::stdout().is_terminal() {
        return;
    }
    let mut command = std::process::Command::new("xdg-open");
    command.arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    drop(command.spawn());
}

#[cfg(test)]
mod tests;
