//! A run by the program itself: interrupted, resumed, stored, and nothing left behind.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use system_tests::{root_or_skip, wait_for};

/// A starved machine needs minutes for a cell.
const LONG: Duration = Duration::from_secs(300);
const CELLS: usize = 3;
const EXPERIMENT: &str = r#"
id = "A-E1"
title = "Something arrives"
paper = "A"
claim = "It does."
their-setup = "None."
our-setup = "One VM sends a little."
full = { repetitions = 3, seconds = 0.3 }
quick = { repetitions = 1, seconds = 0.3 }

[[peer]]
name = "bridge"
kind = "bridge"

[scene]
vms = 1
traffic = [{ kind = "flood", from = "vm1", to = "uplink", size = 100, pps = 1000 }]
window = [{ name = "all", from = 0.1, to = "$seconds" }]

[[check]]
what = "something arrives"
value = { quantity = "all.vm1.kpps", peer = "bridge" }
least = 0.000001
"#;

fn start(folder: &Path, id: &str) -> Result<Child> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-lab"));
    command.arg("--experiments").arg(folder).arg("--results").arg(folder.join("results"));
    command.args(["run", id]).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().context("cannot start weir-lab")
}

/// The exit code, and the whole output.
fn end(child: Child) -> Result<(Option<i32>, String)> {
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&said).into_owned()))
}

fn cells(folder: &Path) -> usize {
    fs::read_dir(folder.join("results/A-E1")).map_or(0, |files| {
        let whole = files.flatten().filter(|file| file.path().extension().is_some());
        whole.filter(|file| !file.file_name().to_string_lossy().starts_with('.')).count()
    })
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() -> Result<()> {
    root_or_skip!();
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("A-E1.toml"), EXPERIMENT)?;
    let child = start(folder.path(), "A-E1")?;
    let pid = child.id();
    wait_for(LONG, "a cell to be kept", || cells(folder.path()) > 0)?;
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
    let (code, said) = end(child)?;
    ensure!(code == Some(130), "it ended with {code:?}:\n{said}");
    let kept = cells(folder.path());
    // It reports how many cells it stored, unless the cell under way could not be taken down in time.
    ensure!(said.contains("interrupted: "), "{said}");
    ensure!(said.contains("the same command goes on from there"), "{said}");
    if said.contains("cells are kept") {
        ensure!(said.contains(&format!("interrupted: {kept} of {CELLS} cells")), "{said}");
    }
    let prefix = format!("wt{pid}x");
    for name in fs::read_dir("/run/netns")?.flatten().map(|entry| entry.file_name()) {
        ensure!(!name.to_string_lossy().starts_with(&prefix), "{name:?} is left behind");
    }

    let (code, said) = end(start(folder.path(), "A-E1")?)?;
    ensure!(code == Some(0), "it ended with {code:?}:\n{said}");
    ensure!(said.contains(&format!("{kept} of {CELLS} cells are kept")), "{said}");
    let text = fs::read_to_string(folder.path().join("results/A-E1.json"))?;
    let results: Value = serde_json::from_str(&text)?;
    ensure!(results["measured"].as_array().is_some_and(|all| all.len() == CELLS), "{results:#}");
    ensure!(results["verdicts"][0]["holds"] == true, "{results:#}");
    Ok(())
}

/// The worker's capacity is measured with weir itself, whichever peers are compared.
#[test]
fn rates_are_lowered_to_what_the_worker_manages() -> Result<()> {
    root_or_skip!();
    let folder = tempfile::tempdir()?;
    // More than any machine can do.
    for (id, asks) in [("A-E1", "pps = 1e8"), ("A-E2", "mbit = 1e6")] {
        let text = EXPERIMENT
            .replace("\"A-E1\"", &format!("\"{id}\""))
            .replace("repetitions = 3", "repetitions = 1")
            .replace("pps = 1000", "pps = 100_000")
            .replace(
                "[scene]",
                &format!("[scale]\n{asks}\nshare = 0.5\n\n[scene]\nlink = 1_000_000"),
            );
        fs::write(folder.path().join(format!("{id}.toml")), text)?;
    }
    let (code, said) = end(start(folder.path(), "all")?)?;
    ensure!(code == Some(0), "it ended with {code:?}:\n{said}");
    if std::env::var_os("SHOW").is_some() {
        eprintln!("{said}");
    }
    ensure!(said.contains("this machine's worker forwards "), "{said}");
    for (id, managed, most) in [("A-E1", "pps", 1e8), ("A-E2", "mbit", 1e6)] {
        let text = fs::read_to_string(folder.path().join(format!("results/{id}.json")))?;
        let results: Value = serde_json::from_str(&text)?;
        let number = |name: &str| results["scale"][name].as_f64().context(said.clone());
        let (factor, managed) = (number("factor")?, number(managed)?);
        let fits = 0.5 * managed / most;
        ensure!(factor <= fits && factor > 0.9 * fits, "{factor} of {managed}: {said}");
        ensure!(said.contains(&format!("scaled to {factor} of the file's rates")), "{said}");
    }
    Ok(())
}
