//! `cargo xtask judge properties`: the property tests, with other cases in each round.
//!
//! Invariant: proptest writes a case that fails into a file beside the test, to be committed with what
//! mends it.

use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::build::{cargo, target_dir};

/// Rounds where no other number is named: some five minutes on two cores.
pub(crate) const ROUNDS: u32 = 20;
const PACKAGES: [&str; 3] = ["weir-abi", "weir-core", "weir-schema"];

pub(crate) fn run(rounds: u32) -> Result<()> {
    let target = target_dir()?;
    for round in 1..=rounds {
        let start = Instant::now();
        let mut tests = cargo();
        tests.args(["test", "--release", "--quiet", "--target-dir"]).arg(&target);
        tests.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
        // With a seed, each round would be the same.
        tests.env_remove("PROPTEST_RNG_SEED").stdout(std::process::Stdio::piped());
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
