//! Counts what the kernel does for everybody, and for one process, by programs at its trace points.
//!
//! Invariant: nothing is recorded but numbers; an event costs whoever causes it some tens of
//! nanoseconds while a counter lives, and nothing before and after.

use std::io;

use weir_probe::program::{PerCpu, Program};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// By the process that calls.
    SystemCall,
    /// By the process that wakes another, or that an interrupt came upon.
    WakeUp,
}

impl Event {
    fn trace_point(self) -> &'static str {
        match self {
            Self::SystemCall => "sys_enter",
            Self::WakeUp => "sched_wakeup",
        }
    }
}

/// How often it has happened since the counter was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    pub everybody: u64,
    pub process: u64,
}

/// Counts while it lives.
#[derive(Debug)]
pub struct EventCounter {
    counts: PerCpu<2>,
    _program: Program,
}

impl EventCounter {
    /// `process` as the kernel numbers it: as in /proc, unless that is a container's.
    pub fn start(event: Event, process: u32) -> io::Result<Self> {
        let mut program = Program::load("event", &[("PROCESS", &[process])])?;
        program.attach_to_trace_point(event.trace_point())?;
        Ok(Self { counts: program.per_cpu("EVENTS")?, _program: program })
    }

    pub fn read(&self) -> io::Result<Seen> {
        let [everybody, process] = self.counts.sums(0)?;
        Ok(Seen { everybody, process })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `None` where this user may not load programs.
    fn counter(process: u32) -> Option<EventCounter> {
        match EventCounter::start(Event::SystemCall, process) {
            Ok(counter) => Some(counter),
            Err(error) => {
                eprintln!("SKIPPED: system calls cannot be counted here: {error}");
                None
            }
        }
    }

    #[test]
    fn own_system_calls_are_counted_for_this_process_and_for_everybody() {
        let Some(counter) = counter(std::process::id()) else { return };
        let before = counter.read().unwrap();
        for _ in 0..1000 {
            let _ = rustix::process::getppid();
        }
        let after = counter.read().unwrap();
        assert!(after.process >= before.process + 1000, "{before:?} {after:?}");
        assert!(after.everybody - before.everybody >= after.process - before.process);
    }

    #[test]
    fn others_system_calls_are_not_this_process() {
        // No process has this number.
        let Some(counter) = counter(i32::MAX as u32) else { return };
        let _ = rustix::process::getppid();
        let seen = counter.read().unwrap();
        assert!(seen.everybody > 0 && seen.process == 0, "{seen:?}");
    }
}
