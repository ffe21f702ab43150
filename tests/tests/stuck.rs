//! A worker that stands still: whoever asks it is told so, the rest of weir goes on, and weir ends
//! when it is told to. The worker's thread alone is stopped, by a tracer: this test.

use anyhow::{Context, Result, ensure};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use system_tests::drive::{ping_all, reachable};
use system_tests::{BedSpec, Weir, WeirSpec, http, root_or_skip, wait_for};

const SOON: Duration = Duration::from_secs(5);
/// A worker's answer is waited for 2 s once, then 100 ms at a time.
const ANSWER: Duration = Duration::from_millis(4500);
/// All bounds of the end, one after the other, and what a busy machine needs.
const ENDS: Duration = Duration::from_secs(15);

/// The only worker's thread, which stands still until it is released or this thread ends.
struct Still {
    thread: Pid,
    /// `core 1`
    core: String,
}

impl Still {
    fn worker(weir: &Weir) -> Result<Self> {
        for thread in std::fs::read_dir(format!("/proc/{}/task", weir.pid()))? {
            let thread = thread?;
            let name = std::fs::read_to_string(thread.path().join("comm"))?;
            let Some(core) = name.trim().strip_prefix("weir-core") else { continue };
            let id = Pid::from_raw(thread.file_name().to_string_lossy().parse()?);
            ptrace::seize(id, ptrace::Options::empty())?;
            ptrace::interrupt(id)?;
            let stopped = waitpid(id, Some(WaitPidFlag::__WALL))?;
            ensure!(matches!(stopped, WaitStatus::PtraceEvent(..)), "{stopped:?}");
            return Ok(Self { thread: id, core: format!("core {core}") });
        }
        anyhow::bail!("no worker's thread")
    }

    fn release(self) -> Result<()> {
        Ok(ptrace::detach(self.thread, None)?)
    }

    /// Takes note of its end, without which its process does not.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        !matches!(waitpid(self.thread, Some(flags)), Ok(WaitStatus::StillAlive))
    }
}

fn asked<T>(what: &str, ask: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let answer = ask()?;
    ensure!(began.elapsed() < ANSWER, "{what} took {:?}", began.elapsed());
    Ok(answer)
}

fn port<'a>(ports: &'a Value, name: &str) -> &'a Value {
    let all = ports["ports"].as_array().into_iter().flatten();
    all.into_iter().find(|port| port["name"] == name).unwrap_or(&Value::Null)
}

#[test]
fn a_change_is_refused_while_a_worker_stands_still_and_made_when_it_does_not() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let before = weir.config()?;
    let still = Still::worker(&weir)?;
    let core = still.core.clone();
    let late = format!("the worker on {core} has not answered for");
    let change = json!({"ports": {"v1": {"weight": 7}}, "scheduler": {"policy": "wrr"}});
    for _ in 0..3 {
        let patch = || http::patch(weir.socket(), "/v1/config", &change.to_string());
        let refused = asked("a change", patch)?;
        ensure!(refused.status == 503, "{refused:?}");
        ensure!(refused.body.contains(&late), "{refused:?}");
    }
    let error = asked("the statistics", || Ok(weir.stats()))?.unwrap_err().to_string();
    ensure!(error.contains("503") && error.contains(&late), "{error}");
    // What needs no worker is answered as ever.
    ensure!(weir.config()? == before, "nothing has changed");
    ensure!(port(&weir.ports()?, "v1")["state"] == "up");
    weir.wait_said(&late)?;

    still.release()?;
    weir.wait_said(&format!("the worker on {core} answers again"))?;
    let config = weir.patch(&change)?;
    ensure!(config["ports"]["v1"]["weight"] == 7, "{config:#}");
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_port_that_leaves_a_worker_that_stands_still_comes_back() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let still = Still::worker(&weir)?;
    bed.host.ip("link set v1 down")?;
    let is_detached = || bed.host.is_attached("v1").is_ok_and(|attached| !attached);
    wait_for(SOON, "v1 to be detached", is_detached)?;
    bed.host.ip("link set v1 up")?;
    let failed = || port(&weir.ports().unwrap_or_default(), "v1")["state"] == "failed";
    wait_for(ENDS, "v1 to have failed", failed)?;
    let problem = port(&weir.ports()?, "v1")["problem"].clone();
    ensure!(problem.as_str().is_some_and(|why| why.contains(&still.core)), "{problem}");

    still.release()?;
    weir.wait_port("v1", &["up"])?;
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    weir.stop()
}

#[test]
fn the_end_does_not_wait_for_a_worker_that_stands_still() -> Result<()> {
    root_or_skip!();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let bed = BedSpec::vms(2).build()?;
        let weir = Weir::start(&bed, &WeirSpec::default())?;
        ping_all(&bed)?;
        let pid = Pid::from_raw(i32::try_from(weir.pid())?);
        let still = Still::worker(&weir)?;
        // A change is under way when the signal comes.
        let change = json!({"ports": {"v1": {"weight": 7}}}).to_string();
        std::thread::scope(|scope| {
            scope.spawn(|| http::patch(weir.socket(), "/v1/config", &change));
            kill(pid, signal).context("weir is gone")?;
            wait_for(ANSWER, "the programs to be detached", || {
                let free = |name: &str| bed.host.is_attached(name).is_ok_and(|it| !it);
                free("v1") && free("v2")
            })
            .with_context(|| weir.said())?;
            wait_for(ENDS, "the worker's end", || still.has_ended()).with_context(|| weir.said())
        })?;
        ensure!(weir.said().contains("does not end, and is left behind"), "{}", weir.said());
        weir.stop_with(signal)?;
    }
    Ok(())
}
