//! Datagrams, flat out or at a rate, to one place or to several in turn: in batches (`flood`), past the
//! senders' stacks (`live`), or stamped and timed by the program that counts them on arrival (`timed`).
//!
//! A thread for each sender and connection. A sender with several destinations serves them in turn, so
//! that each is offered the same. A sender of timed datagrams spins and waits for nothing; an urgent one
//! sleeps between two datagrams, since it would let no other sender run. The time from a datagram's
//! stamp to the program is that of the way alone, without any process waking up in between.
//!
//! Invariant: see the module above. The schedule of a rate is absolute: a late datagram does not delay
//! later ones. Timed are those datagrams of a window that the program still remembers at the end, the
//! last [`REMEMBERED`] of the scene.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, UdpSocket};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::traffic::Sending;
use weir_probe::report::SendReport;
use weir_probe::send::{Front, Order};
use weir_probe::sizes::Sizes;
use weir_probe::timing::Spread;

use super::live::{Beam, PORT};
use super::{Passed, Running, SoFar, Told, delays};
use crate::scene::cast::Pair;
use crate::scene::meters::Rates;
use crate::scene::timeline::Times;
use crate::spec::{Kind, Traffic};
use crate::stage::{SENDERS, Stage};

/// Remembered by the program at the far end.
const REMEMBERED: u64 = 1 << 16;

/// A sending thread.
#[derive(Debug)]
enum Source {
    Sockets(Sending),
    Program(Beam),
}

/// A socket at every receiver: a datagram that is not dropped before would otherwise be answered by
/// ICMP. They are never read.
type Sinks = BTreeMap<IpAddr, UdpSocket>;

#[derive(Debug)]
pub(super) struct Flood<'a> {
    sources: Vec<Source>,
    /// The owners of the frames, by source and place.
    whose: Vec<Option<String>>,
    frame: u32,
    what: String,
    /// Has the delays of timed datagrams, and their name.
    timed: Option<(&'a Rates<'a>, String)>,
    _sinks: Sinks,
}

pub(super) fn start<'a>(
    traffic: &Traffic,
    flows: &[Pair<'_>],
    stage: &Stage,
    times: &Times,
    rates: &'a Rates<'_>,
) -> Result<Flood<'a>> {
    let is_live = traffic.kind == Kind::Live;
    let sinks = sinks(flows, if is_live { PORT } else { 0 })?;
    let (mut sources, mut whose) = (Vec::new(), Vec::new());
    for flows in flows.chunk_by(|one, next| one.from.ns.name() == next.from.ns.name()) {
        for connection in 0..traffic.connections {
            sources.push(if is_live {
                Source::Program(Beam::start(traffic, stage, flows, connection, times)?)
            } else {
                Source::Sockets(sending(traffic, flows, &sinks, times)?)
            });
            whose.extend(flows.iter().map(|flow| flow.who.clone()));
        }
    }
    let what = match traffic.kind {
        Kind::Live => "live frames",
        Kind::Timed => "timed datagrams",
        _ => "the flood",
    };
    let timed = (traffic.kind == Kind::Timed).then(|| {
        let who = flows.first().and_then(|flow| flow.who.as_deref());
        (rates, traffic.flow_name(who, flows.len()))
    });
    let what = format!("{what} from {} to {}", traffic.from, traffic.to);
    Ok(Flood { sources, whose, frame: traffic.frame_length()?, what, timed, _sinks: sinks })
}

