//! Probes of weir: delays, jitter and loss of numbered datagrams, one run for each window.
//!
//! One way, the time of arrival is the kernel's: its receipt by the far end's stack. The time at which
//! the sink itself runs depends on the other load of its core, such as a worker that spins there, and
//! does not describe the way. A reflector's answer is part of the measurement: so it runs like an
//! urgent sender, ahead of the others on the senders' core.
//!
//! - `run`: one run, from the sink's socket to both reports
//!
//! Invariant: nothing is sent outside windows; the sender begins and ends with the window.

mod run;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, ensure};
use system_tests::wait::Halt;

use self::run::{Ran, Run};
use super::exchange::quantities;
use super::flows::{Times, name};
use super::{Offered, Running, Told};
use crate::scene::cast::{Pair, pairs};
use crate::scene::timeline::{Span, Timeline};
use crate::spec::Traffic;
use crate::stage::Stage;

/// A probe that could send for less than this part of its window reports it.
const ENOUGH: f64 = 0.9;

pub(super) fn start(traffic: &Traffic, stage: &Stage, timeline: &Timeline) -> Result<Probes> {
    start_on(traffic, &pairs(stage, traffic)?, &Times::of(traffic, timeline))
}

/// A flow in a window.
#[derive(Debug)]
struct Part {
    span: Span,
    /// Its name in quantities and in the meters.
    name: String,
    who: Option<String>,
}

#[derive(Debug)]
pub(super) struct Probes {
    /// A run that was ended early returns nothing.
    runs: Vec<(Part, JoinHandle<Result<Option<Ran>>>)>,
    halt: Halt,
}

fn start_on(traffic: &Traffic, flows: &[Pair<'_>], times: &Times) -> Result<Probes> {
    let mut probes = Probes { runs: Vec::new(), halt: Halt::default() };
    let mut names = BTreeSet::new();
    for flow in flows {
        let name = name(traffic, flow.who.as_deref(), flows.len());
        ensure!(
            names.insert(name.clone()),
            "two probes of {name} cannot be told apart: let each sender have one receiver"
        );
        for span in &times.windows {
            let run = Run::new(traffic, flow, (times.at(span.from), times.at(span.to)));
            let halt = probes.halt.clone();
            let part = Part { span: span.clone(), name: name.clone(), who: flow.who.clone() };
            probes.runs.push((part, std::thread::spawn(move || run.run(&halt))));
        }
    }
    Ok(probes)
}

impl Running for Probes {
    fn finish(mut self: Box<Self>) -> Result<Told> {
        let (mut told, mut ended) = (Told::default(), Ok(()));
        // All have ended before the first error is returned.
        for (part, thread) in self.runs.drain(..) {
            match thread.join().map_err(|_| anyhow!("a probe's thread panicked")).flatten() {
                Ok(Some(ran)) => part.tell(&ran, &mut told),
                Ok(None) => {}
                Err(error) => {
                    let whose = || format!("the probe of {} in `{}`", part.name, part.span.name);
                    ended = ended.and(Err(error).with_context(whose));
                }
            }
        }
        ended.map(|()| told)
    }
}

impl Part {
    fn tell(&self, ran: &Ran, told: &mut Told) {
        let Self { span, name, who } = self;
        told.values.extend(quantities(&span.name, name, ran.values.clone()));
        *told.cpu_s.entry(span.name.clone()).or_default() += ran.cpu.as_secs_f64();
        told.offered.extend(who.clone().map(|who| Offered {
            window: span.name.clone(),
            who,
            frames: ran.frames,
            bytes: ran.bytes,
        }));
        let (sent, wanted) = (ran.sent_for.as_secs_f64(), (span.to - span.from).as_secs_f64());
        if sent < ENOUGH * wanted {
            told.notes.push(format!(
                "the probe of {name} sent for {sent:.2} of the {wanted:.2} s of `{}`",
                span.name
            ));
        }
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.halt.say();
        self.runs.drain(..).for_each(|(_, thread)| drop(thread.join()));
    }
}
