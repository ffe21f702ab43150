//! The names of curves. Invariant: no name includes a part that all curves share, unless it would be
//! empty without.

use super::Sample;
use crate::spec::{Experiment, Figure, Peer, Variant};

/// The parts of names that tell a figure's lines apart.
pub(super) struct Names<'a> {
    lines: bool,
    peers: bool,
    pub(super) variants: bool,
    experiment: &'a Experiment,
}

impl<'a> Names<'a> {
    pub(super) fn of(
        samples: &[Sample<'a>],
        experiment: &'a Experiment,
        figure: &'a Figure,
    ) -> Self {
        let several = |part: fn(&Sample<'a>) -> &'a str| {
            samples.windows(2).any(|pair| part(&pair[0]) != part(&pair[1]))
        };
        let peers = several(|sample| sample.peer);
        let variants = several(|sample| sample.variant);
        // A line named like the axis adds no information.
        let says_more = samples.iter().any(|sample| sample.line.name != figure.y.name);
        let lines =
            several(|sample| &sample.line.name) || (says_more && !variants) || !(peers || variants);
        Self { lines, peers, variants, experiment }
    }

    pub(super) fn peer(&self, sample: &Sample<'a>) -> &'a str {
        self.experiment.peer(sample.peer).map_or(sample.peer, Peer::shown)
    }

    pub(super) fn variant(&self, sample: &Sample<'a>) -> &'a str {
        let mut variants = self.experiment.variant.iter();
        variants.find(|one| one.name == sample.variant).map_or(sample.variant, Variant::shown)
    }

    /// In a legend: "weir, VM 1".
    pub(super) fn whole(&self, sample: &Sample<'a>) -> String {
        self.joined(sample, (self.peers, self.lines, self.variants))
    }

    /// In a legend of one variant.
    pub(super) fn within(&self, sample: &Sample<'a>) -> String {
        self.joined(sample, (self.peers, self.lines || !self.peers, false))
    }

    /// Under a group of bars.
    pub(super) fn category(&self, sample: &Sample<'a>) -> String {
        self.joined(sample, (false, true, self.variants))
    }

    /// The peer, the line and the variant, each if it is wanted.
    fn joined(&self, sample: &Sample<'a>, (peer, line, variant): (bool, bool, bool)) -> String {
        let mut words: Vec<&str> = Vec::new();
        words.extend(peer.then(|| self.peer(sample)));
        words.extend(line.then_some(sample.line.name.as_str()));
        words.extend(variant.then(|| self.variant(sample)));
        words.join(", ")
    }
}
