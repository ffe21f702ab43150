//! Waiting for a condition, with a deadline: no test sleeps and hopes.

use anyhow::{Result, bail, ensure};
use std::time::{Duration, Instant};

use crate::signals;

const PAUSE: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; the error names `what` was awaited. Ctrl-C ends the wait.
pub fn wait_for(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let start = Instant::now();
    loop {
        if condition() {
            return Ok(());
        }
        ensure!(!signals::came(), "interrupted while waiting for: {what}");
        if start.elapsed() > deadline {
            bail!("waited {} s in vain for: {what}", deadline.as_secs_f64());
        }
        std::thread::sleep(PAUSE);
    }
}

/// Waits until `probe` gives a value; errors meanwhile are shown only if it never does.
pub fn wait_ok<T>(
    deadline: Duration,
    what: &str,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(error) if start.elapsed() > deadline => {
                return Err(error
                    .context(format!("waited {} s in vain for: {what}", deadline.as_secs_f64())));
            }
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}
