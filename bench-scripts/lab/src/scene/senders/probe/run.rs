//! One run: a listener that is there before the window begins, a sender for as long as it lasts.
//! Invariant: without arrivals there is a loss of 1 and no delay.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::Ns;
use system_tests::traffic::Sink;
use system_tests::wait::{Halt, wait_for};
use weir_probe::report::SendReport;
use weir_probe::send::{Order, send_measured};
use weir_probe::sink::{self, Options};
use weir_probe::sizes::Sizes;
use weir_probe::timing::Spread;
use weir_probe::wire::FULL_LEN;

use crate::scene::cast::Pair;
use crate::scene::senders::{become_sender, flows};
use crate::spec::{Probing, Traffic};
use crate::stage::SENDERS;

/// How long before the window the listener starts.
const LEAD: Duration = Duration::from_millis(100);
/// A listener ends by itself when all its senders have ended.
const LINGER: Duration = Duration::from_secs(1);

/// Both ends of a run, and its beginning and end.
#[derive(Clone, Debug)]
pub(super) struct Run {
    /// Handles of the namespaces.
    from: PathBuf,
    to: PathBuf,
    addr: IpAddr,
    probing: Probing,
    urgent: bool,
    order: Order,
    begin: Instant,
    end: Instant,
}

/// The results of a run.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) values: Vec<(&'static str, f64)>,
    /// Frames that the sender's kernel accepted, whole frames.
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) sent_for: Duration,
    /// The time of both ends, in the window.
    pub(super) cpu: Duration,
}

impl Run {
    pub(super) fn new(
        traffic: &Traffic,
        flow: &Pair<'_>,
        (begin, end): (Instant, Instant),
    ) -> Self {
        let order = Order {
            rate: flows::rate(traffic, f64::from(traffic.connections)),
            burst: burst(traffic),
            sizes: Sizes::one(flows::payload(traffic, FULL_LEN as u32)),
            flows: traffic.connections as u16,
            duration: Some(end - begin),
            grace: Duration::ZERO,
            core: Some(SENDERS),
            ..Order::to(SocketAddr::new(flow.to.addr, 0))
        };
        Self {
            from: flow.from.ns.path(),
            to: flow.to.ns.path(),
            addr: flow.to.addr,
            probing: traffic.probing,
            urgent: traffic.urgent,
            order,
            begin,
            end,
        }
    }

    /// Returns `None` if it was ended early. The calling thread becomes the sender, and lends its core
    /// and its priority to the listener if that is to run like the sender.
    pub(super) fn run(&self, halt: &Halt) -> Result<Option<Ran>> {
        if !halt.wait_until(self.begin.checked_sub(LEAD).unwrap_or(self.begin)) {
            return Ok(None);
        }
        let as_sender = self.urgent && self.probing == Probing::RoundTrip;
        if as_sender {
            become_sender(self.urgent)?;
        }
        Ns::enter(&self.to)?;
        let mut listener = listener(self.addr, self.probing)?;
        if !as_sender {
            become_sender(self.urgent)?;
        }
        Ns::enter(&self.from)?;
        if !halt.wait_until(self.begin) {
            return Ok(None);
        }
        let before = listener.cpu();
        let left = self.end.saturating_duration_since(Instant::now());
        let order = Order { target: listener.addr(), duration: Some(left), ..self.order.clone() };
        let (sent, took) = send_measured(&order, halt.flag()).context("the sender")?;
        if halt.is_said() {
            return Ok(None);
        }
        let heard = listener.cpu().saturating_sub(before);
        // A listener that missed its sender's end does not end by itself.
        let _ = wait_for(LINGER, "the listener", || listener.is_over());
        let came = listener.end().context("the receiver")?;
        // By the sink's report of this sender's session, or by the replies to the sender.
        let session = came.sessions.iter().find(|one| one.session == sent.session);
        let one_way = session.map(|one| (one.unique, &one.latency, one.jitter_mean_ns));
        let trips = sent.round_trips.as_ref();
        let round_trip = trips.map(|trips| (trips.unique, &trips.rtt, trips.jitter_mean_ns));
        let found = match self.probing {
            Probing::OneWay => found(&sent, one_way),
            Probing::RoundTrip => found(&sent, round_trip),
        };
        Ok(Some(Ran { cpu: took + heard, ..found }))
    }
}

/// Datagrams that are sent together: all that is due in the time of a burst.
fn burst(traffic: &Traffic) -> u64 {
    let due = traffic.pps.unwrap_or(0.0) * f64::from(traffic.connections) * traffic.burst;
    (due.round() as u64).max(1)
}

/// A sink or a reflector in the calling thread's namespace.
fn listener(addr: IpAddr, probing: Probing) -> Result<Sink> {
    let reflect = probing == Probing::RoundTrip;
    let options =
        Options { bind: Some(addr), reflect, kernel_stamps: !reflect, ..Options::default() };
    Ok(Sink::of(sink::Sink::open(options)?))
}

/// `came`: the number of distinct arrivals, their delays, and their jitter.
fn found(sent: &SendReport, came: Option<(u64, &Spread, u64)>) -> Ran {
    let mut values = Vec::new();
    let unique = came.map_or(0, |(unique, ..)| unique);
    if sent.datagrams > 0 {
        let lost = sent.datagrams.saturating_sub(unique);
        values.push(("loss", lost as f64 / sent.datagrams as f64));
    }
    if let Some((_, delays, jitter_ns)) = came.filter(|_| unique > 0) {
        let summary = delays.summary();
        for (name, ns) in [
            ("mean_us", summary.mean_ns),
            ("p50_us", summary.p50_ns),
            ("p99_us", summary.p99_ns),
            ("p999_us", summary.p999_ns),
            ("jitter_us", jitter_ns),
        ] {
            values.push((name, ns as f64 / 1000.0));
        }
        values.push(("sd_us", delays.histogram.stdev() / 1000.0));
    }
    Ran {
        values,
        frames: sent.datagrams,
        bytes: sent.frame_bytes,
        sent_for: Duration::from_nanos(sent.elapsed_ns),
        cpu: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests;
