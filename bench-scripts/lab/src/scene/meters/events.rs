//! System calls, context switches, wake-ups and hardware counters of the forwarding process, or of the
//! whole machine if the kernel forwards.
//!
//! A machine's numbers include those of the senders and receivers, so a process's cannot be compared
//! with them. Therefore every peer has them, as `machine_syscalls` and so on, and a process's own
//! numbers come in addition. A process's wake-ups are its voluntary switches: each of them is a sleep,
//! and each sleep ends with one.
//!
//! System calls and the machine's wake-ups are counted by programs at the kernel's trace points, for
//! as long as [`Events`] lives; that makes every system call some tens of nanoseconds longer, the
//! senders' as well, under every peer alike. All other counters cost nothing until they are
//! read.
//!
//! Invariant: a quantity that this machine does not count is absent, and reported once.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use perf_event::events::{Cache, CacheId, CacheOp, CacheResult, Event as Quantity, Hardware};
use perf_event::{Builder, Counter};
use procfs::{CurrentSI, KernelStats};
use system_tests::Weir;
use system_tests::cpu::threads;
use weir_rig::events::{EventCounter, SYSTEM_CALL, WAKE_UP};

use crate::stage::Stage;

const HARDWARE: [&str; 5] =
    ["cycles", "instructions", "cache_misses", "dtlb_misses", "itlb_misses"];
/// The value of /proc/self/ns/pid if processes have the kernel's own numbers.
const FIRST_PIDS: &str = "pid:[4026531836]";

#[derive(Debug)]
pub(crate) struct Events {
    /// weir's process; `None` if the kernel forwards.
    process: Option<u32>,
    calls: Option<EventCounter>,
    wake_ups: Option<EventCounter>,
    /// One for each thread or core.
    hardware: Vec<(&'static str, Vec<Counter>)>,
    /// Voluntary and other switches by thread, including ended ones, whose switches stay in the sum.
    switches: BTreeMap<i32, [u64; 2]>,
}

/// All counters at one instant, by name.
pub(crate) type Reading = BTreeMap<&'static str, u64>;

impl Events {
    /// Begins to count; returns sentences about quantities that cannot be counted here.
    pub(crate) fn start(stage: &Stage) -> Result<(Self, Vec<String>)> {
        Self::of(stage.weir.as_ref().map(Weir::pid))
    }

    fn of(process: Option<u32>) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        let mut counter = |event, what: &str| {
            let started = EventCounter::start(event, process.unwrap_or(0));
            started.map_err(|error| notes.push(format!("{what} are not counted: {error}"))).ok()
        };
        let mut calls = counter(SYSTEM_CALL, "system calls");
        let wake_ups = counter(WAKE_UP, "the machine's wake-ups");
        if process.is_some() && calls.is_some() && !pids_are_the_kernels() {
            calls = None;
            notes.push(
                "system calls are not counted: inside a container processes have other \
                        numbers than the kernel knows"
                    .to_owned(),
            );
        }
        let mut missing = Vec::new();
        let mut hardware = Vec::new();
        let all = [
            counters(Hardware::CPU_CYCLES, process),
            counters(Hardware::INSTRUCTIONS, process),
            counters(Hardware::CACHE_MISSES, process),
            counters(read_misses(CacheId::DTLB), process),
            counters(read_misses(CacheId::ITLB), process),
        ];
        for (name, counters) in HARDWARE.into_iter().zip(all) {
            match counters {
                Ok(counters) => hardware.push((name, counters)),
                Err(_) => missing.push(name),
            }
        }
        notes.extend(not_counted(&missing));
        Ok((Self { process, calls, wake_ups, hardware, switches: BTreeMap::new() }, notes))
    }

    pub(crate) fn read(&mut self) -> Result<Reading> {
        let mut reading = Reading::new();
        let machine = KernelStats::current()?.ctxt;
        reading.insert("machine_switches", machine);
        if let Some(calls) = &self.calls {
            let seen = calls.read().context("the counter of system calls")?;
            reading.insert("machine_syscalls", seen.all);
            let own = if self.process.is_some() { seen.process } else { seen.all };
            reading.insert("syscalls", own);
        }
        if let Some(wake_ups) = &self.wake_ups {
            let seen = wake_ups.read().context("the counter of wake-ups")?.all;
            reading.insert("machine_wakeups", seen);
            reading.insert("wakeups", seen);
        }
        reading.insert("switches", machine);
        if let Some(process) = self.process {
            for thread in threads(process)? {
                // The thread may have ended meanwhile.
                let Ok(status) = thread.status() else { continue };
                let both = [status.voluntary_ctxt_switches, status.nonvoluntary_ctxt_switches];
                self.switches.insert(thread.tid, both.map(Option::unwrap_or_default));
            }
            let voluntary = self.switches.values().map(|[voluntary, _]| voluntary).sum();
            reading.insert("switches", self.switches.values().flatten().sum());
            reading.insert("wakeups", voluntary);
        }
        for (name, counters) in &mut self.hardware {
            let values = counters.iter_mut().map(scaled);
            let sum: u64 = values.sum::<std::io::Result<u64>>().context("a hardware counter")?;
            reading.insert(name, sum);
        }
        Ok(reading)
    }
}

fn read_misses(which: CacheId) -> Cache {
    Cache { which, operation: CacheOp::READ, result: CacheResult::MISS }
}

/// Counters of all threads of a process, and of those they start from now on; or of all cores. An error
/// if the processor does not count this.
fn counters(quantity: impl Quantity, process: Option<u32>) -> Result<Vec<Counter>> {
    let mut builder = Builder::new(quantity);
    builder.exclude_kernel(false).exclude_hv(false).enabled(true);
    if let Some(process) = process {
        builder.any_cpu().inherit(true);
        threads(process)?.map(|thread| Ok(builder.observe_pid(thread.tid).build()?)).collect()
    } else {
        builder.any_pid();
        let cores = std::thread::available_parallelism()?.get();
        (0..cores).map(|core| Ok(builder.one_cpu(core).build()?)).collect()
    }
}

/// A counter that had to share the processor's registers is scaled up to the whole time.
fn scaled(counter: &mut Counter) -> std::io::Result<u64> {
    let read = counter.read_count_and_time()?;
    let whole = u128::from(read.count) * u128::from(read.time_enabled);
    Ok(u64::try_from(whole / u128::from(read.time_running.max(1))).unwrap_or(u64::MAX))
}

fn pids_are_the_kernels() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.to_str() == Some(FIRST_PIDS))
}

/// One sentence for everything that the processor does not count.
fn not_counted(missing: &[&str]) -> Option<String> {
    let all = missing.len() == HARDWARE.len();
    let which = if all { String::new() } else { format!(" for {}", missing.join(", ")) };
    let note = format!(
        "this machine shows no hardware counters{which}: what they would count is left out"
    );
    (!missing.is_empty()).then_some(note)
}

#[cfg(test)]
mod tests;
