//! The word that all threads of a traffic are to end. Invariant: whoever waits hears it at once.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Clones mean the same word.
#[derive(Clone, Debug, Default)]
pub(super) struct Halt {
    said: Arc<(Mutex<bool>, Condvar)>,
}

impl Halt {
    pub(super) fn say(&self) {
        let (said, waiting) = &*self.said;
        *said.lock().unwrap_or_else(PoisonError::into_inner) = true;
        waiting.notify_all();
    }

    pub(super) fn is_said(&self) -> bool {
        *self.said.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until then; false if it was told to end.
    pub(super) fn wait_until(&self, then: Instant) -> bool {
        let (said, waiting) = &*self.said;
        let mut told = said.lock().unwrap_or_else(PoisonError::into_inner);
        while !*told {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let woken = waiting.wait_timeout(told, left);
            told = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

#[cfg(test)]
mod tests;
