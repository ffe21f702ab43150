//! A `weir probe` that runs. Invariant: it is gone when its handle is.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use system_tests::cpu;
use system_tests::wait::wait_ok;
use tempfile::NamedTempFile;

/// How long one may take to say its first word, or to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    said: BufReader<ChildStderr>,
    first_word: String,
    printed: Option<JoinHandle<std::io::Result<String>>>,
    distribution: NamedTempFile,
}

/// What one leaves behind.
#[derive(Clone, Debug)]
pub(super) struct Left {
    pub(super) report: Value,
    /// Its main histogram's distribution; empty where it had none.
    pub(super) distribution: String,
}

impl Process {
    /// Starts `weir probe WORDS` in a namespace, with the calling thread's core and priority, and
    /// waits until it listens or begins to send.
    pub(super) fn start(binary: &Path, ns: &Path, words: &[String]) -> Result<Self> {
        let distribution = tempfile::Builder::new().suffix(".hgrm").tempfile()?;
        let name = ns.file_name().context("a namespace without a name")?;
        let mut child = Command::new("ip")
            .args(["netns", "exec"])
            .arg(name)
            .arg(binary)
            .arg("probe")
            .args(words)
            .args(["--json", "--hgrm"])
            .arg::<PathBuf>(distribution.path().into())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start a probe")?;
        let mut out = child.stdout.take().context("no stdout")?;
        let printed = std::thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_| text)
        });
        let said = BufReader::new(child.stderr.take().context("no stderr")?);
        let printed = Some(printed);
        let mut process = Self { child, said, first_word: String::new(), printed, distribution };
        process.said.read_line(&mut process.first_word)?;
        let begun = ["listening on", "sending to"];
        if begun.iter().any(|word| process.first_word.contains(word)) {
            return Ok(process);
        }
        let mut said = process.first_word.clone();
        process.said.read_to_string(&mut said)?;
        Err(anyhow!("`weir probe {}`: {}", words.join(" "), said.trim_end()))
    }

    /// The port it listens on, of "weir: listening on 10.0.0.1:9000".
    pub(super) fn port(&self) -> Result<u16> {
        let port = self.first_word.trim_end().rsplit(':').next().and_then(|port| port.parse().ok());
        port.with_context(|| format!("no port in {:?}", self.first_word))
    }

    /// What it has taken so far.
    pub(super) fn cpu(&self) -> Duration {
        cpu::process_exact(self.child.id()).unwrap_or_default()
    }

    /// Tells it to come to its end; it may be there already.
    pub(super) fn interrupt(&self) {
        if let Ok(pid) = i32::try_from(self.child.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
    }

    /// Whether it has ended within that time.
    pub(super) fn ends_within(&mut self, time: Duration) -> bool {
        wait_ok(time, "a probe to end", || self.child.try_wait()?.context("it runs")).is_ok()
    }

    /// Waits for its end and reads what it found.
    pub(super) fn finish(mut self) -> Result<Left> {
        if !self.ends_within(PATIENCE) {
            let _ = self.child.kill();
        }
        let status = self.child.wait()?;
        let reader = self.printed.take().context("its report was read already")?;
        let text = reader.join().map_err(|_| anyhow!("a reader panicked"))??;
        let mut said = String::new();
        let _ = self.said.read_to_string(&mut said);
        ensure!(status.success(), "a probe ended with {status}: {}", said.trim_end());
        let report = serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
        let distribution = std::fs::read_to_string(self.distribution.path())?;
        Ok(Left { report, distribution })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A second kill of one that was waited for would be refused here, not sent.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
