//! Who took how much processor time. Invariant: a sender's own time is what it takes to hand its
//! packets to its interface; what is forwarded in its soft interrupts is not its own.

use std::time::Instant;

use anyhow::Result;
use system_tests::cpu::Busy;

use crate::stage::{SENDERS, WORKER};

#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    busy: Busy,
}

/// Seconds of processor time in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spent {
    pub(crate) seconds: f64,
    pub(crate) total: f64,
    pub(crate) worker: f64,
    /// What programs had of the senders' core. Most kernels count a soft interrupt as time of the
    /// program that it interrupts: senders cannot have had more of their own than this.
    pub(crate) programs: f64,
}

impl Reading {
    pub(crate) fn now() -> Result<Self> {
        Ok(Self { at: Instant::now(), busy: Busy::now()? })
    }
}

pub(crate) fn spent(from: &Reading, to: &Reading) -> Spent {
    let busy = to.busy.core_since(&from.busy, SENDERS);
    let soft = to.busy.soft_since(&from.busy, SENDERS);
    Spent {
        seconds: to.at.duration_since(from.at).as_secs_f64(),
        total: to.busy.since(&from.busy).as_secs_f64(),
        worker: to.busy.core_since(&from.busy, WORKER).as_secs_f64(),
        programs: busy.saturating_sub(soft).as_secs_f64(),
    }
}
