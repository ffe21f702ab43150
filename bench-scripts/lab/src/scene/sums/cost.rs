//! Processor time, events and releases of a window. Invariant: the cost of a packet is computed only if
//! nothing but traffic took processor time.

use std::collections::BTreeSet;

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
        let packets: u64 = window.counts.iter().map(|count| count.segments).sum();
        self.cores(window, (from, to), packets, outcome);
        for (event, count) in &to.events {
            let Some(earlier) = from.events.get(event).filter(|_| packets > 0) else { continue };
            let each = count.saturating_sub(*earlier) as f64 / packets as f64;
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
        for why in reasons.iter().filter(|_| all > 0.0) {
            set(outcome, window, &format!("weir.released_{why}"), released(why) / all);
        }
    }

    fn cores(
        &self,
        window: &Piece<'_>,
        (from, to): (&Reading, &Reading),
        packets: u64,
        outcome: &mut Outcome,
    ) {
        let spent = spent(&from.cpu, &to.cpu);
        let seconds = spent.seconds.max(1e-6);
        let threads: f64 = self.told.iter().filter_map(|told| told.cpu_s.get(window.name)).sum();
        let senders = threads.min(spent.programs);
        set(outcome, window, "cpu.total", spent.total / seconds);
        set(outcome, window, "cpu.senders", senders / seconds);
        if self.has_worker {
            set(outcome, window, "cpu.worker", spent.worker / seconds);
        }
        if let Some(process) = spent.process {
            set(outcome, window, "cpu.process", process / seconds);
        }
        let burdened =
            |load: &crate::spec::Load| load.start < window.to_s && load.stop > window.from_s;
        if self.scene.load.iter().any(burdened) {
            return;
        }
        let beyond = (spent.total - senders).max(0.0);
        set(outcome, window, "cpu.beyond", beyond / seconds);
        if packets > 0 {
            let each = |seconds: f64| seconds * 1e6 / packets as f64;
            set(outcome, window, "cpu.us_per_packet", each(beyond));
            set(outcome, window, "cpu.busy_us_per_packet", each(spent.total));
            if let Some(process) = spent.process {
                set(outcome, window, "cpu.process_us_per_packet", each(process));
            }
        }
    }
}
