//! The demonstration behind `cargo xtask run`: four VMs and an uplink host made of namespaces, weir
//! between them, ten seconds of traffic with a live table, the ledger, and nothing left behind.
//!
//! Invariant: however it ends, its namespaces and processes end with it.

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::traffic::{Rate, Sending, Sink, Source, echo, tcp};
use system_tests::{Bed, BedSpec, Guest, Weir, WeirSpec, drive, signals};

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

/// Datagrams a second of each UDP flow.
const RATE: u64 = 10_000;

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

/// The traffic: each kind over both families, between VMs and to the uplink.
struct Load<'scope> {
    udp: Vec<(String, Sending, Sink)>,
    others: Vec<ScopedJoinHandle<'scope, Result<String>>>,
}

fn name(guest: &Guest) -> String {
    if guest.number > 100 { "uplink".to_owned() } else { format!("VM {}", guest.number) }
}

fn way(kind: &str, from: &Guest, to: &Guest, family: Family) -> String {
    let family = if family == Family::V4 { "IPv4" } else { "IPv6" };
    format!("{kind:<5} {family}  {:<6} -> {:<6}", name(from), name(to))
}

impl<'scope> Load<'scope> {
    fn start<'env: 'scope>(
        scope: &'scope Scope<'scope, 'env>,
        bed: &'env Bed,
        time: Duration,
    ) -> Result<Self> {
        use Family::{V4, V6};
        let up = &bed.uplink;
        let vm = |i: usize| bed.guest(i);
        let mut udp = Vec::new();
        for (from, to, family) in [(vm(0)?, up, V4), (vm(1)?, vm(2)?, V6)] {
            let sink = Sink::start(&to.ns, to.socket(family, 0))?;
            let rate = Rate::pps(RATE);
            let sending =
                Source { rate, time, size: 200, ..Source::to(sink.addr()) }.start(&from.ns)?;
            udp.push((way("UDP", from, to, family), sending, sink));
        }
        let mut others = Vec::new();
        for (from, to, family) in [(vm(2)?, up, V4), (up, vm(3)?, V6)] {
            others.push(scope.spawn(move || {
                let result = tcp(from, to, family, 1, time, &[])?;
                let rate = result.bits_per_second / 1e9;
                let way = way("TCP", from, to, family);
                Ok(format!("{way} {rate:>7.2} Gb/s   {} retransmits", result.retransmits))
            }));
        }
        for (from, to, family) in [(vm(3)?, up, V4), (vm(3)?, vm(0)?, V6)] {
            others.push(scope.spawn(move || {
                let count = u32::try_from(time.as_millis() / 50).unwrap_or(u32::MAX);
                let echo = echo(&from.ns, to.addr(family), count, &[])?;
                let way = way("ping", from, to, family);
                Ok(format!("{way} {:>7} echoes, {} lost", echo.sent, echo.sent - echo.received))
            }));
        }
        Ok(Self { udp, others })
    }

    fn finish(self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for (way, sending, sink) in self.udp {
            let sent = sending.finish()?;
            // Frames still on their way arrive in well under this time, or are lost.
            let _ = sink.wait_for(sent.datagrams, Duration::from_secs(1));
            let received = sink.finish()?;
            let lost = sent.datagrams.saturating_sub(received.unique);
            let us = |q| received.latency.histogram.value_at_quantile(q) as f64 / 1000.0;
            lines.push(format!(
                "{way} {:>7} pps, {lost} of {} lost, p50 {:.0} us, p99 {:.0} us",
                (sent.datagrams as f64 * 1e9 / sent.elapsed_ns as f64).round(),
                sent.datagrams,
                us(0.5),
                us(0.99),
            ));
        }
        for other in self.others {
            let line = other.join().map_err(|_| anyhow!("a client panicked"))?;
            lines.push(line.context("a client failed")?);
        }
        Ok(lines)
    }
}
