//! The bench behind `cargo xtask bench isolate|measure|ways`: what no experiment file can ask for yet.
//!
//! Invariant: nothing absolute is judged. Every round measures every peer on a bed of its own,
//! and what counts is the median of the per-round ratios.

mod isolate;
mod live;
mod measure;
mod report;
mod rig;
mod ways;

use anyhow::{Context, Result, anyhow, ensure};
use clap::{Parser, ValueEnum};
use report::Report;
use rig::Peer;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

/// Measures weir against its peers, interleaved over several rounds
///
/// The sender has core 0 and the worker core 1; run it on an otherwise idle machine.
#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(value_enum)]
    what: What,
    /// Which case of `isolate` or of `measure` [default: all]
    #[arg(value_name = "CASE")]
    case: Option<String>,
    /// How often each peer is measured
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: u32,
    /// How long each measurement lasts
    #[arg(long, default_value_t = 3, value_name = "S")]
    seconds: u64,
    /// Only these peers: of `isolate` weir, htb, fifo, other; of `measure` measured, unmeasured; of
    /// its `synflood` none, one, million; of `ways` ring, packet, pair, pair-peer
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    only: Vec<String>,
    /// Write every sample and the medians here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How weir's worker waits in `isolate`: spin, adaptive, sleep
    #[arg(long, default_value = "adaptive", value_parser = ["spin", "adaptive", "sleep"])]
    idle: String,
    /// By which way weir's frames go: scheduled (a worker schedules and measures each) or auto (the
    /// gate hands on what needs no scheduling)
    #[arg(long, default_value = "scheduled", value_parser = ["auto", "scheduled"])]
    lane: String,
    /// Another binary of weir as one more peer, `other`, of `isolate capacity`
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What one VM gets whatever the others do, on a contended link: see CASE
    Isolate,
    /// What measuring costs, and whether it says what is: see CASE
    Measure,
    /// Ways out of a worker, flat out to one guest and to eight: rate and CPU per packet
    Ways,
}

/// Another binary of weir.
#[derive(Clone, Copy)]
struct Against {
    binary: &'static Path,
    /// Empty: it is from before there were lanes, and a worker has every frame.
    lane: &'static str,
}

/// What every measurement is told.
pub(crate) struct Plan {
    rounds: u32,
    time: Duration,
    /// Empty: all.
    only: Vec<String>,
    against: Option<Against>,
    idle: &'static str,
    lane: &'static str,
}

impl Plan {
    /// The peers of `all` that were asked for.
    fn peers(&self, all: &[Peer]) -> Vec<Peer> {
        all.iter().filter(|peer| self.wants(peer.name())).copied().collect()
    }

    fn weir(&self, idle: &'static str, mode: &'static str) -> Peer {
        Peer::Weir { idle, mode, lane: self.lane }
    }

    /// weir, and the other binary where one is given.
    fn weirs(&self, idle: &'static str, mode: &'static str) -> Vec<Peer> {
        let other =
            self.against.map(|Against { binary, lane }| Peer::Other { binary, idle, mode, lane });
        let all: Vec<Peer> = [self.weir(idle, mode)].into_iter().chain(other).collect();
        self.peers(&all)
    }

    fn wants(&self, peer: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == peer)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("weir-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    ensure!(system_tests::may_run_as_root(), "the bench makes network namespaces: it needs root");
    let cores = std::thread::available_parallelism()?.get();
    ensure!(cores >= 2, "the bench needs two cores, one for the sender and one for the worker");
    if cfg!(debug_assertions) {
        eprintln!("weir-bench: this is a debug build; its figures mean nothing");
    }
    ensure!(
        args.case.is_none() || matches!(args.what, What::Isolate | What::Measure),
        "only `isolate` and `measure` have cases to choose from"
    );
    let lane = if args.lane == "auto" { "auto" } else { "scheduled" };
    ensure!(
        lane == "scheduled" || args.what != What::Measure,
        "`measure` is about what a worker measures: it takes no `--lane auto`"
    );
    let plan = Plan {
        rounds: args.rounds.max(1),
        time: Duration::from_secs(args.seconds.max(1)),
        only: args.only.clone(),
        against: args.against.as_deref().map(|path| against(path, lane)).transpose()?,
        idle: match args.idle.as_str() {
            "spin" => "spin",
            "sleep" => "sleep",
            _ => "adaptive",
        },
        lane,
    };
    let mut report = Report::default();
    match args.what {
        What::Isolate => {
            isolate::measure(case(args.case.as_deref(), isolate::Case::All)?, &plan, &mut report)?;
        }
        What::Measure => {
            measure::measure(case(args.case.as_deref(), measure::Case::All)?, &plan, &mut report)?;
        }
        What::Ways => ways::measure(&plan, &mut report)?,
    }
    print!("{}", report.text());
    if let Some(file) = &args.json {
        let json = serde_json::to_string_pretty(&report.json())?;
        std::fs::write(file, json + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("samples: {}", file.display());
    }
    Ok(())
}

/// Another binary, which may be older than the lane that is asked for.
fn against(path: &Path, lane: &'static str) -> Result<Against> {
    ensure!(path.exists(), "there is no {}", path.display());
    let help = Command::new(path).args(["run", "--help"]).output();
    let help = help.with_context(|| format!("cannot start {}", path.display()))?;
    let knows_lanes = String::from_utf8_lossy(&help.stdout).contains("--lane");
    // Once for the process: peers are plain values.
    let binary = Box::leak(path.to_path_buf().into_boxed_path());
    Ok(Against { binary, lane: if knows_lanes { lane } else { "" } })
}

/// The case of this name, or `all`.
fn case<C: ValueEnum>(name: Option<&str>, all: C) -> Result<C> {
    let Some(name) = name else { return Ok(all) };
    C::from_str(name, false).map_err(|_| {
        let valid = C::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let valid: Vec<String> = valid.map(|value| value.get_name().to_owned()).collect();
        anyhow!("there is no case `{name}`; valid: {}", valid.join(", "))
    })
}
