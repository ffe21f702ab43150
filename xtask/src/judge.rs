//! `cargo xtask judge`: what takes too long for every change.
//!
//! The property tests run with cases by chance. The kernel's own tests of bridges run
//! unmodified in a guest with a kernel that has all that they ask for: once on the plain bridge, once with
//! weir on every bridge that they make.
//!
//! Invariant: the guest has no network device of the host and cannot write to its files; what it
//! leaves behind is below one folder.

mod guest;
mod image;
mod selftests;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use self::guest::Guest;
use self::verdict::{Outcome, compare};
use crate::build::{cargo, release, target_dir};
use crate::setup::{self, Purpose};

/// Run where no other is named: those of bridges.
const TESTS: [&str; 9] = [
    "bridge_vlan_unaware",
    "bridge_vlan_aware",
    "bridge_port_isolation",
    "bridge_sticky_fdb",
    "bridge_locked_port",
    "bridge_igmp",
    "bridge_mld",
    "bridge_mdb",
    "local_termination",
];
/// How long a test may take where no other time is named.
pub(crate) const SECONDS: u32 = 900;
/// The kernel series, as Debian names it.
const KERNEL: &str = "6.12";
/// Rounds where no other number is named: some five minutes on two cores.
pub(crate) const ROUNDS: u32 = 20;
/// The packages with property tests.
const PACKAGES: [&str; 3] = ["weir-abi", "weir-core", "weir-schema"];

pub(crate) fn all() -> Result<()> {
    properties(ROUNDS)?;
    kselftest(false, SECONDS, &[])
}

/// The property tests, with other cases in each round. proptest writes a case that fails into a file
/// beside the test, to be committed with what mends it.
pub(crate) fn properties(rounds: u32) -> Result<()> {
    let target = target_dir()?;
    for round in 1..=rounds {
        let start = Instant::now();
        let mut tests = cargo();
        tests.args(["test", "--release", "--quiet", "--target-dir"]).arg(&target);
        tests.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        // With a seed, each round would be the same.
        tests.env_remove("PROPTEST_RNG_SEED").stdout(Stdio::piped());
        let output = tests.output().context("cannot start cargo")?;
        if !output.status.success() {
            print!("{}", String::from_utf8_lossy(&output.stdout));
            bail!(
                "round {round} of {rounds} failed; `git status` shows where proptest has written the case: \
                 commit it with what mends it"
            );
        }
        println!("judge: properties: round {round} of {rounds}: {} s", start.elapsed().as_secs());
    }
    Ok(())
}

pub(crate) fn kselftest(plain_only: bool, seconds: u32, tests: &[String]) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the guest is an x86_64 machine with this machine's own files: run it on one");
    }
    setup::ensure(Purpose::Judge)?;
    let cache = cache()?;
    let image = image::ensure(&cache, KERNEL)?;
    let sources = selftests::ensure(&cache, KERNEL)?;
    let tools = selftests::tools(&cache)?;
    let tests = chosen(&sources, tests)?;
    let weir = if plain_only { None } else { Some(weir()?) };

    let run = |weir: Option<&Path>| -> Result<Vec<Outcome>> {
        let start = Instant::now();
        let what = if weir.is_some() { "with weir" } else { "plain bridge" };
        println!("judge: {what}: {} tests in a guest with Linux {}", tests.len(), image.version);
        let guest = Guest { image: &image, sources: &sources, tools: tools.as_deref(), weir };
        let outcomes = guest.run(&cache.join("shared"), &tests, seconds)?;
        println!("judge: {what}: done in {} s", start.elapsed().as_secs());
        Ok(outcomes)
    };
    let plain = run(None)?;
    let with_weir = weir.as_deref().map(|weir| run(Some(weir))).transpose()?;
    let (table, holds) = compare(&tests, &plain, with_weir.as_deref());
    print!("\n{table}");
    if !holds {
        std::process::exit(1);
    }
    Ok(())
}

/// As everywhere, `WEIR_BIN` names another than the one that is built.
fn weir() -> Result<PathBuf> {
    match std::env::var_os("WEIR_BIN") {
        Some(path) => Ok(path.into()),
        None => Ok(release(&["weir"], &["weir"])?.join("weir")),
    }
}

/// Packages, the kernel and the tests are kept, so that the next run needs no network.
fn cache() -> Result<PathBuf> {
    let folder = match std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("weir-judge"),
        None => target_dir()?.join("judge"),
    };
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    folder.canonicalize().with_context(|| format!("cannot find {}", folder.display()))
}

/// The tests that were asked for, with or without `.sh`; those that are run without asking, else.
fn chosen(sources: &Path, asked: &[String]) -> Result<Vec<String>> {
    if asked.is_empty() {
        return Ok(TESTS.map(str::to_owned).to_vec());
    }
    let name = |test: &String| test.strip_suffix(".sh").unwrap_or(test).to_owned();
    let tests: Vec<String> = asked.iter().map(name).collect();
    for test in &tests {
        if !sources.join("forwarding").join(format!("{test}.sh")).is_file() {
            bail!("Linux {KERNEL} has no test {test} in tools/testing/selftests/net/forwarding");
        }
    }
    Ok(tests)
}
