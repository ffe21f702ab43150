//! Probes of weir: delays, jitter and loss of numbered datagrams, one run for each window: a listener
//! that is there before the window begins, a sender for as long as it lasts.
//!
//! One way, the time of arrival is the kernel's: its receipt by the far end's stack. The time at which
//! the sink itself runs depends on the other load of its core, such as a worker that spins there, and
//! does not describe the way. A reflector's answer is part of the measurement: so it runs like an
//! urgent sender, ahead of the others on the senders' core.
//!
//! Invariant: nothing is sent outside windows; the sender begins and ends with the window. Without
//! arrivals there is a loss of 1 and no delay.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use system_tests::traffic::Sink;
use system_tests::wait::{Halt, wait_for};
use system_tests::{Ns, StartedThread};
use weir_probe::report::{SendReport, SinkReport};
use weir_probe::send::{Order, send_measured};
use weir_probe::sink::{self, Options};
use weir_probe::sizes::Sizes;

use super::{Passed, Running, SoFar, Told, become_sender, delays};
use crate::scene::cast::Pair;
use crate::scene::timeline::{Span, Times};
use crate::spec::{Probing, Traffic};
use crate::stage::SENDERS;

/// How long before the window the listener starts.
const LEAD: Duration = Duration::from_millis(100);
/// A listener ends by itself when all its senders have ended.
const LINGER: Duration = Duration::from_secs(1);
/// A probe that could send for less than this part of its window reports it.
const ENOUGH: f64 = 0.9;

/// A flow in a window.
#[derive(Debug)]
struct Part {
    span: Span,
    /// Its name in quantities and in the meters.
    name: String,
    who: Option<String>,
    /// Returns nothing if it was ended early.
    run: StartedThread<Option<Ran>>,
}

/// The reports of both ends, and their processor time in the window.
#[derive(Debug)]
struct Ran {
    sent: SendReport,
    came: SinkReport,
    cpu: Duration,
}

#[derive(Debug)]
pub(super) struct Probes {
    probing: Probing,
    parts: Vec<Part>,
}

pub(super) fn start(traffic: &Traffic, flows: &[Pair<'_>], times: &Times) -> Result<Probes> {
    let (mut parts, halt) = (Vec::new(), Halt::default());
    let mut names = BTreeSet::new();
    for Pair { from, to, who } in flows {
        let name = traffic.flow_name(who.as_deref(), flows.len());
        ensure!(
            names.insert(name.clone()),
            "two probes of {name} cannot be told apart: let each sender have one receiver"
        );
        for span in &times.windows {
            let (traffic, within, addr) = (traffic.clone(), span.clone(), to.addr);
            let (from, to) = (from.ns.path(), to.ns.path());
            let run = StartedThread::new(&halt, move |halt| {
                run(&traffic, [&from, &to], addr, &within, halt)
            });
            parts.push(Part { span: span.clone(), name: name.clone(), who: who.clone(), run });
        }
    }
    Ok(Probes { probing: traffic.probing, parts })
}

/// Sends from one namespace to an address of another. Returns `None` if it was ended early. The calling
/// thread becomes the sender, and lends its core and its priority to the listener if that is to run like
/// the sender.
fn run(
    traffic: &Traffic,
    [from, to]: [&Path; 2],
    addr: IpAddr,
    span: &Span,
    halt: &Halt,
) -> Result<Option<Ran>> {
    if !halt.wait_until(span.from.checked_sub(LEAD).unwrap_or(span.from)) {
        return Ok(None);
    }
    let reflect = traffic.probing == Probing::RoundTrip;
    let as_sender = traffic.urgent && reflect;
    if as_sender {
        become_sender(traffic.urgent)?;
    }
    Ns::enter(to)?;
    let bind = Some(addr);
    let options = Options { bind, reflect, kernel_stamps: !reflect, ..Options::default() };
    let mut listener = Sink::of(sink::Sink::open(options)?);
    if !as_sender {
        become_sender(traffic.urgent)?;
    }
    Ns::enter(from)?;
    if !halt.wait_until(span.from) {
        return Ok(None);
    }
    let before = listener.cpu();
    let order = Order {
        rate: traffic.rate(f64::from(traffic.connections)),
        burst: burst(traffic),
        sizes: Sizes::one(traffic.payload()?),
        flows: traffic.connections as u16,
        duration: Some(span.to.saturating_duration_since(Instant::now())),
        grace: Duration::ZERO,
        core: Some(SENDERS),
        ..Order::to(listener.addr())
    };
    let (sent, took) = send_measured(&order, halt.flag()).context("the sender")?;
    if halt.is_said() {
        return Ok(None);
    }
    let cpu = took + listener.cpu().saturating_sub(before);
    // A listener that missed its sender's end does not end by itself.
    let _ = wait_for(LINGER, "the listener", || listener.is_over());
    let came = listener.end().context("the receiver")?;
    Ok(Some(Ran { sent, came, cpu }))
}

/// Datagrams that are sent together: all that is due in the time of a burst.
fn burst(traffic: &Traffic) -> u64 {
    let due = traffic.pps.unwrap_or(0.0) * f64::from(traffic.connections) * traffic.burst;
    (due.round() as u64).max(1)
}

impl Running for Probes {
    /// The runs are those of windows: each counts for itself.
    fn so_far(&self) -> Result<SoFar> {
        Ok(SoFar::default())
    }

    fn finish(mut self: Box<Self>, _: &[Passed]) -> Result<Told> {
        let (mut told, mut ended) = (Told::default(), Ok(()));
        // All have ended before the first error is returned.
        for part in &mut self.parts {
            match part.run.join() {
                Ok(Some(ran)) => part.tell(&ran, self.probing, &mut told),
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
    fn tell(&self, Ran { sent, came, cpu }: &Ran, probing: Probing, told: &mut Told) {
        let Self { span, name, who, .. } = self;
        // By the sink's report of this sender's session, or by the replies to the sender: distinct
        // arrivals, their delays and their jitter.
        let came = match probing {
            Probing::OneWay => {
                let session = came.sessions.iter().find(|one| one.session == sent.session);
                session.map(|one| (one.unique, &one.latency, one.jitter_mean_ns))
            }
            Probing::RoundTrip => {
                let trips = sent.round_trips.as_ref();
                trips.map(|trips| (trips.unique, &trips.rtt, trips.jitter_mean_ns))
            }
        };
        let unique = came.map_or(0, |(unique, ..)| unique);
        let mut values = Vec::new();
        if sent.datagrams > 0 {
            let lost = sent.datagrams.saturating_sub(unique);
            values.push(("loss", lost as f64 / sent.datagrams as f64));
        }
        if let Some((_, times, jitter_ns)) = came.filter(|_| unique > 0) {
            values.extend(delays(times));
            values.push(("jitter_us", jitter_ns as f64 / 1000.0));
        }
        told.add(&span.name, name, values);
        told.offer(&span.name, who.as_ref(), sent.datagrams, sent.frame_bytes);
        *told.cpu_s.entry(span.name.clone()).or_default() += cpu.as_secs_f64();
        let sent_for = Duration::from_nanos(sent.elapsed_ns).as_secs_f64();
        let wanted = span.seconds();
        if sent_for < ENOUGH * wanted {
            told.notes.push(format!(
                "the probe of {name} sent for {sent_for:.2} of the {wanted:.2} s of `{}`",
                span.name
            ));
        }
    }
}
