//! Counters of senders at the ends of windows. Invariant: a window of which an end was not marked
//! has no difference.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::scene::timeline::{Edge, Timeline};

/// What was counted at both ends of each window.
#[derive(Clone, Debug)]
pub(super) struct Marks<T> {
    windows: Vec<(String, Option<T>, Option<T>)>,
}

impl<T: Clone> Marks<T> {
    pub(super) fn new(timeline: &Timeline) -> Self {
        let windows = timeline.windows.iter().map(|span| (span.name.clone(), None, None));
        Self { windows: windows.collect() }
    }

    pub(super) fn note(&mut self, window: usize, edge: Edge, counted: T) {
        let Some((_, from, to)) = self.windows.get_mut(window) else { return };
        match edge {
            Edge::From => *from = Some(counted),
            Edge::To => *to = Some(counted),
        }
    }

    /// Each window's name, and what was counted at its ends.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &T, &T)> {
        self.windows
            .iter()
            .filter_map(|(name, from, to)| Some((name.as_str(), from.as_ref()?, to.as_ref()?)))
    }
}

/// Waits on a thread that is unparked when `stop` is set; true if it was not.
pub(super) fn sleep_until(at: Instant, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::park_timeout(left.min(Duration::from_secs(1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_windows_with_both_ends_have_a_difference() {
        let scene = toml::from_str(
            "vms = 1\nwindow = [{ name = 'a', from = 0, to = 1 }, { name = 'b', from = 1, to = 2 }]",
        );
        let mut marks = Marks::new(&Timeline::new(&scene.unwrap(), Instant::now()));
        marks.note(0, Edge::From, 5);
        marks.note(0, Edge::To, 7);
        marks.note(1, Edge::To, 9);
        marks.note(7, Edge::To, 9);
        assert_eq!(marks.pairs().collect::<Vec<_>>(), [("a", &5, &7)]);
    }

    #[test]
    fn who_is_told_to_stop_does_not_wait() {
        let stop = AtomicBool::new(false);
        assert!(sleep_until(Instant::now() + Duration::from_millis(5), &stop));
        let hour = Instant::now() + Duration::from_secs(3600);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| sleep_until(hour, &stop));
            stop.store(true, Ordering::Relaxed);
            sleeper.thread().unpark();
            assert!(!sleeper.join().unwrap());
        });
    }
}
