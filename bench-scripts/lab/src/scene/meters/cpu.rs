//! Processor time by user. Invariant: a sender's own time is the time for handing its packets to its
//! interface; forwarding in its soft interrupts does not count.

use std::time::{Duration, Instant};

use anyhow::Result;
use system_tests::cpu::{Busy, process_time};

use crate::stage::{SENDERS, WORKER};

#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    busy: Busy,
    /// The time of weir's process.
    process: Option<Duration>,
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
        Ok(Self { at: Instant::now(), busy: Busy::now()?, process })
    }
}

pub(crate) fn spent(from: &Reading, to: &Reading) -> Spent {
    let busy = to.busy.core_since(&from.busy, SENDERS);
    let soft = to.busy.soft_since(&from.busy, SENDERS);
    let process = to.process.zip(from.process).map(|(now, then)| now.saturating_sub(then));
    Spent {
        seconds: to.at.duration_since(from.at).as_secs_f64(),
        total: to.busy.since(&from.busy).as_secs_f64(),
        worker: to.busy.core_since(&from.busy, WORKER).as_secs_f64(),
        process: process.map(|time| time.as_secs_f64()),
        programs: busy.saturating_sub(soft).as_secs_f64(),
    }
}
