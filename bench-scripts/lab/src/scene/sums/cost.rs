//! Processor time, events and releases of a window. Invariant: the cost of a packet is computed only if
//! nothing but traffic took processor time.

use std::collections::BTreeSet;
use std::time::Duration;

use weir_core::ReleaseReason;

use super::{Book, Piece, Reading, set};
use crate::cell::Outcome;
use crate::scene::meters::cpu::spent;

impl Book<'_> {
    pub(super) fn costs(
        &self,
        window: &Piece<'_>,
        (from, to): (&Reading, &Reading),
        outcome: &mut Outcome,
    ) {
        let packets = window.counts.iter().map(|count| count.segments).sum::<u64>() as f64;
        self.cores(window, (from, to), packets, outcome);
        for (event, count) in &to.events {
            let Some(earlier) = from.events.get(event) else { continue };
            let each = count.saturating_sub(*earlier) as f64 / packets;
            set(outcome, window, &format!("events.{event}"), each);
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
            set(outcome, window, &format!("weir.released_{why}"), released(why) / all);
        }
    }

    fn cores(
        &self,
        window: &Piece<'_>,
        (from, to): (&Reading, &Reading),
        packets: f64,
        outcome: &mut Outcome,
    ) {
        let spent = spent(&from.cpu, &to.cpu);
        let told: f64 = self.told.iter().filter_map(|told| told.cpu_s.get(window.name)).sum();
        let counts = from.senders.iter().zip(&to.senders);
        let counted: Duration = counts.map(|(from, to)| to.cpu.saturating_sub(from.cpu)).sum();
        let senders = (told + counted.as_secs_f64()).min(spent.programs);
        let burdened =
            |load: &crate::spec::Load| load.start < window.to_s && load.stop > window.from_s;
        let alone = !self.scene.load.iter().any(burdened);
        // What is not known is no number, and left out.
        let if_so = |is_known: bool, time: f64| if is_known { time } else { f64::NAN };
        let process = spent.process.unwrap_or(f64::NAN);
        let beyond = if_so(alone, (spent.total - senders).max(0.0));
        for (what, time) in [
            ("total", spent.total),
            ("senders", senders),
            ("worker", if_so(self.has_worker, spent.worker)),
            ("process", process),
            ("beyond", beyond),
        ] {
            set(outcome, window, &format!("cpu.{what}"), time / spent.seconds.max(1e-6));
        }
        for (what, time) in [
            ("us_per_packet", beyond),
            ("busy_us_per_packet", if_so(alone, spent.total)),
            ("process_us_per_packet", if_so(alone, process)),
        ] {
            set(outcome, window, &format!("cpu.{what}"), time * 1e6 / packets);
        }
    }
}
