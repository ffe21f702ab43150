//! A stalled worker: its frames go by the bridge, requests that need it fail with a clear error, the
//! rest of weir goes on, and weir ends on request. A tracer, which is this test, stops the worker's
//! thread alone; or SIGSTOP stops all of weir.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;
use std::fmt::Debug;
use std::time::{Duration, Instant};
use system_tests::bed::Family;
use system_tests::drive::{Flow, ping_all, reachable, udp_exact};
use system_tests::gate::{start, start_with, steered, wait_steered};
use system_tests::traffic::{Rate, Source};
use system_tests::{BedSpec, Weir, WeirSpec, ledger, root_or_skip, wait_for};
use weir_api::client::wait;
use weir_api::{ClientError, PortInfo, PortReport, Refused, State, StatsReport, StatusCode};

const SOON: Duration = Duration::from_secs(30);
/// A worker's answer is waited for 2 s once, then 100 ms at a time.
const ANSWER: Duration = Duration::from_millis(4500);
/// All bounds of the end, one after the other, and an allowance for a busy machine.
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

    /// Collects the thread's end, without which its process does not end.
    fn has_ended(&self) -> bool {
        let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
        !matches!(waitpid(self.thread, Some(flags)), Ok(WaitStatus::StillAlive))
    }
}

/// For a test that fails meanwhile: a process ends only after its traced threads are released.
impl Drop for Still {
    fn drop(&mut self) {
        let _ = ptrace::detach(self.thread, None);
    }
}

fn asked<T>(what: &str, ask: impl FnOnce() -> Result<T>) -> Result<T> {
    let began = Instant::now();
    let answer = ask()?;
    ensure!(began.elapsed() < ANSWER, "{what} took {:?}", began.elapsed());
    Ok(answer)
}

/// As `GET /v1/ports` has it, which asks no worker.
fn listed(weir: &Weir) -> Result<PortInfo> {
    weir.ports()?.port("v1").cloned().context("no v1")
}

