//! How long the control side waits for a worker.
//!
//! Invariant: no wait for a worker's answer is longer than [`ANSWER_WITHIN`]. While an answer is overdue,
//! further requests wait at most [`NEXT_WITHIN`]. So a stalled worker costs a caller that asks several times,
//! or for many ports, one long wait only. A command whose wait has ended is not carried out either.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::command::COMMANDS;

/// A running worker answers between two turns, within milliseconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Enough for a worker that runs again: taking a port away lasts 20 ms.
pub(super) const NEXT_WITHIN: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Its thread has ended.
    #[error("the worker has stopped")]
    Ended,
    #[error("the worker on core {core} has not answered for {:.1} s", .waited.as_secs_f32())]
    Late { core: usize, waited: Duration },
    #[error("the worker on core {core} has {COMMANDS} commands waiting, and takes no more")]
    Full { core: usize },
}

/// The state shared by all callers of one worker.
#[derive(Clone, Debug)]
pub(super) struct AnswerTimeout {
    core: usize,
    began: Instant,
    /// Since when an answer is overdue, in nanoseconds after `began`; 0: none is.
    owes_since_ns: Arc<AtomicU64>,
}

impl AnswerTimeout {
    pub(super) fn with(core: usize) -> Self {
        Self { core, began: Instant::now(), owes_since_ns: Arc::default() }
    }

    pub(super) fn core(&self) -> usize {
        self.core
    }

    /// Returns `Late` if the last answer was overdue and none has arrived since.
    fn check(&self) -> Result<(), NoAnswer> {
        match self.owes_since_ns.load(Ordering::Relaxed) {
            0 => Ok(()),
            since_ns => Err(self.late(since_ns)),
        }
    }

    pub(super) async fn wait<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, NoAnswer> {
        let asked_ns = self.now_ns();
        let within = if self.check().is_ok() { ANSWER_WITHIN } else { NEXT_WITHIN };
        match timeout(within, answer).await {
            Ok(answer) => {
                self.owes_since_ns.store(0, Ordering::Relaxed);
                answer.map_err(|_| NoAnswer::Ended)
            }
            Err(_) => {
                // The first caller has waited the longest.
                let (new, relaxed) = (asked_ns.max(1), Ordering::Relaxed);
                let first = self.owes_since_ns.compare_exchange(0, new, relaxed, relaxed);
                Err(self.late(first.err().unwrap_or(new)))
            }
        }
    }

    fn late(&self, since_ns: u64) -> NoAnswer {
        let waited = Duration::from_nanos(self.now_ns().saturating_sub(since_ns));
        NoAnswer::Late { core: self.core, waited }
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests;
