//! When a bridge may be read again. Invariant: however fast notifications are lost, reading takes a
//! bounded part of the time.

use std::time::Duration;

use tokio::time::Instant;

const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    pause: Duration,
}

impl Pace {
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
mod tests {
    use super::*;

    #[test]
    fn readings_keep_a_distance_that_grows_and_shrinks_again() {
        let start = Instant::now();
        let mut pace = Pace::default();
        assert_eq!(pace.not_before(), None);
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..8 {
            pace.done(now);
            let next = pace.not_before().unwrap();
            waits.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        now += LONGEST * 3;
        pace.done(now);
        assert_eq!(pace.not_before(), Some(now + SHORTEST));
    }
}
