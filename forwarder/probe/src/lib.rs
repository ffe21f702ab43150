//! Test traffic: sent open-loop, counted, reflected; it needs no running weir.
//!
//! - [`rate`], [`sizes`]: what is sent when; [`wire`]: the datagrams' content
//! - [`sequence`], [`timing`], [`book`], [`trips`]: arrivals, their order and their times
//! - [`report`]: the JSON
//! - [`send`], [`sink`]: the two ends; [`socket`]: their sockets, and batches of datagrams with their times
//! - [`raw`]: frames past the kernel's stack, at line rate; [`program`]: the small programs that send and
//!   count them in the kernel
//!
//! Invariant: arithmetic and accounting know no clock and no socket; the times are arguments.

pub mod book;
pub mod program;
pub mod rate;
pub mod raw;
pub mod report;
pub mod send;
pub mod sequence;
pub mod sink;
pub mod sizes;
pub mod socket;
pub mod timing;
pub mod trips;
pub mod wire;

use std::io;
use std::time::Duration;

/// Why a probe could not run. Errors during a run are in its report.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{0}")]
    Refused(String),
}

impl ProbeError {
    pub fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// `u64::MAX` for times that are longer.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
