//! The colours of the page and its plots, light and dark, and the appearance of curves. A peer has a
//! colour and a marker; lines of one peer differ by dash and filling.
//!
//! Plots are drawn with the light colours; style rules on a shape's `fill` and `stroke` replace them by
//! the theme's.
//!
//! Invariant: every colour in a plot is one of these, and each light one occurs once. weir is always blue
//! with a circle, the paper always grey with a diamond.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use plotters::style::RGBColor;

use crate::spec::{Experiment, Peer, PeerKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Colour {
    Ink,
    /// Labels of ticks, small print.
    Soft,
    Axis,
    Grid,
    /// Behind plots, and behind the page.
    Card,
    Ground,
    Paper,
    Blue,
    Vermilion,
    Green,
    Purple,
    Amber,
    Sky,
    Olive,
}

/// The series' hues are Okabe and Ito's, darker on light ground and paler on dark.
const ALL: [(Colour, &str, u32, u32); 14] = [
    (Colour::Ink, "ink", 0x1b_1f24, 0xe6_e9ed),
    (Colour::Soft, "soft", 0x57_606a, 0xa3_acb7),
    (Colour::Axis, "axis", 0x8c_959f, 0x6b_7580),
    (Colour::Grid, "grid", 0xe4_e7eb, 0x2c_333b),
    (Colour::Card, "card", 0xff_ffff, 0x17_1b21),
    (Colour::Ground, "ground", 0xfa_fbfc, 0x0f_1216),
    (Colour::Paper, "paper", 0x6a_6561, 0xb5_aea6),
    (Colour::Blue, "blue", 0x00_69aa, 0x5a_b4f5),
    (Colour::Vermilion, "vermilion", 0xd5_5e00, 0xf0_8443),
    (Colour::Green, "green", 0x00_8560, 0x33_c49a),
    (Colour::Purple, "purple", 0xb0_508a, 0xe3_93c4),
    (Colour::Amber, "amber", 0xb8_7a00, 0xe9_b43c),
    (Colour::Sky, "sky", 0x3d_9fd6, 0xa9_dcf7),
    (Colour::Olive, "olive", 0x6b_6400, 0xd9_d06a),
];

impl Colour {
    /// The colour that plots are drawn with.
    pub(super) fn rgb(self) -> RGBColor {
        let light = ALL.iter().find(|colour| colour.0 == self).map_or(0, |colour| colour.2);
        RGBColor((light >> 16) as u8, (light >> 8) as u8, light as u8)
    }
}

/// The page's style: these colours as variables, the rules that theme the plots, and the layout.
pub(super) fn style() -> String {
    let mut css = String::new();
    let variables = |pick: fn(&(Colour, &str, u32, u32)) -> u32| -> String {
        ALL.iter().map(|colour| format!("--{}:#{:06x};", colour.1, pick(colour))).collect()
    };
    let _ = writeln!(css, ":root{{color-scheme:light;{}}}", variables(|colour| colour.2));
    let _ = writeln!(
        css,
        "@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{}}}}}",
        variables(|colour| colour.3)
    );
    for (_, name, light, _) in ALL {
        let _ = writeln!(
            css,
            "svg [fill=\"#{light:06X}\"]{{fill:var(--{name})}}svg [stroke=\"#{light:06X}\"]{{stroke:var(--{name})}}"
        );
    }
    css.push_str(include_str!("style.css"));
    css
}

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
