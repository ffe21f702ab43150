//! Processor time by user. Invariant: a sender's own time is the time for handing its packets to its
//! interface; forwarding in its soft interrupts does not count.

use std::time::{Duration, Instant};

use anyhow::Result;
use procfs::{CurrentSI, KernelStats};
use system_tests::cpu::process_time;

use crate::stage::{SENDERS, WORKER};

#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    cores: Vec<Core>,
    /// The time of weir's process.
    process: Option<Duration>,
}

/// Busy is the time that is not idle: so it includes soft interrupts, in which forwarding happens. The
/// kernel times idleness exactly, but samples everything else at its ticks, which never see work that a
/// timer begins and that is done before the next tick.
#[derive(Clone, Copy, Debug, Default)]
struct Core {
    /// Idle, waiting for a disk, or taken by other machines on the same host.
    away: Duration,
    /// In soft interrupts of any context, as far as ticks saw them.
    soft: Duration,
}

/// Seconds of processor time in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) total: f64,
    pub(crate) worker: f64,
    /// The time of weir's process, if there is one.
    pub(crate) process: Option<f64>,
    /// The programs' time on the senders' core. Most kernels count a soft interrupt as time of the
    /// interrupted program: so this is an upper bound of the senders' own.
    pub(crate) programs: f64,
}

impl Reading {
    pub(crate) fn now(weir: Option<u32>) -> Result<Self> {
        let process = weir.map(process_time).transpose()?;
        let cores = KernelStats::current()?.cpu_time.into_iter().map(|core| {
            let others = [core.iowait_duration(), core.steal_duration()].into_iter().flatten();
            let away = core.idle_duration() + others.sum::<Duration>();
            Core { away, soft: core.softirq_duration().unwrap_or_default() }
        });
        Ok(Self { at: Instant::now(), cores: cores.collect(), process })
    }
}

pub(crate) fn spent(from: &Reading, to: &Reading) -> Spent {
    let time = to.at.duration_since(from.at);
    let both = |(now, then): (&Core, &Core)| {
        let busy = time.saturating_sub(now.away.saturating_sub(then.away));
        (busy, now.soft.saturating_sub(then.soft))
    };
    let cores: Vec<_> = to.cores.iter().zip(&from.cores).map(both).collect();
    let core = |core: usize| cores.get(core).copied().unwrap_or_default();
    let (busy, soft) = core(SENDERS);
    let process = to.process.zip(from.process).map(|(now, then)| now.saturating_sub(then));
    Spent {
        seconds: time.as_secs_f64(),
        total: cores.iter().map(|(busy, _)| *busy).sum::<Duration>().as_secs_f64(),
        worker: core(WORKER).0.as_secs_f64(),
        process: process.map(|time| time.as_secs_f64()),
        programs: busy.saturating_sub(soft).as_secs_f64(),
    }
}

#[cfg(test)]
mod tests;
