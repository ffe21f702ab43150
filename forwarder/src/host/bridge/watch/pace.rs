//! Paces the readings of a bridge. Invariant: however fast notifications are lost, reading takes a
//! bounded part of the time.

use std::time::Duration;

use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct ResyncPace {
    last: Option<Instant>,
    pause: Duration,
}

impl ResyncPace {
    /// `None`: at once.
    pub(super) fn not_before(&self) -> Option<Instant> {
        self.last.map(|last| last + self.pause)
    }

    /// A reading has ended at `now`.
    pub(super) fn done(&mut self, now: Instant) {
        let quiet = self.last.is_none_or(|last| now - last > LONGEST * 2);
        self.pause = if quiet { SHORTEST } else { (self.pause * 2).min(LONGEST) };
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests;
