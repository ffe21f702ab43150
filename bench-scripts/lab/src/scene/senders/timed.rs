//! Stamped datagrams at a rate, timed by the program that counts them on arrival.
//!
//! The sender spins on the senders' core and waits for nothing; an urgent one sleeps between two
//! datagrams, since it would let no other sender run. The time from a datagram's stamp to the program
//! is that of the way alone, without any process waking up in between.
//!
//! Invariant: a window covers the datagrams that were stamped in it and that the program still
//! remembers at the end, the last [`REMEMBERED`] of the scene.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::traffic::{Pace, Sending, Source};

use super::exchange::{delays, histogram, quantities};
use super::places::{Sinks, senders};
use super::{Offered, Running, Told, flows};
use crate::scene::marks::Marks;
use crate::scene::meters::rates::Rates;
use crate::scene::timeline::{Edge, Timeline};
use crate::spec::Traffic;
use crate::stage::{SENDERS, Stage};

/// Remembered by the program at the far end.
const REMEMBERED: u64 = 1 << 16;
/// The sender ends by itself this long after its time.
const SPARE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Timed<'a> {
    rates: &'a Rates,
    sending: Sending,
    /// Datagrams sent.
    marks: Marks<(u64, Instant)>,
    name: String,
    who: Option<String>,
    frame: u32,
    spins: bool,
    _sinks: Sinks,
}

/// Sends from now on: it is timed in windows only.
pub(super) fn start<'a>(
    traffic: &Traffic,
    stage: &Stage,
    timeline: &Timeline,
    rates: &'a Rates,
) -> Result<Timed<'a>> {
    let frame = flows::frame(traffic, stage.scene())?;
    let senders = senders(stage, traffic)?;
    let sinks = Sinks::open(&senders, 0)?;
    let sender = senders.first().context("no sender")?;
    let to = sender.to.first().and_then(|to| sinks.at(to)).context("no socket at the receiver")?;
    let rate = traffic.pps.context("no rate")?.round() as u64;
    let source = Source {
        size: (frame - flows::headers(traffic.family)) as usize,
        pace: if traffic.urgent { Pace::Rate(rate) } else { Pace::Spin(rate) },
        time: timeline.of(traffic).1.saturating_duration_since(Instant::now()) + SPARE,
        core: Some(SENDERS),
        urgent: traffic.urgent,
        ..Source::to(to)
    };
    let who = sender.whose.first().cloned().flatten();
    let name = traffic.name.clone().or_else(|| who.clone());
    Ok(Timed {
        rates,
        sending: source.start(sender.from.ns)?,
        marks: Marks::new(timeline),
        name: name.unwrap_or_else(|| traffic.from.to_string()),
        who,
        frame,
        spins: !traffic.urgent,
        _sinks: sinks,
    })
}

impl Running for Timed<'_> {
    fn mark(&mut self, window: usize, edge: Edge) {
        self.marks.note(window, edge, (self.sending.so_far(), Instant::now()));
    }

    fn finish(self: Box<Self>) -> Result<Told> {
        let Self { rates, sending, marks, name, who, frame, spins, _sinks } = *self;
        let (mut told, sent) = (Told::default(), sending.stop()?.frames);
        for (window, from, to) in marks.pairs() {
            let frames = to.0 - from.0;
            let first = from.0.max(sent.saturating_sub(REMEMBERED)).min(to.0);
            let mut times = histogram()?;
            for ns in rates.delays_ns(number(first)..number(to.0))? {
                times.saturating_record(ns);
            }
            if times.is_empty() {
                told.notes.push(format!("none of {name} arrived in `{}`", window.name));
            }
            told.values.extend(quantities(&window.name, &name, delays(&times)));
            told.offered.extend(Offered::of(&window.name, who.as_ref(), frames, frame));
            if spins {
                told.cpu_s.insert(window.name.clone(), (to.1 - from.1).as_secs_f64());
            }
        }
        Ok(told)
    }
}

fn number(datagram: u64) -> u32 {
    u32::try_from(datagram).unwrap_or(u32::MAX)
}
