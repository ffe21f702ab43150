//! `cargo xtask dist`: what a packager or an operator unpacks.
//!
//! Invariant: the same sources give the same archive: sorted, owned by no particular user, and
//! dated by the last commit. A distribution that failed half-way has no archive.

use crate::build::{release, root, target_dir};
use crate::command::{self, output};
use crate::setup::{self, Purpose};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// As weir calls the shell, and as the shell looks for its file.
const SHELLS: [(&str, &str); 3] = [("bash", "weir"), ("zsh", "_weir"), ("fish", "weir.fish")];
/// Copied as they are, folders with all that is in them.
const COPIED: [&str; 9] = [
    "LICENSE-MIT",
    "LICENSE-APACHE",
    "README.md",
    "CHANGELOG.md",
    "docs/weir.example.toml",
    "docs/settings.md",
    "docs/dumps.md",
    "docs/grafana",
    "docs/prometheus",
];

pub(crate) fn run() -> Result<()> {
    setup::ensure(Purpose::Build)?;
    let binary = release(&["weir"], &["weir"])?.join("weir");
    let archive = pack(&binary, &target_dir()?.join("dist"))?;
    println!("{}\n{}.sha256", archive.display(), archive.display());
    Ok(())
}

/// Puts everything around `binary` into a folder below `dist`, and that into an archive.
fn pack(binary: &Path, dist: &Path) -> Result<PathBuf> {
    let name = format!("weir-{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let folder = dist.join(&name);
    if folder.exists() {
        fs::remove_dir_all(&folder).context("the last distribution cannot be removed")?;
    }
    let [bin, docs, completions] = ["bin", "docs", "completions"].map(|part| folder.join(part));
    for part in [&bin, &docs, &completions] {
        fs::create_dir_all(part).with_context(|| format!("cannot make {}", part.display()))?;
    }
    copy(binary, &bin.join("weir"))?;
    COPIED.iter().try_for_each(|path| copy(&root().join(path), &folder.join(path)))?;
    // From the binary that is packed, so that they are of the same version.
    output(Command::new(binary).arg("man").arg(folder.join("man/man1")))?;
    for (shell, file) in SHELLS {
        let text = output(Command::new(binary).args(["completions", shell]))?;
        ensure!(!text.is_empty(), "weir has no completions for {shell}");
        fs::write(completions.join(file), text)?;
    }
    let file = format!("{name}.tar.gz");
    let archive = dist.join(&file);
    tar(dist, &name, &archive)?;
    let sum = output(Command::new("sha256sum").arg(&file).current_dir(dist))?;
    fs::write(dist.join(format!("{file}.sha256")), sum)?;
    Ok(archive)
}

fn tar(dist: &Path, name: &str, archive: &Path) -> Result<()> {
    let date = output(Command::new("git").args(["log", "-1", "--format=@%ct"]).current_dir(root()));
    // Sources without a repository are dated by nothing.
    let date = date.map_or_else(|_| "@0".to_owned(), |date| date.trim().to_owned());
    let partial = dist.join(format!(".{name}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"])
        .args(["--use-compress-program=gzip -n", &format!("--mtime={date}"), "--create", "--file"])
        .arg(&partial)
        .arg("--directory")
        .arg(dist)
        .arg(name);
    output(&mut tar)?;
    fs::rename(&partial, archive).context("cannot name the archive")
}

/// With the mode, and for a folder with all that is in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    command::run(Command::new("cp").arg("-R").arg(from).arg(to))
}

#[cfg(test)]
mod tests;