/// The error of a request that weir cannot serve now.
fn unavailable<T: Debug>(answer: Result<T, ClientError>) -> Result<String> {
    match answer {
        Err(ClientError::Refused(Refused { why: StatusCode::SERVICE_UNAVAILABLE, error })) => {
            Ok(error)
        }
        other => bail!("{other:?}"),
    }
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
        let change = || Ok(unavailable(wait(weir.client().patch(&change))));
        let refused = asked("a change", change)??;
        ensure!(refused.contains(&late), "{refused}");
    }
    let stats = || Ok(unavailable(wait(weir.client().stats())));
    let refused = asked("the statistics", stats)??;
    ensure!(refused.contains(&late), "{refused}");
    // Requests that need no worker are answered as usual.
    ensure!(weir.config()? == before, "nothing has changed");
    ensure!(listed(&weir)?.state == State::Up);
    weir.wait_said(&late)?;
    // So does traffic: by the bridge.
    ping_all(&bed)?;

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
    let failed = || listed(&weir).is_ok_and(|port| port.state == State::Failed);
    wait_for(ENDS, "v1 to have failed", failed)?;
    let problem = listed(&weir)?.problem.unwrap_or_default();
    ensure!(problem.contains(&still.core), "{problem}");

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
        let change = json!({"ports": {"v1": {"weight": 7}}});
        std::thread::scope(|scope| {
            scope.spawn(|| weir.patch(&change));
            kill(pid, signal).context("weir is gone")?;
            wait_for(ENDS, "the programs to be detached", || {
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

fn lost(stats: &StatsReport) -> u64 {
    stats.ledger.lost
}

/// A stop too short for the gate to notice: the frames that are not taken are bounded, and every loss
/// has a reason.
#[test]
fn a_weir_that_stands_still_for_a_moment() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let before = weir.assert_ledger()?;
    let to = two.socket(Family::V4, 9);
    let sent = weir.while_stopped(|| {
        Source { rate: Rate::Max, count: 20_000, ..Source::to(to) }.send(&one.ns)
    })?;
    let stats = weir.assert_ledger()?;
    let grown = |of: fn(&PortReport) -> u64| {
        ledger::number(&stats, "v1", of) - ledger::number(&before, "v1", of)
    };
    let held = ledger::port_lost(&stats, "v1", "rx_share");
    let passed = grown(|port| port.passed.frames);
    // On a busy machine that takes longer than half a second.
    ensure!(
        held > 0 && grown(|port| port.rx.frames) + held + passed >= sent.datagrams,
        "{stats:#?}"
    );
    let before = steered(&weir, "v1")?;
    udp_exact(one, two, Family::V4, 300, 200)?;
    ensure!(steered(&weir, "v1")? >= before + 200);
    weir.assert_ledger()?;
    weir.stop()
}

/// A longer stop: frames go by the bridge, and none of those that waited at the worker comes after
/// them.
#[test]
fn a_weir_that_hangs_under_load() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(3).bridge().build()?;
    let weir = start(&bed)?;
    let (one, two, three) = (bed.guest(0)?, bed.guest(1)?, bed.guest(2)?);
    wait_steered(&weir, one, two)?;
    wait_steered(&weir, three, &bed.uplink)?;
    let before = weir.assert_ledger()?;
    let flows = [Flow::start(one, two, 10_000)?, Flow::start(three, &bed.uplink, 3000)?];
    const TIMES: u64 = 4;
    for _ in 0..TIMES {
        // All frames that arrive by then came by the bridge: the worker's are fewer than that.
        weir.while_stopped(|| flows.iter().try_for_each(|flow| flow.comes(5_000)))?;
        // By the worker again.
        let (v1, v3) = (steered(&weir, "v1")?, steered(&weir, "v3")?);
        wait_for(SOON, "frames to be steered again", || {
            steered(&weir, "v1").is_ok_and(|now| now > v1 + 2000)
                && steered(&weir, "v3").is_ok_and(|now| now > v3 + 500)
        })?;
    }
    let mut missing = 0;
    for flow in flows {
        let (sent, received) = flow.end()?;
        ensure!(received.reordered == 0, "{} came late", received.reordered);
        let gap = Duration::from_nanos(received.interarrival.summary().max_ns);
        ensure!(gap < Duration::from_millis(1500), "nothing came for {gap:?}\n{}", weir.said());
        missing += sent - received.unique;
    }
    let stats = weir.assert_ledger()?;
    let lost = lost(&stats) - lost(&before);
    ensure!(missing == lost, "{missing} are missing, and {lost} were lost\n{stats:#?}");
    ensure!(ledger::lost_under(&stats, "stalled") > 0, "{stats:#?}");
    let passed = |stats: &StatsReport| ledger::number(stats, "v1", |port| port.passed.frames);
    ensure!(passed(&stats) >= passed(&before) + TIMES * 4000, "{stats:#?}");
    let said = weir.said();
    ensure!(said.matches("the worker has stood still for").count() as u64 >= TIMES, "{said}");
    weir.stop()
}

/// One worker of two stands still: frames that it would send, and frames to it by the other, go by the
/// bridge, and those that both hold are lost.
#[test]
fn one_worker_of_two_that_hangs_under_load() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(4).bridge().build()?;
    let weir = start_with(&bed, &WeirSpec::bridge().workers(&[0, 1]))?;
    let guests: Vec<_> = bed.guests.iter().collect();
    let pairs = [(0, 1), (1, 2), (2, 0), (3, 1)].map(|(from, to)| (guests[from], guests[to]));
    pairs.iter().try_for_each(|(from, to)| wait_steered(&weir, from, to))?;
    let before = weir.assert_ledger()?;
    let flows = pairs.map(|(from, to)| Flow::start(from, to, 2000));
    let flows = flows.into_iter().collect::<Result<Vec<_>>>()?;
    for _ in 0..2 {
        let still = Still::worker(&weir)?;
        flows.iter().try_for_each(|flow| flow.comes(3000))?;
        still.release()?;
        let froms = pairs.map(|(from, _)| from.port.clone());
        let then: Vec<u64> =
            froms.iter().map(|port| steered(&weir, port)).collect::<Result<_>>()?;
        wait_for(SOON, "frames to be steered again", || {
            let more = |(port, then): (&String, &u64)| {
                steered(&weir, port).is_ok_and(|now| now > then + 500)
            };
            froms.iter().zip(&then).all(more)
        })?;
    }
    let mut missing = 0;
    for flow in flows {
        let (sent, received) = flow.end()?;
        ensure!(received.reordered == 0, "{} came late", received.reordered);
        missing += sent - received.unique;
    }
    let stats = weir.assert_ledger()?;
    let lost = lost(&stats) - lost(&before);
    ensure!(missing == lost, "{missing} are missing, and {lost} were lost\n{stats:#?}");
    ensure!(ledger::lost_under(&stats, "stalled") > 0, "{stats:#?}");
    weir.stop()
}

/// If the port says so, frames to be scheduled are dropped under a reason, and a hung weir offers no
/// way around that.
#[test]
fn a_weir_that_hangs_and_a_port_that_then_drops() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = start_with(&bed, &WeirSpec::default().port("v1", "fallback = \"drop\""))?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    wait_steered(&weir, one, two)?;
    let before = weir.assert_ledger()?;
    let flow = Flow::start(one, two, 2000)?;
    weir.while_stopped(|| {
        let sent = flow.sent();
        wait_for(SOON, "two seconds of it", || flow.sent() > sent + 4000)
    })?;
    flow.comes(500)?;
    let (sent, received) = flow.end()?;
    ensure!(received.reordered == 0, "{} came late", received.reordered);
    let stats = weir.assert_ledger()?;
    let lost = lost(&stats) - lost(&before);
    ensure!(sent - received.unique == lost, "{lost} were lost\n{stats:#?}");
    ensure!(ledger::port_lost(&stats, "v1", "fallback_drop") > 2000, "{stats:#?}");
    let passed = |stats: &StatsReport| ledger::number(stats, "v1", |port| port.passed.frames);
    ensure!(passed(&stats) < passed(&before) + 100, "it went by the bridge\n{stats:#?}");
    weir.stop()
}
