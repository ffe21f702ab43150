//! Checks of results. Invariant: only ratios, shares, fairness and orderings are judged.

use serde::Deserialize;

use super::Experiment;
use crate::cell::{Place, same_x};

/// A claim about results: `value`, or `value / over`, lies between `least` and `most`. A quick run
/// judges the part that it measures. A machine on which nothing could reach `least` judges nothing.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Check {
    /// The claim as a sentence: "no VM is ever below 90 % of its share".
    pub what: String,
    pub value: Pick,
    /// The divisor of the value: of the same variant and x unless it names others.
    pub over: Option<Pick>,
    /// Subtracted from both before the division: their common part, chosen like `over`.
    pub less: Option<Pick>,
    /// What no forwarder can exceed on this machine, instead of the value.
    pub ceiling: Option<Pick>,
    /// Whether each number that `value` picks is judged (the default), or one made of them.
    #[serde(default)]
    pub squeeze: Squeeze,
    pub least: Option<f64>,
    pub most: Option<f64>,
    /// Instead of `least` and `most` with `--quick`, whose short windows prove less.
    pub quick_least: Option<f64>,
    pub quick_most: Option<f64>,
    /// It only decides what the page says: whether the paper's problem appears at a baseline.
    #[serde(default)]
    pub report_only: bool,
    /// The paper's number, if it printed one: shown, not judged.
    pub published: Option<f64>,
}

/// A quantity of some cells. `quantity` may have `*` in place of its window or of who (but not of
/// `all`): `both.*.of_owed`; a `*` of `over` stands for the corresponding part of `value`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pick {
    pub quantity: String,
    pub peer: String,
    /// All variants by default.
    pub variant: Option<String>,
    /// All of them by default.
    pub x: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Squeeze {
    #[default]
    Each,
    Least,
    Most,
    Median,
}

impl Pick {
    pub(super) fn picks(&self, place: &Place) -> bool {
        self.peer == place.peer
            && self.variant.as_ref().is_none_or(|variant| *variant == place.variant)
            && (self.x.is_none() || same_x(self.x, place.x))
    }

    /// The cell that corresponds to `place`: of its variant and x unless this names others.
    pub(crate) fn beside(&self, place: &Place) -> Place {
        Place {
            peer: self.peer.clone(),
            variant: self.variant.clone().unwrap_or_else(|| place.variant.clone()),
            x: self.x.or(place.x),
            ..place.clone()
        }
    }
}

impl Check {
    /// The cells of `value` in an effort's first repetition: those that it judges, and those of which it
    /// leaves out another quantity's cell.
    pub fn places(&self, experiment: &Experiment, quick: bool) -> (Vec<Place>, Vec<Place>) {
        let mut places = experiment.places(quick);
        places.retain(|place| place.repetition == 0);
        let there = |other: &Place| places.iter().any(|place| place.is_like(other));
        let picked = places.iter().filter(|place| self.value.picks(place)).cloned();
        picked.partition(|place| self.beside(place).all(|(.., other)| there(&other)))
    }

    /// Every quantity that it uses, with its key, and its cell for a cell of `value`.
    pub(crate) fn beside(
        &self,
        value: &Place,
    ) -> impl Iterator<Item = (&'static str, &Pick, Place)> {
        self.picks().map(move |(key, pick)| (key, pick, pick.beside(value)))
    }

    /// Every quantity that it uses, with its key.
    pub fn picks(&self) -> impl Iterator<Item = (&'static str, &Pick)> {
        let others = [("over", &self.over), ("less", &self.less), ("ceiling", &self.ceiling)];
        let others = others.into_iter().filter_map(|(key, pick)| Some((key, pick.as_ref()?)));
        std::iter::once(("value", &self.value)).chain(others)
    }

    /// `least` and `most` of an effort.
    pub fn bounds(&self, quick: bool) -> (Option<f64>, Option<f64>) {
        let (least, most) = if quick { (self.quick_least, self.quick_most) } else { (None, None) };
        (least.or(self.least), most.or(self.most))
    }
}
