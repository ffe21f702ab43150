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

use crate::spec::{Load, Seat, What};
use crate::stage::Stage;

/// How long a load may take to end.
const PATIENCE: Duration = Duration::from_secs(2);
/// A load without a request ends by itself this long after its time.
const SPARE_S: f64 = 30.0;
const FILE_SIZE: &str = "64m";

/// A load of a scene.
#[derive(Debug)]
pub(super) struct Burden {
    what: String,
    command: Command,
    running: Option<Started>,
    _file: Option<TempDir>,
}

impl Burden {
    /// Does everything that takes time, before the scene begins.
    pub(super) fn prepare(load: &Load, stage: &Stage) -> Result<Self> {
        let program = load.what.program();
        let place = match load.at {
            Seat::Vm(number) => &stage.vm(number)?.ns,
            _ => &stage.bed.host,
        };
        let lasts = ((load.stop - load.start).max(0.0) + SPARE_S).ceil();
        let (words, file) = match load.what {
            What::Burn => (format!("--quiet --cpu 1 --timeout {lasts}s"), None),
            What::Disk => {
                let words = format!(
                    "--name=disk --ioengine=psync --rw=randrw --bs=4k --fsync=1 --thread \
                     --time_based --output=/dev/null --size={FILE_SIZE} --runtime={lasts}"
                );
                (words, Some(folder()?))
            }
        };
        let mut args: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        if let Some(folder) = &file {
            args.push(format!("--filename={}", folder.path().join("file").display()));
            ns::output(Command::new(program).args(&args).arg("--create_only=1"))
                .context("laying out fio's file")?;
        }
        let mut command = place.cmd(if load.core.is_some() { "taskset" } else { program });
        if let Some(core) = load.core {
            command.args(["-c", &core.to_string(), program]);
        }
        command.args(args).current_dir(std::env::temp_dir());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let what = format!("{program} at {}", load.at);
        Ok(Self { what, command, running: None, _file: file })
    }

    pub(super) fn start(&mut self) -> Result<()> {
        self.running = Some(Started::new(&self.what, &mut self.command)?);
        Ok(())
    }

    /// Requests the end, without waiting for it.
    pub(super) fn stop(&mut self) -> Result<()> {
        if let Some(running) = &mut self.running {
            running.check()?;
            running.ask();
        }
        Ok(())
    }
}

impl Drop for Burden {
    fn drop(&mut self) {
        if let Some(running) = &mut self.running {
            running.ask();
            running.wait(PATIENCE);
        }
    }
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
