//! A running weir in a bed's host: started, queried, stopped, killed.
//!
//! Invariant: the process ends with its handle, and its log is shown if its test fails. Declare the
//! handle after the bed, so that it drops first.

use crate::bed::Bed;
pub use crate::binaries::binary;
use crate::wait::{wait_for, wait_ok};
use crate::weir_spec::WeirSpec;
use crate::{Started, cpu, ledger};
use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use weir_api::client::wait;
use weir_api::{
    Client, ClientError, FlowQuery, FlowsReport, LatencyQuery, LatencyReport, LinkLane, PortList,
    StatsReport,
};

/// A debug build on a busy machine opens its sockets in well under this time.
const START: Duration = Duration::from_secs(20);
/// Enough for an emulated machine, too.
const STOP: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(30);
/// Traffic counts as settled when nothing was received for this long.
const QUIET: Duration = Duration::from_millis(200);

/// The handle.
#[derive(Debug)]
pub struct Weir {
    process: Started,
    socket: PathBuf,
    said: Arc<Mutex<String>>,
    // Holds the socket and the configuration; removed with the handle.
    _dir: Option<tempfile::TempDir>,
}

impl Weir {
    /// Starts weir on all ports of the bed and waits until it answers.
    pub fn start(bed: &Bed, spec: &WeirSpec) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("weir-bed-").tempdir()?;
        let mut weir = Self::start_in(bed, spec, dir.path())?;
        weir._dir = Some(dir);
        Ok(weir)
    }

    /// The same with the socket in a folder of the caller's, for restarts.
    pub fn start_in(bed: &Bed, spec: &WeirSpec, dir: &Path) -> Result<Self> {
        let (config, socket) = (dir.join("weir.toml"), dir.join("weir.sock"));
        std::fs::write(&config, spec.config(bed, &socket))?;
        let mut command = command(bed, spec.binary.clone())?;
        command.arg("run").args(spec.args(&config, &socket));
        command.envs(spec.environment.iter().map(|(name, value)| (name, value)));
        Self::launch(command, socket)?.wait_ready()
    }

    /// `weir run ARGS`, without waiting for anything.
    pub fn spawn(bed: &Bed, args: &[String], socket: PathBuf) -> Result<Self> {
        let mut command = command(bed, None)?;
        command.arg("run").args(args);
        Self::launch(command, socket)
    }

    fn launch(mut command: Command, socket: PathBuf) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = Started::new("weir", &mut command)?;
        let said = Arc::new(Mutex::new(String::new()));
        if let Some(pipe) = process.child.stderr.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if let Ok(mut said) = said.lock() {
                        said.push_str(&line);
                        said.push('\n');
                    }
                }
            });
        }
        Ok(Self { process, socket, said, _dir: None })
    }

    fn wait_ready(mut self) -> Result<Self> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.child.try_wait()? {
                // The pipe's reader may be a moment behind.
                std::thread::sleep(Duration::from_millis(50));
                bail!("weir ended at once ({status}):\n{}", self.said());
            }
            let error = match self.stats() {
                Ok(_) => return Ok(self),
                Err(error) => error,
            };
            if start.elapsed() > START {
                return Err(error.context(format!("weir does not answer:\n{}", self.said())));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its log so far.
    pub fn said(&self) -> String {
        self.said.lock().map(|said| said.clone()).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::at(&self.socket)
    }

    pub fn stats(&self) -> Result<StatsReport> {
        Ok(wait(self.client().stats())?)
    }

    pub fn ports(&self) -> Result<PortList> {
        Ok(wait(self.client().ports())?)
    }

    /// Packets' times by stage, without histograms.
    pub fn latency(&self) -> Result<LatencyReport> {
        Ok(wait(self.client().latency(LatencyQuery::default()))?)
    }

    pub fn flows(&self) -> Result<FlowsReport> {
        Ok(wait(self.client().flows(&FlowQuery::default()))?)
    }

    /// The state of a link with a rate.
    pub fn link(&self, name: &str) -> Result<LinkLane> {
        let link = self.stats()?.port(name).and_then(|port| port.link);
        link.with_context(|| format!("{name} has no rate"))
    }

    /// The live configuration.
    pub fn config(&self) -> Result<Value> {
        Ok(wait(self.client().config())?)
    }

    /// Changes the live configuration and returns the new one; a refusal is an error.
    pub fn patch(&self, change: &Value) -> Result<Value> {
        wait(self.client().patch(change)).with_context(|| format!("{change} was refused"))
    }

    /// Asserts that a change is refused and has changed nothing; returns the message.
    pub fn refuses(&self, change: &Value) -> Result<String> {
        let before = self.config()?;
        let answer = wait(self.client().patch(change));
        let after = self.config()?;
        ensure!(after == before, "{change} changed\n{before:#}\nto\n{after:#}");
        match answer {
            Err(ClientError::Refused(no)) if no.why.is_client_error() => Ok(no.error),
            answer => bail!("{change} was not refused but answered with {answer:?}"),
        }
    }

    /// `weir WORDS…` on this weir's socket, to its end.
    pub fn cli(&self, bed: &Bed, words: &str) -> Result<Output> {
        let socket = self.socket.to_str().context("the path is not UTF-8")?;
        let args: Vec<&str> = words.split_whitespace().chain(["--control", socket]).collect();
        run_to_end(bed, &args)
    }

    /// `weir WORDS…` on this weir's socket, running, with its output to `output`.
    pub fn cli_with(&self, bed: &Bed, words: &str, output: fn() -> Stdio) -> Result<Child> {
        let mut command = command(bed, None)?;
        command.args(words.split_whitespace()).arg("--control").arg(&self.socket);
        command.stdin(Stdio::null()).stdout(output()).stderr(output());
        command.spawn().context("cannot start weir")
    }

    /// `weir WORDS…` to its end, asserting success; returns its output.
    pub fn cli_ok(&self, bed: &Bed, words: &str) -> Result<String> {
        let output = self.cli(bed, words)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`weir {words}` ended with {}: {said}\n{}", output.status, self.said());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs `f` while every thread of it stands still, as on a suspended host.
    pub fn while_stopped<T>(&self, f: impl FnOnce() -> Result<T>) -> Result<T> {
        self.signal(Signal::SIGSTOP)?;
        let stopped = wait_for(SETTLE, "weir to stand still", || {
            cpu::is_stopped(self.pid()).unwrap_or(false)
        });
        let result = stopped.and_then(|()| f());
        self.signal(Signal::SIGCONT)?;
        result
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal).context("weir is gone already")
    }

    /// Tells it to read its configuration file again.
    pub fn reload(&self) -> Result<()> {
        self.signal(Signal::SIGHUP)
    }

    /// Waits until its log contains `text`.
    pub fn wait_said(&self, text: &str) -> Result<()> {
        let what = format!("weir to say `{text}`");
        wait_for(SETTLE, &what, || self.said().contains(text))
            .with_context(|| format!("it said:\n{}", self.said()))
    }

    /// The state of one port, as the API has it.
    pub fn port_state(&self, name: &str) -> Result<&'static str> {
        Ok(self.stats()?.port(name).map_or("absent", |port| weir_core::Choice::name(port.state)))
    }

    pub fn wait_port(&self, name: &str, states: &[&str]) -> Result<()> {
        let what = format!("port {name} to be {}", states.join(" or "));
        wait_for(Duration::from_secs(10), &what, || {
            self.port_state(name).is_ok_and(|state| states.contains(&state))
        })
        .with_context(|| format!("it is {:?}\n{}", self.port_state(name), self.said()))
    }

    /// Waits until nothing is received any more, then checks the exact sums of the statistics.
    pub fn assert_ledger(&self) -> Result<StatsReport> {
        let deadline = Instant::now() + SETTLE;
        let mut last = self.stats()?;
        let mut quiet_since = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.stats()?;
            if now.ledger.received != last.ledger.received {
                quiet_since = Instant::now();
            }
            last = now;
            let verdict = ledger::check(&last);
            if verdict.is_ok() && quiet_since.elapsed() >= QUIET {
                return Ok(last);
            }
            if Instant::now() >= deadline {
                let why = verdict.err().unwrap_or_else(|| "traffic does not stop".to_owned());
                bail!("the ledger does not balance: {why}\n{last:#?}\nweir said:\n{}", self.said());
            }
        }
    }

    /// Ends it as an operator would and asserts a clean exit.
    pub fn stop(self) -> Result<()> {
        self.stop_with(Signal::SIGTERM)
    }

    /// The same by any signal; returns its complete log.
    pub fn end_and_listen(self, signal: Signal) -> Result<String> {
        let said = Arc::clone(&self.said);
        self.stop_with(signal)?;
        last_words(&said)
    }

    /// Waits until it ends by itself, with an error; returns its complete log.
    pub fn wait_end(mut self) -> Result<String> {
        let status = self.ended()?;
        ensure!(!status.success(), "weir ended without an error:\n{}", self.said());
        let said = Arc::clone(&self.said);
        drop(self);
        last_words(&said)
    }

    pub fn stop_with(mut self, signal: Signal) -> Result<()> {
        let status = self.end_with(signal)?;
        ensure!(status.success(), "weir ended with {status} on {signal}:\n{}", self.said());
        Ok(())
    }

    /// Kills it; the pid is reaped.
    pub fn kill9(mut self) -> Result<()> {
        self.end_with(Signal::SIGKILL).map(drop)
    }

    fn end_with(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        self.ended().with_context(|| signal.to_string())
    }

    fn ended(&mut self) -> Result<ExitStatus> {
        let (status, patience) = (self.process.wait(STOP), STOP.as_secs());
        status.with_context(|| format!("weir still runs after {patience} s:\n{}", self.said()))
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let child = &mut self.process.child;
        if matches!(child.try_wait(), Ok(None)) {
            let _ = child.kill();
            let _ = child.wait();
            // Still running: the test left early, so it failed, and the log says why.
            eprintln!("weir said:\n{}", self.said());
        }
    }
}

