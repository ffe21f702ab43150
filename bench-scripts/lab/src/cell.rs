//! A cell: one peer under one choice of the variables, measured once; and the outcome.
//!
//! Invariant: a cell's key identifies it permanently, so that a resumed run finds the finished cells.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::{Peer, Scene};

/// One measurement.
#[derive(Clone, Debug)]
pub struct Cell {
    pub place: Place,
    pub peer: Peer,
    /// With every variable filled in.
    pub scene: Scene,
}

/// A cell's place in its experiment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub experiment: String,
    /// The peer's name.
    pub peer: String,
    /// The variant's name; empty if there is only one.
    pub variant: String,
    /// The varied quantity; `None` if nothing is varied.
    pub x: Option<f64>,
    /// Counts from 0.
    pub repetition: u32,
}

impl Place {
    /// The peer, the variant, and x between two texts, such as nothing and its unit.
    pub fn words(&self, before: &str, unit: &str) -> Vec<String> {
        let mut words = vec![self.peer.clone()];
        words.extend(Some(&self.variant).filter(|variant| !variant.is_empty()).cloned());
        words.extend(self.x.map(|x| format!("{before}{x} {unit}").trim_end().to_owned()));
        words
    }

    /// Whether two places differ at most in the repetition.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.peer == other.peer && self.variant == other.variant && same_x(self.x, other.x)
    }

    /// The key is also a file's name: letters, digits, `.`, `-`, `_`.
    pub fn key(&self) -> String {
        let mut words = self.words("", "");
        words.push(format!("r{}", self.repetition));
        let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '_' };
        words.join("_").chars().map(plain).collect()
    }
}

/// The measured values. A quantity is named `window.who.what`, such as `both.vm1.mbit`; see
/// [`crate::scene`] for all names. A quantity that could not be measured is absent, never zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub values: BTreeMap<String, f64>,
    /// Series over the time of the cell: points of (seconds, value), by `who.what`.
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
    /// Sentences about irregularities, and about quantities that could not be measured.
    pub notes: Vec<String>,
}

/// A finished cell, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub place: Place,
    pub outcome: Outcome,
    /// When it began, and how long it took including set-up and teardown.
    pub began_unix_s: u64,
    pub took_s: f64,
}

impl Measured {
    /// The measurement of a place, in its repetition.
    pub(crate) fn of<'m>(all: &'m [Self], place: &Place) -> Option<&'m Self> {
        let here = |one: &&Self| one.place.repetition == place.repetition;
        all.iter().filter(here).find(|one| one.place.is_like(place))
    }
}

/// Whether two numbers are the same, even if one was written and read in between.
pub(crate) fn same(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

pub(crate) fn same_x(one: Option<f64>, other: Option<f64>) -> bool {
    one.zip(other).map_or(one.is_none() && other.is_none(), |(one, other)| same(one, other))
}
