//! Selects the weir to test: the one that WEIR_BIN names, or one of the same build as the test.

use anyhow::{Context, Result, anyhow, bail};
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

/// Path of the binary, built if need be.
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
pub(crate) fn profile_folder() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    Ok(folder.context("no folder")?.to_path_buf())
}
