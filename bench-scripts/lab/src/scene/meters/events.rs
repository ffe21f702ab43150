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
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use weir_rig::events::{Event, EventCounter};
use weir_rig::hardware::{HardwareCounter, Quantity, Whose};

use crate::stage::Stage;

const HARDWARE: [(&str, Quantity); 5] = [
    ("cycles", Quantity::CYCLES),
    ("instructions", Quantity::INSTRUCTIONS),
    ("cache_misses", Quantity::CACHE_MISSES),
    ("dtlb_misses", Quantity::DTLB_MISSES),
    ("itlb_misses", Quantity::ITLB_MISSES),
];
/// The value of /proc/self/ns/pid if processes have the kernel's own numbers.
const FIRST_PIDS: &str = "pid:[4026531836]";

#[derive(Debug)]
pub(crate) struct Events {
    /// weir's process; `None` if the kernel forwards.
    process: Option<u32>,
    calls: Option<EventCounter>,
    wake_ups: Option<EventCounter>,
    /// One for each thread or core.
    hardware: Vec<(&'static str, Vec<HardwareCounter>)>,
    /// By thread, including ended ones, whose switches stay in the sum.
    switches: Mutex<BTreeMap<u32, Switches>>,
}

/// All counters at one instant, by name.
pub(crate) type Reading = BTreeMap<&'static str, u64>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Switches {
    voluntary: u64,
    involuntary: u64,
}

impl Events {
    /// Begins to count; returns sentences about quantities that cannot be counted here.
    pub(crate) fn start(stage: &Stage) -> Result<(Self, Vec<String>)> {
        Self::of(stage.weir().map(system_tests::Weir::pid))
    }

    fn of(process: Option<u32>) -> Result<(Self, Vec<String>)> {
        let mut notes = Vec::new();
        let mut counter = |event, what: &str| {
            let started = EventCounter::start(event, process.unwrap_or(0));
            started.map_err(|error| notes.push(format!("{what} are not counted: {error}"))).ok()
        };
        let mut calls = counter(Event::SystemCall, "system calls");
        let wake_ups = counter(Event::WakeUp, "the machine's wake-ups");
        if process.is_some() && calls.is_some() && !pids_are_the_kernels() {
            calls = None;
            notes.push(
                "system calls are not counted: inside a container processes have other \
                        numbers than the kernel knows"
                    .to_owned(),
            );
        }
        let whose = match process {
            Some(process) => threads(process)?.into_iter().map(Whose::Thread).collect(),
            None => (0..cores()?).map(Whose::Core).collect::<Vec<_>>(),
        };
        let mut missing = Vec::new();
        let mut hardware = Vec::new();
        for (name, quantity) in HARDWARE {
            let start = |whose: &Whose| HardwareCounter::start(quantity, *whose);
            match whose.iter().map(start).collect() {
                Ok(counters) => hardware.push((name, counters)),
                Err(_) => missing.push(name),
            }
        }
        notes.extend(not_counted(&missing));
        Ok((Self { process, calls, wake_ups, hardware, switches: Mutex::default() }, notes))
    }

    pub(crate) fn read(&self) -> Result<Reading> {
        let mut reading = Reading::new();
        let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        let machine = switches_of_machine(&stat).context("/proc/stat has no ctxt")?;
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
            let own = self.switches_of(process)?;
            reading.insert("switches", own.voluntary + own.involuntary);
            reading.insert("wakeups", own.voluntary);
        }
        for (name, counters) in &self.hardware {
            let values = counters.iter().map(HardwareCounter::read);
            let sum: u64 = values.sum::<std::io::Result<u64>>().context("a hardware counter")?;
            reading.insert(name, sum);
        }
        Ok(reading)
    }

    fn switches_of(&self, process: u32) -> Result<Switches> {
        let mut known = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads(process)? {
            // The thread may have ended meanwhile.
            let status = fs::read_to_string(format!("/proc/{process}/task/{thread}/status"));
            if let Some(now) = status.ok().and_then(|status| switches_of_thread(&status)) {
                known.insert(thread, now);
            }
        }
        let mut sum = Switches::default();
        for thread in known.values() {
            sum.voluntary += thread.voluntary;
            sum.involuntary += thread.involuntary;
        }
        Ok(sum)
    }
}

fn threads(process: u32) -> Result<Vec<u32>> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).context("the process is gone")?;
    Ok(tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect())
}

fn cores() -> Result<u32> {
    Ok(u32::try_from(std::thread::available_parallelism()?.get())?)
}

fn pids_are_the_kernels() -> bool {
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.to_str() == Some(FIRST_PIDS))
}

/// Parses /proc/<pid>/task/<tid>/status.
fn switches_of_thread(status: &str) -> Option<Switches> {
    let number = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some(Switches {
        voluntary: number("voluntary_ctxt_switches:")?,
        involuntary: number("nonvoluntary_ctxt_switches:")?,
    })
}

/// Parses /proc/stat.
fn switches_of_machine(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("ctxt "))?.trim().parse().ok()
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
