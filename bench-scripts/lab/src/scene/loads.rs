//! Load other than traffic: a CPU burner (stress-ng), or random reads and writes with sync (fio), in a
//! namespace of the bed.
//!
//! Invariant: a load ends on request or when it is dropped, and its file is gone then. A load that ends
//! by itself before is an error.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use system_tests::{Started, ns};
use tempfile::TempDir;

use crate::spec::{Family, Load, Seat, What};
use crate::stage::Stage;

/// How long a load may take to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// A load without a request ends by itself this long after its time.
const SPARE_S: f64 = 30.0;
const FILE_SIZE: &str = "64m";

/// The processes of one load of a scene, at every place of its seat.
#[derive(Debug)]
pub(super) struct Burden {
    what: String,
    /// Namespace and arguments.
    words: Vec<(String, Vec<String>)>,
    running: Vec<Started>,
    _file: Option<TempDir>,
}

impl Burden {
    /// Does everything that takes time, before the scene begins.
    pub(super) fn prepare(load: &Load, stage: &Stage) -> Result<Self> {
        let program = load.what.program();
        let places = if load.at == Seat::Host {
            vec![stage.bed().host.name().to_owned()]
        } else {
            let spots = stage.spots(load.at, Family::V4)?;
            spots.iter().map(|spot| spot.ns.name().to_owned()).collect()
        };
        let lasts = (load.stop - load.start).max(0.0) + SPARE_S;
        let file = (load.what == What::Disk).then(folder).transpose()?;
        let mut words = Vec::new();
        for (at, place) in places.into_iter().enumerate() {
            let own = match &file {
                None => burner(lasts),
                Some(folder) => disk(&folder.path().join(format!("file{at}")), lasts),
            };
            if file.is_some() {
                let own = own.iter().skip(1).map(String::as_str);
                ns::output(Command::new(program).args(own).arg("--create_only=1"))
                    .context("laying out fio's file")?;
            }
            let pinned =
                load.core.map(|core| ["taskset", "-c", &core.to_string()].map(str::to_owned));
            words.push((place, pinned.into_iter().flatten().chain(own).collect()));
        }
        let what = format!("{program} at {}", load.at);
        Ok(Self { what, words, running: Vec::new(), _file: file })
    }

    pub(super) fn start(&mut self) -> Result<()> {
        for (place, words) in &self.words {
            let (program, rest) = words.split_first().context("no program")?;
            let mut command = ns::cmd_in(place, program);
            command.args(rest).current_dir(std::env::temp_dir());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            self.running.push(Started::new(&self.what, &mut command)?);
        }
        Ok(())
    }

    /// Requests the end, without waiting for it.
    pub(super) fn stop(&mut self) -> Result<()> {
        for running in &mut self.running {
            running.check()?;
            running.ask();
        }
        Ok(())
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        self.running.iter().for_each(Started::ask);
        self.running.iter_mut().for_each(|running| running.wait(PATIENCE));
    }
}

fn burner(lasts_s: f64) -> Vec<String> {
    words(&format!("stress-ng --quiet --cpu 1 --timeout {}s", lasts_s.ceil()))
}

fn disk(file: &Path, lasts_s: f64) -> Vec<String> {
    let mut words = words(&format!(
        "fio --name=disk --ioengine=psync --rw=randrw --bs=4k --fsync=1 --thread --time_based \
         --output=/dev/null --size={FILE_SIZE} --runtime={}",
        lasts_s.ceil()
    ));
    words.push(format!("--filename={}", file.display()));
    words
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

const PREFIX: &str = "weir-lab-disk-";

/// A folder on the disk that holds the builds: /tmp may be memory.
fn folder() -> Result<TempDir> {
    let own = std::env::current_exe().context("this program's own path")?;
    let target = own.ancestors().find(|folder| folder.join("CACHEDIR.TAG").exists());
    let target = target.or(own.parent()).context("no folder for fio's file")?;
    remove_stale(target);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(target);
    folder.with_context(|| format!("no folder for fio's file in {}", target.display()))
}

/// Removes files of loads that were killed in the middle of a scene.
fn remove_stale(target: &Path) {
    for entry in std::fs::read_dir(target).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        let is_gone = |pid: &str| !Path::new("/proc").join(pid).exists();
        if pid.is_some_and(is_gone) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
