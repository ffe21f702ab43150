//! Guards changes after which the gate may forward frames itself that the bridge forwarded before,
//! uncounted.
//!
//! Invariant: between the start of a change and its storing, no frame counts as cleared. Otherwise a
//! count raised for the change could be cleared before the change is stored; a frame that the gate
//! leaves to the bridge in between would then be overtaken by the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of changes under way.
#[derive(Clone, Debug, Default)]
pub struct PendingChanges(Arc<AtomicUsize>);

impl PendingChanges {
    /// Call this before raising any count; store the change before dropping the returned guard.
    pub(crate) fn begin(&self) -> PendingChange {
        self.0.fetch_add(1, Ordering::AcqRel);
        PendingChange(Arc::clone(&self.0))
    }

    /// Whether every change is stored whose raised counts the caller has already read.
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
