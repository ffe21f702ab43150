//! The `weir` command: parses the command line and hands over.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use weir::cli::args::{Cli, Command};
use weir::cli::{
    capture, change, detach, doctor, dump, generate, log, probe, stats, top, trace, unless_closed,
};
use weir::service::run;
use weir_schema::{ConfigErrors, Host};

/// The time that threads still running at the end are given.
const ENDS_WITHIN: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    weir_port::sys::keep_heap_small();
    let runtime =
        match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => {
                eprintln!("weir: cannot start: {error}");
                return ExitCode::FAILURE;
            }
        };
    let outcome = runtime.block_on(run_command(cli));
    // Threads that still wait for the kernel are abandoned.
    runtime.shutdown_timeout(ENDS_WITHIN);
    match outcome {
        Ok(code) => code,
        Err(error) => {
            // A file's errors begin with its name and line, so that an editor can jump there.
            if let Some(errors) = error.downcast_ref::<ConfigErrors>() {
                eprintln!("{errors}");
                return ExitCode::from(2);
            }
            eprintln!("weir: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(cli: Cli) -> anyhow::Result<ExitCode> {
    let control = cli.control();
    let done = match cli.command {
        Command::Run(args) => {
            log::init(args.log_format, args.verbose);
            let plan = args.plan(cli.control.as_ref(), &Host::detect())?;
            let (force, dumps) = (args.force, args.dump_dir.clone());
            let control = cli.control;
            let reread: run::Reread = match args.config {
                Some(_) => Some(Box::new(move || args.plan(control.as_ref(), &Host::detect()))),
                None => None,
            };
            return run::run(plan, force, reread, dumps).await;
        }
        Command::Detach { force } => return detach::run(force, cli.control).await,
        Command::Doctor(args) => return doctor::run(args, control).await,
        Command::Port(command) => change::port(&command, &control).await,
        Command::Set(args) => change::set(&args, &control).await,
        Command::Config(args) => change::config(&args, &control).await,
        Command::Stats(args) => stats::run(&args, &control).await,
        Command::Top(args) => top::run(&args, &control).await,
        Command::Dump(what) => dump::run(&what, &control).await,
        Command::Capture(args) => capture::run(&args, &control).await,
        Command::Trace(args) => trace::run(&args, &control).await,
        Command::Probe(command) => probe::run(&command).await,
        Command::Completions { shell } => generate::completions(shell),
        Command::Man { folder } => generate::man(&folder),
    };
    unless_closed(done).map(|()| ExitCode::SUCCESS)
}
