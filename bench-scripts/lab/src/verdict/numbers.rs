//! Computes a number from single measurements for each cell that a check picks, and for each name that
//! its quantity stands for.
//!
//! Invariant: ratios are taken within a repetition, and the median of all repetitions counts; a
//! repetition without its value leaves no number at all.

use std::collections::BTreeMap;

use crate::cell::{Measured, Outcome, Place};
use crate::spec::quantity::{bind, matches, open_parts};
use crate::spec::{Check, Experiment, Pair};
use crate::stats::median;

/// A number, and the words that describe its cell.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) number: f64,
    /// The upper bound of any forwarder, for the same cell.
    pub(super) ceiling: Option<f64>,
    pub(super) at: Vec<String>,
}

/// The ratio of something over nothing: results are stored as JSON, which has no infinity.
pub(crate) const ENDLESS: f64 = 1e9;

/// The numbers of all that the check picks; or the first that is missing.
pub(super) fn all(
    check: &Check,
    experiment: &Experiment,
    measured: &[Measured],
    quick: bool,
) -> Result<Vec<Found>, String> {
    let repetitions = experiment.effort(quick).repetitions;
    let case = Case { check, experiment, measured, repetitions };
    let (pairs, _) = check.pairs(experiment, quick);
    let each = pairs.iter().map(|pair| case.of_pair(pair)).collect::<Result<Vec<_>, _>>()?;
    Ok(each.concat())
}

struct Case<'a> {
    check: &'a Check,
    experiment: &'a Experiment,
    measured: &'a [Measured],
    repetitions: u32,
}

impl Case<'_> {
    fn of_pair(&self, pair: &Pair) -> Result<Vec<Found>, String> {
        // Of each name, the numbers and the ceilings of all repetitions.
        let mut values: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for repetition in 0..self.repetitions {
            for (name, value) in self.run(pair, repetition)? {
                let (numbers, ceilings) = values.entry(name.clone()).or_default();
                numbers.push(value);
                if let (Some(place), Some(pick)) = (&pair.ceiling, &self.check.ceiling) {
                    let most = self.beside(place, &pick.quantity, &name, repetition)?;
                    ceilings.push(self.judged(pair, &name, most, repetition)?);
                }
            }
        }
        let number = |(name, (numbers, ceilings)): (String, (Vec<f64>, Vec<f64>))| {
            let mut at = self.words(&pair.value);
            let number = median(&numbers).filter(|_| numbers.len() == self.repetitions as usize);
            let some = || format!("{}: {name} in some repetitions only", at.join(", "));
            let number = number.ok_or_else(some)?;
            let open = open_parts(&self.check.value.quantity, &name);
            at.extend(Some(open).filter(|open| !open.is_empty()));
            Ok(Found { number, ceiling: median(&ceilings), at })
        };
        values.into_iter().map(number).collect()
    }

    /// The numbers of one repetition, by the name of the value.
    fn run(&self, pair: &Pair, repetition: u32) -> Result<Vec<(String, f64)>, String> {
        let outcome = self.outcome(&pair.value, repetition)?;
        let pattern = &self.check.value.quantity;
        let found = outcome.values.iter().filter(|(name, _)| matches(pattern, name));
        let judged = found
            .map(|(name, value)| Ok((name.clone(), self.judged(pair, name, *value, repetition)?)));
        let judged = judged.collect::<Result<Vec<_>, String>>()?;
        if judged.is_empty() {
            return Err(self.lacks(&pair.value, repetition, &format!("no {pattern}")));
        }
        Ok(judged)
    }

    /// The value minus the common part, over the divisor minus the same.
    fn judged(&self, pair: &Pair, name: &str, value: f64, repetition: u32) -> Result<f64, String> {
        let less = match (&pair.less, &self.check.less) {
            (Some(place), Some(pick)) => self.beside(place, &pick.quantity, name, repetition)?,
            _ => 0.0,
        };
        let (Some(place), Some(over)) = (&pair.over, &self.check.over) else {
            return Ok(value - less);
        };
        let divisor = self.beside(place, &over.quantity, name, repetition)?;
        let ratio = (value - less) / (divisor - less);
        if ratio.is_nan() {
            let other = bind(&over.quantity, name);
            return Err(self.lacks(
                place,
                repetition,
                &format!("nothing over {other}, which is 0"),
            ));
        }
        Ok(ratio.clamp(-ENDLESS, ENDLESS))
    }

    /// The value in another cell that corresponds to this name.
    fn beside(
        &self,
        place: &Place,
        quantity: &str,
        name: &str,
        repetition: u32,
    ) -> Result<f64, String> {
        let other = bind(quantity, name);
        let values = &self.outcome(place, repetition)?.values;
        let value = values.get(&other).copied();
        value.ok_or_else(|| self.lacks(place, repetition, &format!("no {other}")))
    }

    fn outcome(&self, place: &Place, repetition: u32) -> Result<&Outcome, String> {
        let found = Measured::of(self.measured, place, repetition);
        found
            .map(|measured| &measured.outcome)
            .ok_or_else(|| self.lacks(place, repetition, "not measured"))
    }

    /// The peer, the variant and x with its unit.
    fn words(&self, place: &Place) -> Vec<String> {
        place.words("", self.experiment.unit())
    }

    fn lacks(&self, place: &Place, repetition: u32, what: &str) -> String {
        let mut words = self.words(place);
        if self.repetitions > 1 {
            words.push(format!("repetition {}", repetition + 1));
        }
        format!("{}: {what}", words.join(", "))
    }
}