/// Opens a port at every place, any free one if it is 0; a port that another traffic has open already
/// will do.
fn sinks(flows: &[Pair<'_>], port: u16) -> Result<Sinks> {
    let mut sinks = Sinks::new();
    for Pair { to, .. } in flows {
        if sinks.contains_key(&to.addr) {
            continue;
        }
        let socket = to.ns.run(|| match UdpSocket::bind((to.addr, port)) {
            Err(error) if port > 0 && error.kind() == ErrorKind::AddrInUse => Ok(None),
            bound => Ok(Some(bound?)),
        });
        let socket = socket.with_context(|| format!("a socket at {}", to.addr))?;
        sinks.extend(socket.map(|socket| (to.addr, socket)));
    }
    Ok(sinks)
}

/// The sockets of one sender.
fn sending(traffic: &Traffic, flows: &[Pair<'_>], sinks: &Sinks, times: &Times) -> Result<Sending> {
    let at = |flow: &Pair<'_>| {
        let sink = sinks.get(&flow.to.addr).context("no socket at the receiver")?;
        Ok(sink.local_addr()?)
    };
    let to = flows.iter().map(at).collect::<Result<Vec<_>>>()?;
    let first = flows.first().context("no receiver")?;
    let is_timed = traffic.kind == Kind::Timed;
    let usual = Order::to(at(first)?);
    let order = Order {
        // Each place is offered the rate.
        rate: traffic.rate(to.len() as f64),
        sizes: Sizes::one(traffic.payload()?),
        duration: Some(times.stop.saturating_duration_since(times.start.max(Instant::now()))),
        grace: Duration::ZERO,
        core: Some(SENDERS),
        spin: is_timed && !traffic.urgent,
        // A late sender of timed datagrams catches up one by one.
        batch: if is_timed { 1 } else { usual.batch },
        front: if is_timed { Front::Stamp { flow: 0 } } else { Front::Blank },
        ..usual
    };
    Sending::start(first.from.ns, &to, order, times.start, traffic.urgent)
}

impl Source {
    fn so_far(&self) -> Result<SoFar> {
        match self {
            Self::Sockets(sending) => Ok(SoFar { frames: sending.each(), cpu: sending.cpu() }),
            Self::Program(beam) => beam.so_far(),
        }
    }

    fn join(&mut self) -> Result<SendReport> {
        match self {
            Self::Sockets(sending) => sending.join(),
            // Its frames are counted by the program.
            Self::Program(beam) => beam.join().map(|()| SendReport::default()),
        }
    }
}

impl Running for Flood<'_> {
    fn so_far(&self) -> Result<SoFar> {
        let mut all = SoFar::default();
        for source in &self.sources {
            let SoFar { frames, cpu } = source.so_far().with_context(|| self.what.clone())?;
            all.frames.extend(frames);
            all.cpu += cpu;
        }
        Ok(all)
    }

    fn finish(mut self: Box<Self>, windows: &[Passed]) -> Result<Told> {
        let (mut told, mut sent, mut refused) = (Told::default(), 0, 0);
        for source in &mut self.sources {
            let report = source.join().with_context(|| self.what.clone())?;
            sent += report.datagrams;
            refused += report.refused.values().sum::<u64>();
        }
        if refused > 0 {
            told.notes.push(format!("{}: the kernel refused {refused} sends", self.what));
        }
        for window in windows {
            for (who, numbers) in self.whose.iter().zip(&window.frames) {
                let frames = numbers.end - numbers.start;
                told.offer(&window.name, who.as_ref(), frames, frames * u64::from(self.frame));
                if let Some((rates, name)) = &self.timed {
                    let times = remembered(rates, numbers, sent)?;
                    if times.is_empty() {
                        told.notes.push(format!("none of {name} arrived in `{}`", window.name));
                    }
                    told.add(&window.name, name, delays(&times));
                }
            }
        }
        Ok(told)
    }
}

/// The delays of datagrams with these numbers, when `sent` were sent in all.
fn remembered(rates: &Rates<'_>, numbers: &Range<u64>, sent: u64) -> Result<Spread> {
    let number = |datagram: u64| u32::try_from(datagram).unwrap_or(u32::MAX);
    let first = numbers.start.max(sent.saturating_sub(REMEMBERED)).min(numbers.end);
    let mut times = Spread::default();
    for ns in rates.delays_ns(number(first)..number(numbers.end))? {
        times.record(ns);
    }
    Ok(times)
}
