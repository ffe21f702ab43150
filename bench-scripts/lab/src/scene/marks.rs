//! Readings and counters of senders at the ends of windows. Invariant: a window with a missing mark has no
//! difference.

use crate::scene::timeline::{Edge, Span, Timeline};

/// The counts at both ends of each window.
#[derive(Clone, Debug)]
pub(crate) struct Marks<T> {
    windows: Vec<(Span, Option<T>, Option<T>)>,
}

impl<T> Marks<T> {
    pub(crate) fn new(timeline: &Timeline) -> Self {
        let windows = timeline.windows.iter().map(|span| (span.clone(), None, None));
        Self { windows: windows.collect() }
    }

    pub(crate) fn note(&mut self, window: usize, edge: Edge, counted: T) {
        let Some((_, from, to)) = self.windows.get_mut(window) else { return };
        match edge {
            Edge::From => *from = Some(counted),
            Edge::To => *to = Some(counted),
        }
    }

    /// Each window, and the counts at its ends.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Span, &T, &T)> {
        self.windows
            .iter()
            .filter_map(|(span, from, to)| Some((span, from.as_ref()?, to.as_ref()?)))
    }
}

#[cfg(test)]
mod tests;
