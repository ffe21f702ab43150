//! Builds what the other tasks start, and starts it.
//!
//! Invariant: what runs long replaces this process (`exec`), so that Ctrl-C reaches it alone
//! and the prompt comes back only when it has cleaned up.

use crate::setup::{self, Purpose};
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository's root: the parent of this package's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The cargo that runs us, so that toolchain overrides hold.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

/// Where cargo puts what it builds: we were built there ourselves.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where xtask itself was built")?;
    own.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .context("xtask does not stand in a target folder: run it as `cargo xtask`")
}

/// Builds the given binaries of a release and returns the folder they are in.
pub(crate) fn release(packages: &[&str], binaries: &[&str]) -> Result<PathBuf> {
    build("release", packages, binaries)
}

fn build(profile: &str, packages: &[&str], binaries: &[&str]) -> Result<PathBuf> {
    let target = target_dir()?;
    let mut cargo = cargo();
    cargo.args(["build", "--profile", profile, "--target-dir"]).arg(&target);
    for package in packages {
        cargo.args(["--package", package]);
    }
    for binary in binaries {
        cargo.args(["--bin", binary]);
    }
    let status = cargo.status().context("cannot start cargo")?;
    ensure!(
        status.success(),
        "the build failed ({status}); `cargo xtask setup --check` tells whether a package is missing"
    );
    Ok(target.join(profile))
}

pub(crate) fn run(args: &[OsString]) -> Result<()> {
    if !args.is_empty() {
        setup::ensure(Purpose::Build)?;
        let bin = release(&["weir"], &["weir"])?.join("weir");
        let own = if names_dump_dir(args) { Vec::new() } else { dump_dir()? };
        let words = [OsString::from("run")].into_iter().chain(args.iter().cloned()).chain(own);
        return become_program(&bin, words);
    }
    need_root("the demo makes network namespaces", "run")?;
    setup::ensure(Purpose::Test)?;
    let folder = build("demo", &["weir", "system-tests"], &["weir", "weir-bed"])?;
    become_program(&folder.join("weir-bed"), dump_dir()?)
}

/// Where every run leaves what it measured.
fn dump_dir() -> Result<Vec<OsString>> {
    Ok(vec!["--dump-dir".into(), target_dir()?.join("weir").into()])
}

fn names_dump_dir(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg == "--dump-dir" || arg.as_encoded_bytes().starts_with(b"--dump-dir="))
}

/// `weir-lab` with `words` in front of `args`, and with weir beside it where something is going to be
/// measured.
pub(crate) fn lab(words: &[&str], args: &[OsString]) -> Result<()> {
    let args: Vec<_> = words.iter().map(OsString::from).chain(args.iter().cloned()).collect();
    let asks_for_help = args.iter().any(|arg| arg == "--help" || arg == "-h");
    let (mut built, mut purpose) = (vec!["weir-lab"], Purpose::Build);
    if args.first().is_some_and(|word| word == "run") && !asks_for_help {
        // Before minutes of building.
        need_root("experiments make network namespaces", "experiment run …")?;
        built.push("weir");
        purpose = Purpose::Test;
    }
    setup::ensure(purpose)?;
    become_program(&release(&built, &built)?.join("weir-lab"), args)
}

fn need_root(why: &str, task: &str) -> Result<()> {
    ensure!(
        setup::is_root(),
        "{why}, which needs root: run it as root, for instance `sudo -E env PATH=\"$PATH\" cargo xtask {task}`"
    );
    Ok(())
}

fn become_program(program: &Path, args: impl IntoIterator<Item = OsString>) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args);
    if let Some(folder) = program.parent() {
        command.env("WEIR_BIN", folder.join("weir"));
    }
    // Returns only if it failed.
    let error = command.exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
