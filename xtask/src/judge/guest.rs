//! Boots the guest, and listens to what it says.
//!
//! Invariant: the guest ends with this process, however that ends, and has no network of the host.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::image::Image;
use super::verdict::{Outcome, Story};
use crate::command::{listen, run};

const SCRIPT: &str = include_str!("guest.sh");
const MULTICAST: &str = include_str!("multicast.py");
/// Booting, and all that is done around a test.
const GRACE: Duration = Duration::from_secs(240);

#[derive(Debug)]
pub(super) struct Guest<'a> {
    pub(super) image: &'a Image,
    pub(super) sources: &'a Path,
    /// Unpacked programs that stand in front of the machine's own.
    pub(super) tools: Option<&'a Path>,
    pub(super) weir: Option<&'a Path>,
}

impl Guest<'_> {
    /// Runs the tests one after the other, each for `seconds` at most; `shared` is what the
    /// guest sees as /run/judge.
    pub(super) fn run(
        &self,
        shared: &Path,
        tests: &[String],
        seconds: u32,
    ) -> Result<Vec<Outcome>> {
        self.share(shared, tests, seconds).context("cannot prepare what the guest is to see")?;
        let name = if self.weir.is_some() { "weir.log" } else { "plain.log" };
        let path = shared.with_file_name(name);
        let mut log =
            fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut machine = self.boot(shared)?;
        // The sender is gone when the guest is off.
        let (lines, heard) = mpsc::channel();
        listen(machine.0.stdout.take().context("the guest has no console")?, lines);
        let mut story = Story::default();
        let patience = GRACE + Duration::from_secs(seconds.into());
        loop {
            let line = match heard.recv_timeout(patience) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the guest has not said anything for {} s", patience.as_secs())
                }
            };
            writeln!(log, "{line}").context("cannot write the guest's log")?;
            print!("{}", story.hear(&line)?);
            // Without waiting for the line's end.
            std::io::stdout().flush().context("cannot write")?;
        }
        machine.0.wait().context("cannot wait for the guest")?;
        if story.outcomes.len() < tests.len() {
            bail!("the guest ended before its tests did; see {}", path.display());
        }
        println!("judge: all that the guest said is in {}", path.display());
        Ok(story.outcomes)
    }

    fn share(&self, shared: &Path, tests: &[String], seconds: u32) -> Result<()> {
        let _ = fs::remove_dir_all(shared);
        let bin = shared.join("bin");
        fs::create_dir_all(&bin)?;
        run(Command::new("cp").arg("-a").arg(self.sources).arg(shared.join("selftests")))?;
        fs::write(shared.join("guest.sh"), SCRIPT)?;
        fs::write(shared.join("tests"), tests.join("\n") + "\n")?;
        fs::write(shared.join("seconds"), seconds.to_string())?;
        for name in ["msend", "mreceive"] {
            let path = bin.join(name);
            fs::write(&path, MULTICAST)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        for folder in ["bin", "sbin", "usr/bin", "usr/sbin"] {
            for name in ["ip", "bridge", "tc"] {
                let Some(path) = self.tools.map(|tools| tools.join(folder).join(name)) else {
                    continue;
                };
                // Some are links to others, by where they will be when installed.
                if path.symlink_metadata().is_ok_and(|found| found.is_file()) {
                    fs::copy(&path, bin.join(name))?;
                }
            }
        }
        if let Some(weir) = self.weir {
            fs::copy(weir, shared.join("weir"))?;
        }
        Ok(())
    }

    fn boot(&self, shared: &Path) -> Result<Machine> {
        let folder = |tag: &str, path: &Path| {
            let path = path.display().to_string().replace(',', ",,");
            let how = "security_model=none,readonly=on,multidevs=remap";
            format!("local,path={path},mount_tag={tag},{how}")
        };
        // Ends with this process, whatever ends that one.
        let mut machine = Command::new("setpriv");
        machine.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
        machine.args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072"]);
        machine.args(["-nographic", "-no-reboot", "-nic", "none"]);
        machine.arg("-kernel").arg(&self.image.kernel).arg("-initrd").arg(&self.image.initrd);
        machine.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
        machine.args(["-virtfs", &folder("root", Path::new("/"))]);
        machine.args(["-virtfs", &folder("judge", shared)]);
        machine.args(["-virtfs", &folder("modules", &self.image.modules)]);
        machine.stdin(Stdio::null()).stdout(Stdio::piped());
        machine.spawn().map(Machine).context("cannot start the guest")
    }
}

/// Killed where it is given up.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // Without effect on one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
