//! Changes of what the gate is told, after which it may forward itself what went by the bridge before,
//! uncounted.
//!
//! Invariant: from before a change until it is stored no frame counts as cleared. Else what is raised for it
//! could be cleared before it is stored, and a frame that the gate leaves to the bridge meanwhile would be
//! overtaken by the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many are under way.
#[derive(Clone, Debug, Default)]
pub struct PendingChanges(Arc<AtomicUsize>);

impl PendingChanges {
    /// To be called before anything is raised; the change has to be stored before the answer is dropped.
    pub(crate) fn begin(&self) -> PendingChange {
        self.0.fetch_add(1, Ordering::AcqRel);
        PendingChange(Arc::clone(&self.0))
    }

    /// Whether all are stored for which something was raised that the caller has read before.
    pub fn are_stored(&self) -> bool {
        self.0.load(Ordering::Acquire) == 0
    }
}

/// A change that is under way.
#[derive(Debug)]
#[must_use = "the change is over when this is dropped"]
pub struct PendingChange(Arc<AtomicUsize>);

impl Drop for PendingChange {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
