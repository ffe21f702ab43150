//! How long the control side waits for a worker.
//!
//! Invariant: no wait for a worker's answer is longer than [`ANSWER_WITHIN`]. While an answer is overdue,
//! further requests wait at most [`NEXT_WITHIN`]. So a stalled worker costs a caller that asks several times,
//! or for many ports, one long wait only. A command whose wait has ended is not carried out either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::handle::COMMANDS;

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
    pub(super) core: usize,
    /// When the request was made whose answer is overdue.
    overdue: Arc<Mutex<Option<Instant>>>,
}

impl AnswerTimeout {
    pub(super) fn with(core: usize) -> Self {
        Self { core, overdue: Arc::default() }
    }

    pub(super) async fn wait<T>(&self, answer: oneshot::Receiver<T>) -> Result<T, NoAnswer> {
        let asked = Instant::now();
        let within = if self.overdue().is_none() { ANSWER_WITHIN } else { NEXT_WITHIN };
        match timeout(within, answer).await {
            Ok(answer) => {
                *self.overdue() = None;
                answer.map_err(|_| NoAnswer::Ended)
            }
            Err(_) => {
                // The first caller has waited the longest.
                let since = *self.overdue().get_or_insert(asked);
                Err(NoAnswer::Late { core: self.core, waited: since.elapsed() })
            }
        }
    }

    fn overdue(&self) -> MutexGuard<'_, Option<Instant>> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
