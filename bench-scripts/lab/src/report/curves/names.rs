//! The names of curves. Invariant: no name includes a part that all curves share, unless it would be
//! empty without.

use super::Sample;
use crate::spec::{Experiment, Figure};

/// The parts of names that tell a figure's lines apart.
pub(super) struct Names {
    lines: bool,
    peers: bool,
    pub(super) variants: bool,
    titles: Vec<(String, String)>,
    variant_titles: Vec<(String, String)>,
}

impl Names {
    pub(super) fn of(samples: &[Sample<'_>], experiment: &Experiment, figure: &Figure) -> Self {
        let several = |part: fn(&Sample<'_>) -> String| {
            samples.windows(2).any(|pair| part(&pair[0]) != part(&pair[1]))
        };
        let title = |name: &str, title: &Option<String>| {
            (name.to_owned(), title.clone().unwrap_or_else(|| name.to_owned()))
        };
        let peers = several(|sample| sample.peer.to_owned());
        let variants = several(|sample| sample.variant.to_owned());
        // A line named like the axis adds no information.
        let says_more = samples.iter().any(|sample| sample.line.name != figure.y.name);
        Self {
            lines: several(|sample| sample.line.name.clone())
                || (says_more && !variants)
                || !(peers || variants),
            peers,
            variants,
            titles: experiment.peer.iter().map(|peer| title(&peer.name, &peer.title)).collect(),
            variant_titles: experiment
                .variant
                .iter()
                .map(|variant| title(&variant.name, &variant.title))
                .collect(),
        }
    }

    pub(super) fn peer(&self, sample: &Sample<'_>) -> String {
        looked_up(&self.titles, sample.peer)
    }

    /// In a legend: "weir, VM 1".
    pub(super) fn whole(&self, sample: &Sample<'_>) -> String {
        let mut words = Vec::new();
        words.extend(self.peers.then(|| self.peer(sample)));
        words.extend(self.lines.then(|| sample.line.name.clone()));
        words.extend(self.variants.then(|| self.variant(sample)));
        words.join(", ")
    }

    pub(super) fn variant(&self, sample: &Sample<'_>) -> String {
        looked_up(&self.variant_titles, sample.variant)
    }

    /// In a legend of one variant.
    pub(super) fn within(&self, sample: &Sample<'_>) -> String {
        let mut words = Vec::new();
        words.extend(self.peers.then(|| self.peer(sample)));
        words.extend((self.lines || !self.peers).then(|| sample.line.name.clone()));
        words.join(", ")
    }

    /// Under a group of bars.
    pub(super) fn category(&self, sample: &Sample<'_>) -> String {
        let mut words = vec![sample.line.name.clone()];
        words.extend(self.variants.then(|| self.variant(sample)));
        words.join(", ")
    }
}

fn looked_up(titles: &[(String, String)], name: &str) -> String {
    titles.iter().find(|(known, _)| known == name).map_or(name, |(_, title)| title).to_owned()
}
