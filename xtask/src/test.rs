//! `cargo xtask test`: the pure tier, then the root tier, and one sum at the end.
//!
//! Invariant: a test that did not run is never counted as passed.

use crate::build::{cargo, root, target_dir};
use crate::command::{listen, output, show};
use crate::setup::{self, Purpose};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// What a root test writes, past libtest's capture, when it does not run.
const SKIPPED: &str = "SKIPPED (needs root): ";

#[derive(Default)]
struct Sum {
    passed: u64,
    failed: u64,
    skipped: u64,
    ignored: u64,
    failures: Vec<String>,
    /// What ended badly without a test that failed: a build error, a crash, a stale object.
    broken: Vec<String>,
}

impl Sum {
    fn take(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.passed += count(rest, "passed");
            self.failed += count(rest, "failed");
            self.ignored += count(rest, "ignored");
        } else if line.contains(SKIPPED) {
            self.skipped += 1;
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
    }
}

/// The number in front of `word` in `ok. 3 passed; 0 failed; 1 ignored; …`.
fn count(line: &str, word: &str) -> u64 {
    let number = |part: &str| part.strip_suffix(word)?.trim().parse().ok();
    line.split(['.', ';']).find_map(number).unwrap_or(0)
}

/// Half of the tests.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tier {
    /// What needs no bed
    Pure,
    /// Namespaces, XDP, traffic
    Root,
}

pub(crate) fn run(no_root: bool, only: Option<Tier>, filter: Option<&str>) -> Result<()> {
    setup::ensure(Purpose::Test)?;
    let root = setup::is_root() && !no_root;
    let target = target_dir()?;
    python(&target)?;
    let mut sum = Sum::default();
    let wanted = |tier| only.is_none_or(|only| only == tier);
    let how = How { target: &target, root, filter };
    let names = names()?;
    if wanted(Tier::Pure) {
        headline("pure tier: no root, no kernel");
        match crate::build_ebpf::hash_check() {
            Ok(()) => println!("the committed eBPF object was built from the sources as they are"),
            Err(error) => {
                println!("{error:#}");
                sum.broken.push("the committed eBPF object is not of these sources".to_owned());
            }
        }
        let mut what = vec!["--lib", "--bins", "--examples"];
        what.extend(chosen(&names, Tier::Pure));
        how.tier(&mut sum, "pure tier", &what, &[])?;
    }
    if wanted(Tier::Root) {
        headline("root tier: namespaces, XDP, traffic");
        let what: Vec<_> = chosen(&names, Tier::Root).collect();
        if root {
            build_weir(&target, &what)?;
        }
        // One at a time: two forwarders on one core would measure each other.
        how.tier(&mut sum, "root tier", &what, &["--test-threads=1"])?;
    }
    finish(sum, root)
}

/// The files in a package's `tests` are programs of their own. These packages' are the root tier.
const ROOT_TIER: [&str; 2] = ["tests", "bench-scripts/lab"];

/// The names of all such programs, each with its tier.
fn names() -> Result<BTreeMap<String, Tier>> {
    let (root, mut names) = (root(), BTreeMap::new());
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let is_root = ROOT_TIER.iter().any(|package| folder == root.join(package).join("tests"));
        let tier = if is_root { Tier::Root } else { Tier::Pure };
        let holds_programs =
            folder.ends_with("tests") && folder.with_file_name("Cargo.toml").is_file();
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_program =
                path.extension() == Some("rs".as_ref()) || path.join("main.rs").is_file();
            let is_checkout = path.join(".git").exists();
            if path.is_dir() && !is_checkout && name != "target" && !name.starts_with('.') {
                folders.push(path);
            }
            if holds_programs && is_program {
                // Cargo chooses by name alone.
                let other = names.insert(name.clone(), tier).filter(|other| *other != tier);
                ensure!(other.is_none(), "both tiers have a test program {name}: rename one");
            }
        }
    }
    Ok(names)
}

fn chosen(names: &BTreeMap<String, Tier>, tier: Tier) -> impl Iterator<Item = &str> {
    let names = names.iter().filter(move |(_, of)| **of == tier);
    names.flat_map(|(name, _)| ["--test", name])
}

/// With `tests`, so that what both use is built once.
fn build_weir(target: &Path, tests: &[&str]) -> Result<()> {
    let mut cargo = cargo();
    cargo.args(["build", "--workspace", "--bin", "weir"]).args(tests);
    cargo.arg("--target-dir").arg(target);
    show(&mut cargo).context("weir does not build")
}

/// The tests' Python packages. They come from the network, for which no test should have to wait.
fn python(target: &Path) -> Result<()> {
    let mut python = Command::new("python3");
    python.arg(root().join("tests/python/make_venv.py")).arg(target.join("python"));
    output(&mut python).context("the tests' Python packages cannot be installed").map(drop)
}

fn headline(text: &str) {
    println!("\n── {text} {}", "─".repeat(72_usize.saturating_sub(text.len())));
}

/// How all tests are run.
struct How<'a> {
    target: &'a Path,
    root: bool,
    filter: Option<&'a str>,
}

impl How<'_> {
    fn tier(&self, sum: &mut Sum, name: &str, what: &[&str], harness: &[&str]) -> Result<()> {
        let mut cargo = cargo();
        // `--no-fail-fast`: the sum at the end is of all tests, not of those before the first failure.
        // `--workspace`, whatever is run: crates have the features that the chosen packages ask for, and
        // other features are another build.
        cargo.args(["test", "--no-fail-fast", "--workspace", "--target-dir"]).arg(self.target);
        cargo.args(what);
        cargo.arg("--").args(harness).args(self.filter);
        cargo.env("WEIR_BIN", self.target.join("debug/weir"));
        if !self.root {
            cargo.env("WEIR_NO_ROOT", "1");
        }
        cargo.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = cargo.spawn().context("cannot start cargo")?;
        let failed_before = sum.failed;
        let (lines, received) = mpsc::channel();
        listen(child.stdout.take().context("cargo has no output")?, lines.clone());
        listen(child.stderr.take().context("cargo has no output")?, lines);
        let mut out = std::io::stdout();
        for line in received {
            sum.take(&line);
            writeln!(out, "{line}").context("cannot write to the terminal")?;
        }
        let status = child.wait().context("cannot wait for cargo")?;
        if !status.success() && sum.failed == failed_before {
            sum.broken.push(format!("the {name} did not build, or crashed"));
        }
        Ok(())
    }
}

fn finish(sum: Sum, root: bool) -> Result<()> {
    let skipped = sum.skipped + sum.ignored;
    // libtest counts a test that returned early as passed; it did not run.
    let passed = sum.passed.saturating_sub(sum.skipped);
    if !root {
        let line =
            format!("NOT ROOT: {} root tests were SKIPPED, nothing was forwarded", sum.skipped);
        let bar = "!".repeat(line.len() + 8);
        println!("\n{bar}\n!!! {line} !!!\n{bar}");
    }
    for name in &sum.failures {
        println!("failed: {name}");
    }
    for name in &sum.broken {
        println!("broken: {name}");
    }
    println!("\n{passed} passed, {} failed, {skipped} skipped", sum.failed);
    if sum.failed > 0 || !sum.broken.is_empty() {
        std::process::exit(1);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
