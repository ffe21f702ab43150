//! The appearance of curves. A peer has a colour and a marker; lines of one peer differ by dash and
//! filling.
//!
//! Invariant: weir is always blue with a circle, the paper always grey with a diamond.

use std::collections::BTreeMap;

use super::palette::Colour;
use crate::spec::{Experiment, Peer, PeerKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Triangle,
    Square,
    Wedge,
    Plus,
    Pentagon,
    Ex,
    Diamond,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) colour: Colour,
    pub(super) mark: Mark,
    /// The index among the lines of the same colour.
    pub(super) turn: usize,
}

impl Look {
    pub(super) fn paper(turn: usize) -> Self {
        Self { colour: Colour::Paper, mark: Mark::Diamond, turn }
    }

    /// Every other line of a peer has hollow markers.
    pub(super) fn hollow(self) -> bool {
        self.turn % 2 == 1
    }

    /// Length of a dash and of the gap after it; `None`: solid.
    pub(super) fn dash(self) -> Option<(i32, i32)> {
        [None, Some((7, 4)), Some((2, 3)), Some((12, 4))][self.turn % 4]
    }

    /// The remaining strength of a bar's or thin line's colour.
    pub(super) fn strength(self) -> f64 {
        [1.0, 0.55, 0.8, 0.35][self.turn % 4]
    }
}

/// Each with its own marker, so that they can be told apart without colours.
const TONES: [(Colour, Mark); 7] = [
    (Colour::Blue, Mark::Circle),
    (Colour::Vermilion, Mark::Triangle),
    (Colour::Green, Mark::Square),
    (Colour::Purple, Mark::Wedge),
    (Colour::Amber, Mark::Plus),
    (Colour::Sky, Mark::Pentagon),
    (Colour::Olive, Mark::Ex),
];

/// The peer that the experiment is about: weir by its name, or the one that is judged, or the first.
pub(super) fn ours(experiment: &Experiment) -> Option<&Peer> {
    let weirs = experiment.peer.iter().filter(|peer| peer.kind == PeerKind::Weir);
    let judged = experiment.check.iter().find(|check| !check.report_only);
    let is_judged = |peer: &Peer| judged.is_some_and(|check| check.value.peer == peer.name);
    weirs.min_by_key(|peer| (peer.name != "weir", !is_judged(peer)))
}

/// An experiment's peers with their looks.
pub(super) struct Looks(BTreeMap<String, (Colour, Mark)>);

impl Looks {
    pub(super) fn of(experiment: &Experiment) -> Self {
        let peers = &experiment.peer;
        let weir = ours(experiment);
        let mut free: Vec<usize> = (1..TONES.len()).collect();
        let mut looks = BTreeMap::new();
        for peer in peers {
            let wanted = match peer.kind {
                _ if weir.is_some_and(|weir| weir.name == peer.name) => 0,
                PeerKind::Bridge => 1,
                PeerKind::Htb => 2,
                PeerKind::Linux => 3,
                PeerKind::Redirect | PeerKind::Bare | PeerKind::Ovs | PeerKind::Testpmd => 4,
                PeerKind::Weir => 5,
                PeerKind::Direct | PeerKind::Sender => 6,
            };
            let tone = match free.iter().position(|tone| *tone == wanted) {
                Some(place) => free.remove(place),
                None if wanted == 0 || free.is_empty() => wanted,
                None => free.pop().unwrap_or(wanted),
            };
            looks.insert(peer.name.clone(), TONES[tone]);
        }
        Self(looks)
    }

    pub(super) fn peer(&self, name: &str, turn: usize) -> Look {
        let (colour, mark) = self.0.get(name).copied().unwrap_or((Colour::Ink, Mark::Ex));
        Look { colour, mark, turn }
    }
}

#[cfg(test)]
mod tests;
