//! What tests start: weir, and independent implementations of its file formats, in Python, which must be
//! able to read what weir writes.
//!
//! Invariant: nothing is installed outside the target folder, and the versions are pinned
//! (`tests/python/requirements.txt`).

use anyhow::{Context, Result, anyhow, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Path of the weir to test, built if need be: the one that WEIR_BIN names, or one of the same build as
/// the test.
pub fn binary() -> Result<PathBuf> {
    static BINARY: LazyLock<Result<PathBuf, String>> =
        LazyLock::new(|| locate().map_err(|error| format!("{error:#}")));
    BINARY.clone().map_err(|error| anyhow!(error))
}

fn locate() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WEIR_BIN").map(PathBuf::from).filter(|path| path.exists())
    {
        return Ok(path);
    }
    let folder = profile_folder()?;
    let target = folder.parent().context("no target folder")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "--package", "weir", "--bin", "weir", "--target-dir"])
        .arg(target);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().context("cannot start cargo to build weir")?;
    if !status.success() {
        bail!("weir does not build ({status})");
    }
    Ok(folder.join("weir"))
}

/// target/<profile>, from this program's path: target/<profile>/deps/<test>-<hash>, or
/// target/<profile>/<bin>.
fn profile_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    Ok(folder.context("no folder")?.to_path_buf())
}

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
