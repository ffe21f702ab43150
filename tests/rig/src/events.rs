//! Counts the kernel's events for all processes, or for one of them, by programs at its trace points.
//!
//! Invariant: only numbers are recorded. While a counter lives, an event costs the process that causes
//! it some tens of nanoseconds; before and after, nothing.

use std::io;

use weir_probe::program::{PerCpu, Program};

/// By the calling process.
pub const SYSTEM_CALL: &str = "sys_enter";
/// By the process that wakes another, or that an interrupt hits.
pub const WAKE_UP: &str = "sched_wakeup";

/// The number of events since the counter was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub all: u64,
    pub process: u64,
}

/// Counts while it lives.
#[derive(Debug)]
pub struct EventCounter {
    counts: PerCpu<2>,
    _program: Program,
}

impl EventCounter {
    /// At a trace point. `process` is the kernel's number: the one in /proc, unless that is a
    /// container's.
    pub fn start(event: &str, process: u32) -> io::Result<Self> {
        let mut program = Program::load("event", &[("PROCESS", &[process])])?;
        program.attach_to_trace_point(event)?;
        Ok(Self { counts: program.per_cpu("EVENTS")?, _program: program })
    }

    pub fn read(&self) -> io::Result<Seen> {
        let [all, process] = self.counts.sums(0)?;
        Ok(Seen { all, process })
    }
}

#[cfg(test)]
mod tests;
