//! Judges checks by the measurements. Invariant: a missing measurement fails its check; ratios are taken
//! within a repetition, and the median of all repetitions counts.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use textwrap::{Options, WordSeparator, WordSplitter};

use crate::cell::{Measured, Outcome, Place};
use crate::spec::quantity::{bind, matches, open_parts};
use crate::spec::{Check, Experiment, Pick, Squeeze};
use crate::stats::median;

/// The ratio of something over nothing: results are stored as JSON, which has no infinity.
pub(crate) const ENDLESS: f64 = 1e9;

const COLUMNS: usize = 100;
/// Further lines of a verdict are indented to the number, not to the word before it.
const INDENT: usize = 9;

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub what: String,
    pub holds: bool,
    /// The one furthest on the wrong side, or nearest to it; `None` if something was not measured.
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
    pub fn is_judged(&self) -> bool {
        !self.report_only && self.ceiling.is_none()
    }

    /// Whether it makes the experiment fail.
    pub fn fails(&self) -> bool {
        self.is_judged() && !self.holds
    }

    /// What came out and what was required, wrapped: only a word longer than 100 columns exceeds them.
    pub fn line(&self) -> String {
        let word = match (self.holds, self.report_only) {
            (true, false) => "holds",
            (false, false) if !self.is_judged() => "unjudged",
            (false, false) => "FAILS",
            (true, true) => "seen",
            (false, true) => "unseen",
        };
        let number = self.number.map(|number| self.shown(number));
        let number = number.unwrap_or_else(|| "not measured,".to_owned());
        let bounds = match (self.least, self.most) {
            (Some(least), Some(most)) => format!("in {least}..{most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "of anything".to_owned(),
        };
        let why = self.ceiling.map(|ceiling| {
            format!("; not judged here: on this machine nothing could exceed {ceiling:.2}")
        });
        let (what, at, why) = (self.what.trim(), &self.at, why.unwrap_or_default());
        let indent = " ".repeat(INDENT);
        let columns = Options::new(COLUMNS)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_separator(WordSeparator::AsciiSpace)
            .word_splitter(WordSplitter::NoHyphenation);
        textwrap::fill(&format!("{word:<INDENT$}{number} {bounds}  {what} ({at}){why}"), columns)
    }

    /// With enough digits to stay on its side of both bounds: no failing number looks as if it held.
    fn shown(&self, number: f64) -> String {
        if number.abs() >= ENDLESS {
            return "endless".to_owned();
        }
        let side = |number: f64| {
            (self.least.map(|least| number < least), self.most.map(|most| number > most))
        };
        let few: usize = match number.abs() {
            1000.0.. => 0,
            100.0.. => 1,
            10.0.. => 2,
            _ => 3,
        };
        let texts = (few..few + 9).map(|digits| format!("{number:.digits$}"));
        let kept = |text: &String| text.parse().is_ok_and(|rounded| side(rounded) == side(number));
        let text = texts.into_iter().find(kept).unwrap_or_else(|| number.to_string());
        if !text.contains('.') {
            return text;
        }
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// All verdicts of an experiment. A quick run does not judge a check of which it measures nothing.
#[must_use]
pub fn judge_all(experiment: &Experiment, measured: &[Measured], quick: bool) -> Vec<Verdict> {
    let verdict = |check: &Check| {
        let (places, _) = check.places(experiment, quick);
        (!places.is_empty()).then(|| judge(&Case { check, experiment, measured, quick }, &places))
    };
    experiment.check.iter().filter_map(verdict).collect()
}

fn judge(case: &Case<'_>, places: &[Place]) -> Verdict {
    let check = case.check;
    let (least, most) = check.bounds(case.quick);
    let bounds = Bounds { least, most };
    let found = places.iter().map(|place| case.of(place)).collect::<Result<Vec<_>, _>>();
    let found = found.map(|all| reachable(all.concat(), check.squeeze, bounds));
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

/// A number, and the words that describe its cell.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    number: f64,
    /// The upper bound of any forwarder, for the same cell.
    ceiling: Option<f64>,
    at: Vec<String>,
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

/// A check, and the measurements by which it is judged.
struct Case<'a> {
    check: &'a Check,
    experiment: &'a Experiment,
    measured: &'a [Measured],
    quick: bool,
}

impl Case<'_> {
    /// The numbers of one cell of `value`, one for each name that its quantity stands for; or what is
    /// missing. A repetition without its value leaves no number at all.
    fn of(&self, place: &Place) -> Result<Vec<Found>, String> {
        // Of each name, the numbers and the ceilings of all repetitions.
        let mut values: BTreeMap<String, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        let repetitions = self.repetitions();
        for repetition in 0..repetitions {
            let place = Place { repetition, ..place.clone() };
            for (name, value) in self.values(&place)? {
                let (numbers, ceilings) = values.entry(name.clone()).or_default();
                numbers.push(self.judged(&place, name, *value)?);
                if let Some(ceiling) = &self.check.ceiling {
                    let most = self.beside(ceiling, &place, name)?;
                    ceilings.push(self.judged(&place, name, most)?);
                }
            }
        }
        let number = |(name, (numbers, ceilings)): (String, (Vec<f64>, Vec<f64>))| {
            let mut at = self.words(place);
            let number = median(&numbers).filter(|_| numbers.len() == repetitions as usize);
            let some = || format!("{}: {name} in some repetitions only", at.join(", "));
            let number = number.ok_or_else(some)?;
            let open = open_parts(&self.check.value.quantity, &name);
            at.extend(Some(open).filter(|open| !open.is_empty()));
            Ok(Found { number, ceiling: median(&ceilings), at })
        };
        values.into_iter().map(number).collect()
    }

    /// What the quantity of `value` stands for in a cell; at least one value.
    fn values(&self, place: &Place) -> Result<Vec<(&String, &f64)>, String> {
        let pattern = &self.check.value.quantity;
        let all = self.outcome(place)?.values.iter();
        let found: Vec<_> = all.filter(|(name, _)| matches(pattern, name)).collect();
        if found.is_empty() { Err(self.lacks(place, &format!("no {pattern}"))) } else { Ok(found) }
    }

    /// The value minus the common part, over the divisor minus the same.
    fn judged(&self, place: &Place, name: &str, value: f64) -> Result<f64, String> {
        let beside = |pick: &Option<Pick>| {
            pick.as_ref().map(|pick| self.beside(pick, place, name)).transpose()
        };
        let less = beside(&self.check.less)?.unwrap_or_default();
        let Some(divisor) = beside(&self.check.over)? else { return Ok(value - less) };
        let ratio = (value - less) / (divisor - less);
        if let Some(over) = self.check.over.as_ref().filter(|_| ratio.is_nan()) {
            let what = format!("nothing over {}, which is 0", bind(&over.quantity, name));
            return Err(self.lacks(&over.beside(place), &what));
        }
        Ok(ratio.clamp(-ENDLESS, ENDLESS))
    }

    /// The value of another quantity that corresponds to this name in this cell.
    fn beside(&self, pick: &Pick, place: &Place, name: &str) -> Result<f64, String> {
        let (place, other) = (pick.beside(place), bind(&pick.quantity, name));
        let value = self.outcome(&place)?.values.get(&other).copied();
        value.ok_or_else(|| self.lacks(&place, &format!("no {other}")))
    }

    fn outcome(&self, place: &Place) -> Result<&Outcome, String> {
        let found = Measured::of(self.measured, place);
        found.map(|found| &found.outcome).ok_or_else(|| self.lacks(place, "not measured"))
    }

    fn repetitions(&self) -> u32 {
        self.experiment.effort(self.quick).repetitions
    }

    /// The peer, the variant and x with its unit.
    fn words(&self, place: &Place) -> Vec<String> {
        place.words("", self.experiment.unit())
    }

    fn lacks(&self, place: &Place, what: &str) -> String {
        let mut words = self.words(place);
        if self.repetitions() > 1 {
            words.push(format!("repetition {}", place.repetition + 1));
        }
        format!("{}: {what}", words.join(", "))
    }
}
