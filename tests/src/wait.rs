//! Waiting for a condition, with a deadline: no test sleeps and hopes.

use anyhow::{Result, ensure};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::signals;

const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; the error names `what` was awaited. Ctrl-C ends the wait.
pub fn wait_for(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    while !condition() {
        pause(start, deadline, what)?;
    }
    Ok(())
}

/// Waits until `probe` returns a value; its errors are shown only if it never does. Ctrl-C ends the wait.
pub fn wait_ok<T>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(error) => pause(start, deadline, what).map_err(|vain| error.context(vain))?,
        }
    }
}

/// An error if another attempt is pointless.
fn pause(start: Instant, deadline: Duration, what: &str) -> Result<()> {
    ensure!(!signals::came(), "interrupted while waiting for: {what}");
    let waited = deadline.as_secs_f64();
    ensure!(start.elapsed() <= deadline, "waited {waited} s in vain for: {what}");
    std::thread::sleep(PAUSE);
    Ok(())
}

/// A request to threads to end; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Halt(Arc<(AtomicBool, Mutex<()>, Condvar)>);

impl Halt {
    pub fn say(&self) {
        let (said, lock, waiting) = &*self.0;
        let _locked = lock.lock().unwrap_or_else(PoisonError::into_inner);
        said.store(true, Ordering::Relaxed);
        waiting.notify_all();
    }

    pub fn flag(&self) -> &AtomicBool {
        &self.0.0
    }

    pub fn is_said(&self) -> bool {
        self.flag().load(Ordering::Relaxed)
    }

    /// Waits until `then`; returns false as soon as the end is requested.
    pub fn wait_until(&self, then: Instant) -> bool {
        let (_, lock, waiting) = &*self.0;
        let mut locked = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_said() {
            let left = then.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            locked = waiting.wait_timeout(locked, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}

#[cfg(test)]
mod tests;
