//! Independent implementations of weir's file formats, in Python: they must be able to read what weir
//! writes.
//!
//! Invariant: nothing is installed outside the target folder, and the versions are pinned
//! (`tests/python/requirements.txt`).

use crate::binary::profile_folder;
use anyhow::{Context, Result, anyhow, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// The interpreter that has the packages; the first call waits until they are installed.
pub fn python() -> Result<PathBuf> {
    static PYTHON: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| find().map_err(|error| format!("{error:#}")));
    PYTHON.clone().map_err(|error| anyhow!(error))
}

/// The standard output of `script` (its text); an error with its messages if it fails.
pub fn run_python<S: AsRef<OsStr>>(
    script: &str,
    args: impl IntoIterator<Item = S>,
) -> Result<String> {
    let mut command = Command::new(python()?);
    // Isolated: neither the environment nor the current folder changes what is imported.
    said(command.args(["-I", "-c", script]).args(args), "the script")
}

fn find() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/make_venv.py");
    let mut command = Command::new("python3");
    command.arg(script).arg(profile_folder()?.parent().context("no target folder")?.join("python"));
    let path = said(&mut command, "making the tests' Python environment")
        .context("`cargo xtask setup` installs Python; its packages come from PyPI, by pip")?;
    Ok(path.trim().into())
}

fn said(command: &mut Command, what: &str) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if !status.success() {
        bail!("{what} failed ({status}):\n{stdout}{}", String::from_utf8_lossy(&stderr).trim_end());
    }
    Ok(stdout)
}

#[cfg(test)]
mod tests;
