//! Computes the quantities of the results from the readings and the senders' results: here processor
//! time, events and releases; in `flow` rates, shares, loss and fairness.
//!
//! Invariant: pure; unknown quantities are left out.

mod flow;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use system_tests::observer::Count;
use weir_core::ReleaseReason;

use super::cast::Cast;
use super::meters::{Cpu, Tallied, events};
use super::senders::{SoFar, Told};
use super::timeline::Timeline;
use crate::cell::Outcome;
use crate::spec::{Load, Scene, Traffic};
use crate::stage::{SENDERS, WORKER};

/// The tolerance for comparing computed times.
const NEARLY: f64 = 1e-6;

/// Everything that was read at one end of a window.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    pub(super) rates: Tallied,
    /// By traffic.
    pub(super) senders: Vec<SoFar>,
    pub(super) cpu: Cpu,
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

/// The arrivals in a window or a slice, by source.
struct Piece {
    /// Seconds of the scene, as planned.
    from_s: f64,
    to_s: f64,
    /// Its real length.
    seconds: f64,
    counts: Vec<Count>,
}

impl Piece {
    fn between(earlier: &Tallied, later: &Tallied, from_s: f64, to_s: f64) -> Self {
        let counts = later.counts.iter().zip(&earlier.counts).map(|(now, then)| Count {
            frames: now.frames.saturating_sub(then.frames),
            bytes: now.bytes.saturating_sub(then.bytes),
            segments: now.segments.saturating_sub(then.segments),
        });
        // Never 0, since it is a divisor.
        let length = later.at.saturating_duration_since(earlier.at).max(Duration::from_micros(1));
        Self { from_s, to_s, seconds: length.as_secs_f64(), counts: counts.collect() }
    }

    fn mbit(&self, bytes: u64) -> f64 {
        bytes as f64 * 8e-6 / self.seconds
    }

    fn kpps(&self, frames: u64) -> f64 {
        frames as f64 / 1000.0 / self.seconds
    }

    /// Whether a traffic is under way in it.
    fn has(&self, traffic: &Traffic) -> bool {
        let stop = traffic.stop.unwrap_or(f64::INFINITY);
        traffic.start < self.to_s - NEARLY && stop > self.from_s + NEARLY
    }
}

/// A window whose quantities are computed.
struct Window<'a> {
    book: &'a Book<'a>,
    name: &'a str,
    /// What was read at its ends.
    from: &'a Reading,
    to: &'a Reading,
    piece: Piece,
    /// Of all windows.
    values: &'a mut BTreeMap<String, f64>,
}

impl Book<'_> {
    pub(super) fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::default();
        let slices = self.pieces();
        for (window, (from, to)) in self.scene.window.iter().zip(&self.windows) {
            let piece = Piece::between(&from.rates, &to.rates, window.from, window.to);
            let values = &mut outcome.values;
            let mut window = Window { book: self, name: &window.name, from, to, piece, values };
            window.flows(&slices);
            window.named();
            window.costs();
        }
        self.series(&slices, &mut outcome);
        self.told(&mut outcome);
        outcome
    }

    /// The slices one after the other.
    fn pieces(&self) -> Vec<Piece> {
        let slice = self.timeline.slice.as_secs_f64();
        let piece = |(at, ends): (usize, &[Tallied])| {
            let from_s = at as f64 * slice;
            Piece::between(&ends[0], &ends[1], from_s, from_s + slice)
        };
        self.slices.windows(2).enumerate().map(piece).collect()
    }

    /// Results of senders and probes take precedence over those from counters.
    fn told(&self, outcome: &mut Outcome) {
        let mut notes: BTreeSet<String> = BTreeSet::new();
        for told in &self.told {
            outcome.values.extend(told.values.clone());
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
}

impl Window<'_> {
    /// Stores a value if it is known and finite: so one over nothing is left out.
    fn set(&mut self, name: &str, value: impl Into<Option<f64>>) {
        if let Some(value) = value.into().filter(|value| value.is_finite()) {
            self.values.insert(format!("{}.{name}", self.name), value);
        }
    }

    fn costs(&mut self) {
        let (from, to) = (self.from, self.to);
        let packets = self.piece.counts.iter().map(|count| count.segments).sum::<u64>() as f64;
        self.cores(packets);
        for (event, count) in &to.events {
            let Some(earlier) = from.events.get(event) else { continue };
            let each = count.saturating_sub(*earlier) as f64 / packets;
            self.set(&format!("events.{event}"), each);
        }
        let released = |why: &str| {
            let at = |reading: &Reading| reading.releases.get(why).copied().unwrap_or(0);
            at(to).saturating_sub(at(from)) as f64
        };
        // A part of 0 is reported as well.
        let known = ReleaseReason::ALL.map(ReleaseReason::name);
        let reasons: BTreeSet<&str> = to.releases.keys().map(String::as_str).chain(known).collect();
        let all: f64 = reasons.iter().map(|why| released(why)).sum();
        for why in reasons {
            self.set(&format!("weir.released_{why}"), released(why) / all);
        }
        let resent = to.resent.zip(from.resent);
        self.set("all.resent", resent.map(|(now, then)| now.saturating_sub(then) as f64));
    }

    /// Processor time by user. A sender's own is that for handing its packets to its interface, not for
    /// forwarding in its soft interrupts. A packet's is known only if nothing but traffic took any.
    fn cores(&mut self, packets: f64) {
        let (then, now) = (&self.from.cpu, &self.to.cpu);
        let seconds = now.at.duration_since(then.at).as_secs_f64().max(1e-6);
        let cores = now.since(then);
        let core = |core: usize| cores.get(core).copied().unwrap_or_default();
        let total = cores.iter().map(|core| core.busy).sum::<Duration>().as_secs_f64();
        let worker = core(WORKER).busy.as_secs_f64();
        let process = now.process.zip(then.process);
        let process = process.map(|(now, then)| now.saturating_sub(then).as_secs_f64());
        // Most kernels count a soft interrupt as time of the interrupted program: so the programs' time
        // on the senders' core is an upper bound of the senders' own.
        let programs = core(SENDERS).busy.saturating_sub(core(SENDERS).soft);
        let told: f64 = self.book.told.iter().filter_map(|told| told.cpu_s.get(self.name)).sum();
        let counts = self.from.senders.iter().zip(&self.to.senders);
        let counted: Duration = counts.map(|(from, to)| to.cpu.saturating_sub(from.cpu)).sum();
        let senders = (told + counted.as_secs_f64()).min(programs.as_secs_f64());
        let burdened = |load: &Load| load.start < self.piece.to_s && load.stop > self.piece.from_s;
        let alone = !self.book.scene.load.iter().any(burdened);
        let beyond = alone.then_some((total - senders).max(0.0));
        for (what, time) in [
            ("total", Some(total)),
            ("senders", Some(senders)),
            ("worker", self.book.has_worker.then_some(worker)),
            ("process", process),
            ("beyond", beyond),
        ] {
            self.set(&format!("cpu.{what}"), time.map(|time| time / seconds));
        }
        for (what, time) in [
            ("us_per_packet", beyond),
            ("busy_us_per_packet", alone.then_some(total)),
            ("process_us_per_packet", process.filter(|_| alone)),
        ] {
            self.set(&format!("cpu.{what}"), time.map(|time| time * 1e6 / packets));
        }
    }
}

#[cfg(test)]
mod tests;
