//! From single measurements to a number for each cell that a check picks, and for each name that
//! its quantity stands for.
//!
//! Invariant: ratios are taken within a repetition, and the median of all repetitions counts; one
//! that lacks its value leaves no number at all.

use std::collections::BTreeMap;

use crate::cell::{Measured, Outcome, Place};
use crate::spec::quantity::{bind, matches, open_parts};
use crate::spec::{Check, Experiment, Pair, alike};
use crate::stats::median;

/// A number, and the words that say what it is of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) number: f64,
    pub(super) at: Vec<String>,
}

/// What something is over nothing: results are kept as JSON, which has no infinity.
pub(crate) const ENDLESS: f64 = 1e9;

/// `None` of nothing over nothing.
pub(super) fn ratio(value: f64, over: f64) -> Option<f64> {
    let ratio = value / over;
    (!ratio.is_nan()).then(|| ratio.clamp(-ENDLESS, ENDLESS))
}

/// Of all that the check picks; or the first thing that is missing.
pub(super) fn all(
    check: &Check,
    experiment: &Experiment,
    measured: &[Measured],
    quick: bool,
) -> Result<Vec<Found>, String> {
    let repetitions = experiment.effort(quick).repetitions;
    let case = Case { check, experiment, measured, repetitions };
    let (pairs, _) = check.pairs(experiment, quick);
    if pairs.is_empty() {
        return Err(format!("{}: no such cells", check.value.peer));
    }
    let each: Vec<Vec<Found>> =
        pairs.iter().map(|pair| case.of_pair(pair)).collect::<Result<_, _>>()?;
    Ok(each.into_iter().flatten().collect())
}

struct Case<'a> {
    check: &'a Check,
    experiment: &'a Experiment,
    measured: &'a [Measured],
    repetitions: u32,
}

impl Case<'_> {
    fn of_pair(&self, pair: &Pair) -> Result<Vec<Found>, String> {
        let mut values: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for repetition in 0..self.repetitions {
            for (name, value) in self.run(pair, repetition)? {
                values.entry(name).or_default().push(value);
            }
        }
        values.into_iter().map(|(name, values)| self.number(pair, &name, &values)).collect()
    }

    fn number(&self, pair: &Pair, name: &str, values: &[f64]) -> Result<Found, String> {
        let number = median(values).filter(|_| values.len() == self.repetitions as usize);
        let number = number.ok_or_else(|| {
            format!("{}: {name} in some repetitions only", self.words(&pair.value).join(", "))
        })?;
        let mut at = self.words(&pair.value);
        at.extend(Some(open_parts(&self.check.value.quantity, name)).filter(|it| !it.is_empty()));
        Ok(Found { number, at })
    }

    /// What one repetition comes to, by the name of the value.
    fn run(&self, pair: &Pair, repetition: u32) -> Result<Vec<(String, f64)>, String> {
        let outcome = self.outcome(&pair.value, repetition)?;
        let pattern = &self.check.value.quantity;
        let fits = |(name, value): (&String, &f64)| {
            (matches(pattern, name) && value.is_finite()).then(|| (name.clone(), *value))
        };
        let found: Vec<(String, f64)> = outcome.values.iter().filter_map(fits).collect();
        if found.is_empty() {
            return Err(self.lacks(&pair.value, repetition, &format!("no {pattern}")));
        }
        let (Some(place), Some(over)) = (&pair.over, &self.check.over) else { return Ok(found) };
        let below = self.outcome(place, repetition)?;
        let divided = |(name, value): (String, f64)| {
            let other = bind(&over.quantity, &name);
            let divisor = below.values.get(&other).filter(|divisor| divisor.is_finite());
            let divisor =
                divisor.ok_or_else(|| self.lacks(place, repetition, &format!("no {other}")))?;
            let number = ratio(value, *divisor).ok_or_else(|| {
                self.lacks(place, repetition, &format!("nothing over {other}, which is 0"))
            })?;
            Ok((name, number))
        };
        found.into_iter().map(divided).collect()
    }

    fn outcome(&self, place: &Place, repetition: u32) -> Result<&Outcome, String> {
        let of_place = |measured: &&Measured| {
            measured.place.repetition == repetition && alike(&measured.place, place)
        };
        let found = self.measured.iter().find(of_place).map(|measured| &measured.outcome);
        found.ok_or_else(|| self.lacks(place, repetition, "not measured"))
    }

    /// The peer, the variant and x with its unit.
    fn words(&self, place: &Place) -> Vec<String> {
        let mut words = vec![place.peer.clone()];
        if !place.variant.is_empty() {
            words.push(place.variant.clone());
        }
        let unit = self.experiment.vary.as_ref().map_or("", |vary| vary.unit.as_str());
        words.extend(place.x.map(|x| format!("{x} {unit}").trim_end().to_owned()));
        words
    }

    fn lacks(&self, place: &Place, repetition: u32, what: &str) -> String {
        let mut words = self.words(place);
        if self.repetitions > 1 {
            words.push(format!("repetition {}", repetition + 1));
        }
        format!("{}: {what}", words.join(", "))
    }
}
