//! Other programs. Invariant: one that fails is an error that holds what it said, or follows it.

use anyhow::{Context, Result, bail, ensure};
use std::process::Command;

/// Runs a program to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    bail!("{command:?} failed ({}):\n{}", output.status, said.trim_end())
}

/// Runs a program whose output does not matter unless it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Runs a program and lets it print.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {command:?}"))?;
    ensure!(status.success(), "{:?} failed: {status}", command.get_program());
    Ok(())
}
