//! The bench behind `cargo xtask bench`: weir against its peers, interleaved in one run.
//!
//! Invariant: nothing absolute is judged. Every round measures every peer on a bed of its own,
//! and what counts is the median of the per-round ratios.

mod latency;
mod live;
mod report;
mod rig;
mod tcp;
mod udp;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use report::Report;
use rig::Peer;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Measures weir against its peers, interleaved over several rounds
///
/// The sender has core 0 and the worker core 1; run it on an otherwise idle machine.
#[derive(Parser)]
struct Args {
    /// What to measure
    #[arg(value_enum, default_value_t = What::All)]
    what: What,
    /// How often each peer is measured
    #[arg(long, default_value_t = 5, value_name = "N")]
    rounds: u32,
    /// How long each measurement lasts
    #[arg(long, default_value_t = 3, value_name = "S")]
    seconds: u64,
    /// Only these peers: weir, bridge, bare-xsk, redirect, floor
    #[arg(long, value_delimiter = ',', value_name = "PEER")]
    only: Vec<String>,
    /// Write every sample and the medians here
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// 64-byte frames from a UDP socket, VM to uplink: rate and CPU per packet
    Udp,
    /// XDP live frames, where the worker is the limit: rate against a bare AF_XDP loop
    Live,
    /// 50 000 packets a second: loss, p50, p99
    Latency,
    /// One TCP flow each way and between VMs, IPv4 and IPv6
    Tcp,
    /// All of these
    All,
}

/// What every measurement is told.
pub(crate) struct Plan {
    rounds: u32,
    time: Duration,
    /// Empty: all.
    only: Vec<String>,
}

impl Plan {
    /// The peers of `all` that were asked for.
    fn peers(&self, all: &[Peer]) -> Vec<Peer> {
        let wanted =
            |peer: &&Peer| self.only.is_empty() || self.only.iter().any(|name| name == peer.name());
        all.iter().filter(wanted).copied().collect()
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
    let plan = Plan {
        rounds: args.rounds.max(1),
        time: Duration::from_secs(args.seconds.max(1)),
        only: args.only.clone(),
    };
    let mut report = Report::default();
    let wants = |what| args.what == what || args.what == What::All;
    if wants(What::Udp) {
        udp::measure(&plan, &mut report)?;
    }
    if wants(What::Live) {
        live::measure(&plan, &mut report)?;
    }
    if wants(What::Latency) {
        latency::measure(&plan, &mut report)?;
    }
    if wants(What::Tcp) {
        tcp::measure(&plan, &mut report)?;
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
