//! Counters of senders at the ends of windows. Invariant: a window with a missing mark has no
//! difference.

use crate::scene::timeline::{Edge, Timeline};

/// The counts at both ends of each window.
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

    /// Each window's name, and the counts at its ends.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &T, &T)> {
        self.windows
            .iter()
            .filter_map(|(name, from, to)| Some((name.as_str(), from.as_ref()?, to.as_ref()?)))
    }
}

#[cfg(test)]
mod tests;
