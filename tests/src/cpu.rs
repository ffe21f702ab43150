//! Processor time of one process or thread, their cores and priorities; and a process' other resources.

use anyhow::{Context, Result};
use procfs::process::{Process, Task};
use std::fmt;
use std::process::Command;
use std::time::Duration;

/// User and system time of a process, all its threads, as long as it has not been reaped.
pub fn process_time(pid: u32) -> Result<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
    let time = nix::time::clock_getcpuclockid(pid)?.now()?;
    Ok(Duration::from(time))
}

/// Nanoseconds that a thread of this process was on a core; `None` once it has ended.
pub(crate) fn ran(thread: i32) -> Option<u64> {
    let thread = Process::myself().ok()?.task_from_tid(thread).ok()?;
    Some(thread.schedstat().ok()?.sum_exec_runtime)
}

/// A process' resources that would grow with a leak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of memory.
    pub resident: u64,
    /// Open file descriptors.
    pub files: u64,
    pub threads: u64,
}

impl Footprint {
    pub fn of(pid: u32) -> Result<Self> {
        let process = process(pid)?;
        let status = process.status()?;
        Ok(Self {
            resident: status.vmrss.context("no memory is resident")? * 1024,
            files: process.fd_count()? as u64,
            threads: status.threads,
        })
    }
}

/// The threads of a process.
pub fn threads(pid: u32) -> Result<impl Iterator<Item = Task>> {
    Ok(process(pid)?.tasks().context("the process is gone")?.flatten())
}

fn process(pid: u32) -> Result<Process> {
    Process::new(i32::try_from(pid)?).context("the process is gone")
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, files, threads } = self;
        write!(f, "{} KiB resident, {files} files, {threads} threads", resident >> 10)
    }
}

/// Whether every thread of a process has been stopped by a signal.
pub fn is_stopped(pid: u32) -> Result<bool> {
    Ok(threads(pid)?.all(|thread| thread.stat().is_ok_and(|stat| stat.state == 'T')))
}

/// Binds the calling thread to one core; a machine that lacks it is left alone.
pub fn pin(core: usize) {
    let _ = pin_other(0, core);
}

/// Binds another thread to one core.
pub fn pin_other(thread: i32, core: usize) -> Result<()> {
    let mut set = nix::sched::CpuSet::new();
    set.set(core)?;
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(thread), &set)?)
}

pub fn this_thread() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// Lets a thread run ahead of everything with a lower real-time priority, or none.
pub fn urgent(thread: i32, priority: u8) -> Result<()> {
    let (priority, thread) = (priority.to_string(), thread.to_string());
    crate::ns::output(Command::new("chrt").args(["--fifo", "--pid", &priority, &thread])).map(drop)
}

#[cfg(test)]
mod tests;
