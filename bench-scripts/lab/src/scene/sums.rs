//! Computes the quantities of the results from the readings and the senders' results.
//!
//! - `flow`: rates, shares, loss, fairness, also of traffic with a name of its own
//! - `cost`: processor time, events, releases
//!
//! Invariant: pure; unknown quantities are left out.

mod cost;
mod flow;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use system_tests::observer::Count;

use super::cast::Cast;
use super::meters::rates::{Tallied, since};
use super::meters::{cpu, events};
use super::senders::{SoFar, Told};
use super::timeline::Timeline;
use crate::cell::Outcome;
use crate::spec::{Scene, Traffic};

/// The tolerance for comparing computed times.
const NEARLY: f64 = 1e-6;

/// Everything that was read at one end of a window.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) rates: Tallied,
    /// By traffic.
    pub(super) senders: Vec<SoFar>,
    pub(super) cpu: cpu::Reading,
    pub(super) events: events::Reading,
    /// Containers by release reason.
    pub(super) releases: BTreeMap<String, u64>,
    /// Retransmitted TCP segments.
    pub(super) resent: Option<u64>,
}

/// Everything that a scene left behind.
pub(super) struct Book<'a> {
    pub(super) scene: &'a Scene,
    pub(super) cast: &'a Cast,
    pub(super) timeline: &'a Timeline,
    /// The worker's core is weir's.
    pub(super) has_worker: bool,
    /// What was read at both ends of each window.
    pub(super) windows: Vec<(Reading, Reading)>,
    /// Readings at every slice's beginning, and at the last one's end.
    pub(super) slices: Vec<Tallied>,
    pub(super) told: Vec<Told>,
}

/// The arrivals in a period, by source.
struct Piece<'a> {
    /// The window's; none of a slice.
    name: &'a str,
    /// Seconds of the scene, as planned.
    from_s: f64,
    to_s: f64,
    /// Its real length.
    seconds: f64,
    counts: Vec<Count>,
}

impl<'a> Piece<'a> {
    fn between(name: &'a str, earlier: &Tallied, later: &Tallied, from_s: f64, to_s: f64) -> Self {
        let counts = later.counts.iter().zip(&earlier.counts);
        Self {
            name,
            from_s,
            to_s,
            seconds: length(earlier.at, later.at),
            counts: counts.map(|(now, earlier)| since(now, earlier)).collect(),
        }
    }
}

fn length(from: Instant, to: Instant) -> f64 {
    // Never 0, since it is a divisor.
    to.saturating_duration_since(from).max(Duration::from_micros(1)).as_secs_f64()
}

impl Book<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let slices = self.pieces();
        for (span, (from, to)) in self.timeline.windows.iter().zip(&self.windows) {
            let (from_s, to_s) = (span.from.as_secs_f64(), span.to.as_secs_f64());
            let window = Piece::between(&span.name, &from.rates, &to.rates, from_s, to_s);
            self.flows(&window, &slices, &mut outcome);
            self.named(&window, &mut outcome);
            self.costs(&window, (from, to), &mut outcome);
            if let (Some(before), Some(after)) = (from.resent, to.resent) {
                let resent = after.saturating_sub(before) as f64;
                set(&mut outcome, &window, "all.resent", resent);
            }
        }
        self.series(&slices, &mut outcome);
        self.told(&mut outcome);
        outcome
    }

    /// The slices one after the other.
    fn pieces(&self) -> Vec<Piece<'_>> {
        let slice = self.timeline.slice.as_secs_f64();
        let pairs = self.slices.iter().zip(self.slices.iter().skip(1)).enumerate();
        pairs
            .map(|(at, (earlier, later))| {
                let from_s = at as f64 * slice;
                Piece::between("", earlier, later, from_s, from_s + slice)
            })
            .collect()
    }

    /// Results of senders and probes take precedence over those from counters.
    fn told(&self, outcome: &mut Outcome) {
        let mut notes: BTreeSet<String> = BTreeSet::new();
        for told in &self.told {
            for (name, value) in &told.values {
                outcome.values.insert(name.clone(), *value);
            }
            notes.extend(told.notes.iter().cloned());
        }
        for (window, who, mbit) in self.told.iter().flat_map(|told| &told.goodput_mbit) {
            for who in [who.as_str(), "all"] {
                let name = format!("{window}.{who}.goodput_mbit");
                *outcome.values.entry(name).or_default() += mbit;
            }
        }
        if self.cast.sources.iter().any(|source| source.whose.len() > 1) {
            notes.insert("what several VMs send comes together and is not told apart".to_owned());
        }
        outcome.notes.extend(notes);
    }

    /// VMs that send or receive in a period, with their traffic.
    fn active(&self, window: &Piece<'_>) -> BTreeMap<&str, Vec<(&Traffic, bool)>> {
        let mut active: BTreeMap<&str, Vec<(&Traffic, bool)>> = BTreeMap::new();
        let all = self.cast.all();
        for way in &self.cast.ways {
            let traffic = &self.scene.traffic[way.traffic];
            let Some(who) = way.who.as_deref().filter(|who| all.contains(who)) else { continue };
            if is_active(traffic, window) {
                active.entry(who).or_default().push((traffic, way.over_link));
            }
        }
        active
    }
}

fn is_active(traffic: &Traffic, window: &Piece<'_>) -> bool {
    let stop = traffic.stop.unwrap_or(f64::INFINITY);
    traffic.start < window.to_s - NEARLY && stop > window.from_s + NEARLY
}

/// Stores a value if it is a finite number: so one that is not known, or over nothing, is left out.
fn set(outcome: &mut Outcome, window: &Piece<'_>, name: &str, value: f64) {
    if value.is_finite() {
        outcome.values.insert(format!("{}.{name}", window.name), value);
    }
}

fn mbit(count: &Count, piece: &Piece<'_>) -> f64 {
    count.bytes as f64 * 8e-6 / piece.seconds
}

#[cfg(test)]
mod tests;
