//! The demonstration behind `cargo xtask run`: four VMs and an uplink host made of namespaces, weir
//! between them, ten seconds of traffic with a live table, the ledger, and nothing left behind.
//!
//! Invariant: however it ends, its namespaces and processes end with it.

mod load;

use anyhow::{Context, Result};
use clap::Parser;
use load::Load;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system_tests::{Bed, BedSpec, Weir, WeirSpec, drive, signals};

/// Shows weir at work on four VMs and an uplink, in network namespaces
#[derive(Parser)]
struct Args {
    /// How long the traffic runs
    #[arg(long, default_value_t = 10, value_name = "S")]
    seconds: u64,
    /// Where weir leaves what it measured
    #[arg(long, value_name = "DIR")]
    dump_dir: Option<PathBuf>,
}

const DRAWING: &str = "   VM 1   VM 2   VM 3   VM 4       namespaces, 10.0.0.1-4, fd00::1-4
    |      |      |      |
    v1     v2     v3     v4        veths, offloads at their defaults
    +------+--+---+------+
             weir                  gate -> AF_XDP -> one worker on core 1
              |
             nic0                  veth
              |
          uplink host              10.0.0.200, fd00::c8
";

fn main() -> ExitCode {
    let args = Args::parse();
    let ended = signals::flag().and_then(|interrupted| match demo(&args, interrupted) {
        Err(_) if interrupted.load(Ordering::SeqCst) => {
            println!("\ninterrupted: everything is removed");
            Ok(ExitCode::from(130))
        }
        ended => ended.map(|()| ExitCode::SUCCESS),
    });
    ended.unwrap_or_else(|error| {
        eprintln!("weir-bed: {error:#}");
        ExitCode::FAILURE
    })
}

fn demo(args: &Args, interrupted: &AtomicBool) -> Result<()> {
    anyhow::ensure!(system_tests::may_run_as_root(), "network namespaces need root");
    print!("{DRAWING}");
    println!("\nmaking the bed ...");
    let bed = BedSpec::vms(4).build()?;
    println!("starting weir ...");
    // As on an operator's host: traffic without contention stays in the kernel.
    let spec = WeirSpec { dump_dir: args.dump_dir.clone(), ..WeirSpec::default() }.lane("auto");
    let weir = Weir::start(&bed, &spec)?;
    let result = show(args, interrupted, &bed, &weir);
    if interrupted.load(Ordering::SeqCst) {
        // It may have received the same Ctrl-C; either way it ends before its interfaces do.
        let _ = weir.stop();
        anyhow::bail!("interrupted");
    }
    result.with_context(|| format!("weir said:\n{}", weir.said()))?;
    weir.stop()?;
    drop(bed);
    println!("\nweir stopped, the bed is removed");
    if let Some(folder) = &args.dump_dir {
        println!("latency, losses and flows are in {}", folder.display());
    }
    Ok(())
}

struct KillClients<'a>(&'a Bed);

impl Drop for KillClients<'_> {
    fn drop(&mut self) {
        self.0.kill_clients();
    }
}

fn show(args: &Args, interrupted: &AtomicBool, bed: &Bed, weir: &Weir) -> Result<()> {
    drive::ping_all(bed)?;
    let time = Duration::from_secs(args.seconds.max(1));
    println!("traffic for {} s: UDP, TCP and ping, over IPv4 and IPv6\n", time.as_secs());
    let results = std::thread::scope(|scope| -> Result<Vec<String>> {
        // However this ends, the scope's threads must not wait for their clients.
        let _clients = KillClients(bed);
        let load = Load::start(scope, bed, time)?;
        let mut table = weir.cli_with(bed, "stats --watch 1", Stdio::inherit)?;
        let end = Instant::now() + time;
        while Instant::now() < end && !interrupted.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(100));
        }
        table.kill()?;
        table.wait()?;
        anyhow::ensure!(!interrupted.load(Ordering::SeqCst), "interrupted");
        load.finish()
    })?;
    println!();
    for line in results {
        println!("{line}");
    }
    weir.assert_ledger()?;
    println!("\n{}", weir.cli_ok(bed, "stats --ledger")?);
    Ok(())
}
