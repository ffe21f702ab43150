//! `weir-lab`: the program behind `cargo xtask experiment` and `cargo xtask report`.
//!
//! Invariant: exit code 0 means that everything holds, 1 that a check fails or an error occurred, 2
//! that the arguments name something unknown, 130 that the run was interrupted.

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
