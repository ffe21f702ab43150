//! The quantities of a traffic with a name of its own. Invariant: if others use the same way at the
//! same time, its arrivals are unknown.

use system_tests::observer::Count;

use super::flow::{rates, sent};
use super::{Book, Piece, is_active};
use crate::cell::Outcome;
use crate::spec::Traffic;

impl Book<'_> {
    pub(super) fn named(&self, window: &Piece<'_>, outcome: &mut Outcome) {
        for (index, traffic) in self.scene.traffic.iter().enumerate() {
            let Some(name) = traffic.name.as_deref().filter(|_| is_active(traffic, window)) else {
                continue;
            };
            let Some(came) = self.alone(index, traffic, window) else { continue };
            rates(outcome, window, name, &came);
            let told = self.told.get(index).into_iter().flat_map(|told| &told.offered);
            let offered = told
                .filter(|offered| offered.window == window.name)
                .map(|offered| (offered.frames, offered.bytes))
                .reduce(|a, b| (a.0 + b.0, a.1 + b.1));
            if let Some(offered) = offered {
                sent(outcome, window, name, offered, came.segments);
            }
        }
    }

    /// The arrivals by a traffic's ways, if no other uses them.
    fn alone(&self, index: usize, traffic: &Traffic, window: &Piece<'_>) -> Option<Count> {
        let mut sources: Vec<usize> = Vec::new();
        for way in &self.cast.ways {
            let source = self.cast.source_of(way)?;
            if way.traffic == index && !sources.contains(&source) {
                sources.push(source);
            }
        }
        let shared = self.cast.ways.iter().any(|way| {
            let other = self.scene.traffic.get(way.traffic).unwrap_or(traffic);
            let here = self.cast.source_of(way).is_some_and(|source| sources.contains(&source));
            way.traffic != index && here && is_active(other, window)
        });
        let mut sum = Count::default();
        for source in sources {
            sum += *window.counts.get(source)?;
        }
        (!shared).then_some(sum)
    }
}
