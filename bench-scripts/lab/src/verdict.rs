//! Judges checks by the measurements. Invariant: a missing measurement fails its check.
//!
//! - [`numbers`]: the number of each cell that a check picks; [`line`]: a verdict for people

mod line;
mod numbers;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use self::numbers::ENDLESS;
use self::numbers::Found;
use crate::cell::Measured;
use crate::spec::{Check, Experiment, Squeeze};
use crate::stats::median;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub what: String,
    pub holds: bool,
    /// The deciding number: the one furthest on the wrong side, or nearest to it. `None` if nothing was
    /// measured.
    pub number: Option<f64>,
    pub least: Option<f64>,
    pub most: Option<f64>,
    /// The cells of the number: "weir, 40 Mb/s"; without a number, what is missing.
    pub at: String,
    pub report_only: bool,
    /// What nothing can exceed on this machine, if that is below `least`: nothing is judged then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
}

impl Verdict {
    /// Whether it affects if the experiment holds.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        !self.report_only && self.ceiling.is_none()
    }

    /// Whether it makes the experiment fail.
    #[must_use]
    pub fn fails(&self) -> bool {
        self.is_judged() && !self.holds
    }
}

fn judge(check: &Check, experiment: &Experiment, measured: &[Measured], quick: bool) -> Verdict {
    let (least, most) = check.bounds(quick);
    let bounds = Bounds { least, most };
    let found = numbers::all(check, experiment, measured, quick);
    let found = found.map(|all| reachable(all, check.squeeze, bounds));
    let ceiling = found.as_ref().ok().and_then(|all| ceiling(all, check.squeeze, bounds));
    let (number, at) = match found.and_then(|all| squeeze(&all, check.squeeze, bounds)) {
        Ok(found) => (Some(found.number), found.at.join(", ")),
        Err(why) => (None, why),
    };
    let holds = number.is_some_and(|number| bounds.room(number) >= 0.0);
    Verdict {
        what: check.what.clone(),
        holds,
        number,
        least,
        most,
        at,
        report_only: check.report_only,
        // A check that holds is judged, whatever noise the ceiling has.
        ceiling: ceiling.filter(|_| !holds),
    }
}

/// If each number is judged by itself, those that could hold here; all if none could.
fn reachable(all: Vec<Found>, how: Squeeze, bounds: Bounds) -> Vec<Found> {
    let could = |found: &Found| {
        let most = found.ceiling.unwrap_or(f64::INFINITY).max(found.number);
        bounds.least.is_none_or(|least| most >= least)
    };
    if how == Squeeze::Each && all.iter().any(could) {
        all.into_iter().filter(could).collect()
    } else {
        all
    }
}

/// The number that would be judged if everything reached its ceiling, if that is below `least`.
fn ceiling(all: &[Found], how: Squeeze, bounds: Bounds) -> Option<f64> {
    let lifted = |found: &Found| Some(Found { number: found.ceiling?, ..found.clone() });
    let all: Vec<Found> = all.iter().map(lifted).collect::<Option<_>>()?;
    let most = squeeze(&all, how, bounds).ok()?.number;
    bounds.least.filter(|least| most < *least).map(|_| most)
}

/// All verdicts of an experiment. A quick run does not judge a check of which it measures nothing.
#[must_use]
pub fn judge_all(experiment: &Experiment, measured: &[Measured], quick: bool) -> Vec<Verdict> {
    let judged = |check: &&Check| !check.pairs(experiment, quick).0.is_empty();
    let checks = experiment.check.iter().filter(judged);
    checks.map(|check| judge(check, experiment, measured, quick)).collect()
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    least: Option<f64>,
    most: Option<f64>,
}

impl Bounds {
    /// A number's distance from the nearer bound; below zero on its wrong side.
    fn room(self, number: f64) -> f64 {
        let above = self.least.map_or(f64::INFINITY, |least| number - least);
        let below = self.most.map_or(f64::INFINITY, |most| most - number);
        above.min(below)
    }
}

/// Combines all into one number, or returns why there is none.
fn squeeze(all: &[Found], how: Squeeze, bounds: Bounds) -> Result<Found, String> {
    let lowest = |rank: &dyn Fn(f64) -> f64| {
        let ranks = |one: &&Found, other: &&Found| rank(one.number).total_cmp(&rank(other.number));
        all.iter().min_by(ranks).cloned()
    };
    let numbers: Vec<f64> = all.iter().map(|found| found.number).collect();
    let together =
        |number: Option<f64>| number.map(|number| Found { number, ceiling: None, at: common(all) });
    let found = match how {
        Squeeze::Each => lowest(&|number| bounds.room(number)),
        Squeeze::Least => lowest(&|number| number),
        Squeeze::Most => lowest(&|number| -number),
        Squeeze::Median => together(median(&numbers)),
    };
    found.ok_or_else(|| format!("{}: nothing to judge", common(all).join(", ")))
}

/// The words that all numbers share, and how many there are.
fn common(all: &[Found]) -> Vec<String> {
    let Some(first) = all.first() else { return Vec::new() };
    let mut words = first.at.clone();
    words.retain(|word| all.iter().all(|found| found.at.contains(word)));
    if all.len() > 1 {
        words.push(format!("{} together", all.len()));
    }
    words
}
