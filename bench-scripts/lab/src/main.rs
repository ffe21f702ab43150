//! `weir-lab`: what `cargo xtask experiment` and `cargo xtask report` start.
//!
//! Invariant: exit code 0 says that everything holds, 1 that something does not or went wrong, 2
//! that it was asked for what there is not, 130 that it was interrupted.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("weir-lab: {error:#}");
            if error.is::<cli::Unknown>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}