fn last_words(said: &Arc<Mutex<String>>) -> Result<String> {
    // Once the reader has reached the pipe's end, this is the last reference.
    wait_for(SETTLE, "its last word", || Arc::strong_count(said) == 1)?;
    said.lock().map(|said| said.clone()).map_err(|_| anyhow!("the pipe's reader panicked"))
}

/// weir in the bed's host, without arguments yet; perhaps by another binary than the one under test.
fn command(bed: &Bed, other: Option<PathBuf>) -> Result<Command> {
    let binary = other.map_or_else(binary, Ok)?;
    let mut command = bed.host.cmd(binary.to_str().context("the path is not UTF-8")?);
    if std::env::var_os("RUST_LOG").is_none() {
        command.env("RUST_LOG", "info");
    }
    Ok(command)
}

/// Runs weir with `args` to its end: for arguments that must be refused.
pub fn run_to_end(bed: &Bed, args: &[&str]) -> Result<Output> {
    let mut child = command(bed, None)?
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start weir")?;
    let ended = wait_ok(STOP, "weir to refuse and end", || child.try_wait()?.context("it runs"));
    if ended.is_err() {
        child.kill()?;
        let output = child.wait_with_output()?;
        bail!("weir {args:?} did not end:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(child.wait_with_output()?)
}
