//! Processor time: of the machine by core, and of one process or thread; and a process' other
//! resources.
//!
//! Invariant: busy is everything but idle and iowait; it includes soft interrupts, in which forwarding
//! happens.

use anyhow::{Context, Result};
use std::fmt;
use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The kernel's unit in /proc/stat; 100 on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// The time of each core up to one instant.
///
/// Busy is the time that is not idle. The kernel times idleness exactly, but samples everything else at
/// its ticks, which never see work that a timer begins and that is done before the next tick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Busy {
    at: Instant,
    cores: Vec<Core>,
}

/// In ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Core {
    /// Idle, waiting for a disk, or taken by other machines on the same host.
    away: u64,
    soft: u64,
}

impl Busy {
    pub fn now() -> Result<Self> {
        let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
        Ok(Self { at: Instant::now(), cores: parse(&text) })
    }

    /// Busy time of all cores since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        (0..self.cores.len()).map(|core| self.core_since(earlier, core)).sum()
    }

    /// Busy time of one core since `earlier`.
    #[must_use]
    pub fn core_since(&self, earlier: &Self, core: usize) -> Duration {
        if core >= self.cores.len() {
            return Duration::ZERO;
        }
        let away = self.ticks_since(earlier, core, |core| core.away);
        self.at.saturating_duration_since(earlier.at).saturating_sub(away)
    }

    /// The part of it in soft interrupts of any context, as far as ticks saw them.
    #[must_use]
    pub fn soft_since(&self, earlier: &Self, core: usize) -> Duration {
        self.ticks_since(earlier, core, |core| core.soft)
    }

    fn ticks_since(&self, earlier: &Self, core: usize, of: impl Fn(&Core) -> u64) -> Duration {
        let at = |busy: &Self| busy.cores.get(core).map_or(0, &of);
        TICK * u32::try_from(at(self).saturating_sub(at(earlier))).unwrap_or(u32::MAX)
    }
}

fn parse(text: &str) -> Vec<Core> {
    text.lines()
        .filter(|line| line.starts_with("cpu") && !line.starts_with("cpu "))
        .map(|line| {
            let n: Vec<u64> =
                line.split_whitespace().skip(1).filter_map(|w| w.parse().ok()).collect();
            // user nice system idle iowait irq softirq steal …
            let of = |columns: &[usize]| columns.iter().filter_map(|i| n.get(*i)).sum();
            Core { away: of(&[3, 4, 7]), soft: of(&[6]) }
        })
        .collect()
}

/// User and system time of a process, all its threads.
pub fn process(pid: u32) -> Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).context("the process is gone")?;
    // The name may hold blanks and parentheses: fields are counted from the last parenthesis on.
    let (_, rest) = text.rsplit_once(')').context("/proc/<pid>/stat")?;
    let fields: Vec<u64> = rest.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    let ticks = fields.get(11).copied().unwrap_or(0) + fields.get(12).copied().unwrap_or(0);
    Ok(TICK * u32::try_from(ticks).unwrap_or(u32::MAX))
}

/// The same to the nanosecond, as long as the process has not been reaped.
pub fn process_exact(pid: u32) -> Result<Duration> {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid)?);
    let time = nix::time::clock_getcpuclockid(pid)?.now()?;
    Ok(Duration::from(time))
}

/// A thread's time, for other threads to read, even after its end.
#[derive(Debug, Default)]
pub struct ThreadTime {
    thread: AtomicI32,
    /// In nanoseconds; 0 as long as it runs.
    whole: AtomicU64,
}

impl ThreadTime {
    /// Attaches it to the calling thread.
    pub fn begin(&self) {
        self.thread.store(this_thread(), Ordering::Relaxed);
    }

    /// Records the calling thread's time at its end.
    pub fn end(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let ns = now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec);
        self.whole.store(u64::try_from(ns).unwrap_or(0), Ordering::Relaxed);
    }

    /// The time as of its last tick; 0 before it began.
    #[must_use]
    pub fn so_far(&self) -> Duration {
        let running = || {
            let thread = self.thread.load(Ordering::Relaxed);
            let text = fs::read_to_string(format!("/proc/self/task/{thread}/schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok()
        };
        let whole = || Some(self.whole.load(Ordering::Relaxed)).filter(|ns| *ns > 0);
        // The thread may end between the two readings.
        Duration::from_nanos(whole().or_else(running).or_else(whole).unwrap_or(0))
    }
}

/// Resident memory of a process, in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    Ok(status(pid, "VmRSS:")? * 1024)
}

fn status(pid: u32, name: &str) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).context("the process is gone")?;
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.with_context(|| format!("/proc/<pid>/status has no {name}"))?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
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
        let files = fs::read_dir(format!("/proc/{pid}/fd")).context("the process is gone")?;
        Ok(Self {
            resident: resident(pid)?,
            files: files.count() as u64,
            threads: status(pid, "Threads:")?,
        })
    }
}

/// The time of all threads of a process, without those that have ended.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")?;
    let mut sum = 0;
    for task in tasks.flatten() {
        // The fields: nanoseconds on a core, nanoseconds waiting for one, and how often.
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let ran = text.split_whitespace().next().and_then(|ns| ns.parse::<u64>().ok());
        sum += ran.unwrap_or(0);
    }
    Ok(Duration::from_nanos(sum))
}

impl fmt::Display for Footprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, files, threads } = self;
        write!(f, "{} KiB resident, {files} files, {threads} threads", resident >> 10)
    }
}

/// Whether every thread of a process has been stopped by a signal.
pub fn is_stopped(pid: u32) -> Result<bool> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")?;
    let stopped = |task: fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    };
    Ok(tasks.flatten().all(stopped))
}

/// Binds the calling thread to one core; a machine that lacks it is left alone.
pub fn pin(core: usize) {
    let mut set = nix::sched::CpuSet::new();
    if set.set(core).is_ok() {
        let _ = nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &set);
    }
}

/// Binds another thread to one core.
pub fn pin_other(thread: i32, core: usize) -> Result<()> {
    let mut set = nix::sched::CpuSet::new();
    set.set(core)?;
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(thread), &set)?)
}

#[must_use]
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
