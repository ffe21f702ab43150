//! Processor time. Invariant: busy is the time that is not idle, so it includes soft interrupts, in which
//! forwarding happens.
//!
//! The kernel times idleness exactly, but samples everything else at its ticks, which never see work that a
//! timer begins and that is done before the next tick.

use std::time::{Duration, Instant};

use anyhow::Result;
use procfs::{CurrentSI, KernelStats};
use system_tests::Weir;
use system_tests::cpu::process_time;

/// Processor time up to one instant.
#[derive(Clone, Debug)]
pub(crate) struct Cpu {
    pub(crate) at: Instant,
    cores: Vec<Core>,
    /// The time of weir's process, if there is one.
    pub(crate) process: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Core {
    /// Idle, waiting for a disk, or taken by other machines on the same host.
    away: Duration,
    soft: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Spent {
    pub(crate) busy: Duration,
    /// In soft interrupts of any context, as far as ticks saw them.
    pub(crate) soft: Duration,
}

impl Cpu {
    pub(crate) fn now(weir: Option<&Weir>) -> Result<Self> {
        let process = weir.map(|weir| process_time(weir.pid())).transpose()?;
        let cores = KernelStats::current()?.cpu_time.into_iter().map(|core| {
            let others = [core.iowait_duration(), core.steal_duration()].into_iter().flatten();
            let away = core.idle_duration() + others.sum::<Duration>();
            Core { away, soft: core.softirq_duration().unwrap_or_default() }
        });
        Ok(Self { at: Instant::now(), cores: cores.collect(), process })
    }

    /// What each core spent since `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Vec<Spent> {
        let time = self.at.duration_since(earlier.at);
        let spent = |(now, then): (&Core, &Core)| Spent {
            busy: time.saturating_sub(now.away.saturating_sub(then.away)),
            soft: now.soft.saturating_sub(then.soft),
        };
        self.cores.iter().zip(&earlier.cores).map(spent).collect()
    }
}

#[cfg(test)]
mod tests;
