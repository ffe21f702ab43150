//! UDP datagrams in batches, flat out or at a rate, to one place or to several in turn.
//!
//! A thread for each sender and connection. A sender with several destinations serves them in turn, so
//! that each is offered the same.
//!
//! Invariant: see the module above. The schedule of a rate is absolute: a late datagram does not delay
//! later ones.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::traffic::Sending;
use weir_probe::send::{Front, Order};
use weir_probe::sizes::Sizes;

use super::places::{Sinks, senders};
use super::{Running, Sent, Told, flows};
use crate::scene::marks::Marks;
use crate::scene::timeline::{Edge, Timeline};
use crate::spec::Traffic;
use crate::stage::{SENDERS, Stage};

/// A sending thread.
#[derive(Debug)]
struct Stream {
    /// The owner of the frames, for each place.
    whose: Vec<Option<String>>,
    sending: Sending,
}

#[derive(Debug)]
pub(super) struct Flood {
    streams: Vec<Stream>,
    marks: Marks<Vec<Sent>>,
    frame: u32,
    what: String,
    _sinks: Sinks,
}

pub(super) fn start(traffic: &Traffic, stage: &Stage, timeline: &Timeline) -> Result<Flood> {
    let scene = stage.scene();
    let frame = flows::frame(traffic, scene)?;
    let (begin, end) = timeline.of(traffic);
    let senders = senders(stage, traffic)?;
    let sinks = Sinks::open(&senders, 0)?;
    let mut streams = Vec::new();
    for sender in &senders {
        let to = sender.to.iter().map(|to| sinks.at(to).context("no socket at the receiver"));
        let to = to.collect::<Result<Vec<_>>>()?;
        let order = Order {
            // Each place is offered the rate.
            rate: flows::rate(traffic, to.len() as f64),
            sizes: Sizes::one(frame - flows::headers(traffic.family)),
            duration: Some(end.saturating_duration_since(begin.max(Instant::now()))),
            grace: Duration::ZERO,
            core: Some(SENDERS),
            front: Front::Blank,
            ..Order::to(*to.first().context("no receiver")?)
        };
        for _ in 0..traffic.connections.max(1) {
            let sending =
                Sending::start(sender.from.ns, &to, order.clone(), begin, traffic.urgent)?;
            streams.push(Stream { whose: sender.whose.clone(), sending });
        }
    }
    let what = format!("the flood from {} to {}", traffic.from, traffic.to);
    Ok(Flood { streams, marks: Marks::new(timeline), frame, what, _sinks: sinks })
}

impl Running for Flood {
    fn mark(&mut self, window: usize, edge: Edge) {
        let counted = |stream: &Stream| (stream.sending.each(), stream.sending.cpu());
        self.marks.note(window, edge, self.streams.iter().map(counted).collect());
    }

    fn finish(mut self: Box<Self>) -> Result<Told> {
        let mut told = Told::default();
        let mut refused = 0;
        for stream in &mut self.streams {
            refused += stream.sending.join().with_context(|| self.what.clone())?.refused;
        }
        if refused > 0 {
            told.notes.push(format!("{}: the kernel refused {refused} sends", self.what));
        }
        let whose: Vec<_> = self.streams.iter().map(|stream| &stream.whose[..]).collect();
        told.add_sent(&self.marks, &whose, self.frame);
        Ok(told)
    }
}
