//! Requests and responses over TCP, for `ask` and `records`: each connection sends a request, and the
//! next as soon as it is answered: a closed loop. A request is answered by as many bytes, a record by
//! one. The response time covers what was answered in a window, throughput the bytes that came in it.
//! `ends` has the loops of both ends.
//!
//! Invariant: no thread waits so long for the network that it would miss the end of its time. A path
//! without any response is an error, reported when the traffic is over.

mod ends;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::StartedThread;
use system_tests::wait::{Halt, wait_ok};
use weir_probe::timing::Spread;

use super::{Passed, Running, SoFar, Told, become_sender, delays};
use crate::scene::cast::Pair;
use crate::scene::timeline::{Span, Times};
use crate::spec::{Kind, Traffic};

/// A handshake beside floods may have to be repeated; one that takes longer than this fails.
const CONNECT: Duration = Duration::from_secs(10);

/// Bytes each way.
#[derive(Clone, Copy, Debug)]
struct Terms {
    request: usize,
    response: usize,
}

/// The counts of one end of a connection in a window, or of several together: a client's times, a
/// server's bytes.
#[derive(Clone, Debug, Default)]
struct Counted {
    times: Spread,
    received: u64,
}

/// By window.
type Tally = Vec<Counted>;

/// One flow's connections under way.
#[derive(Debug)]
struct Talk {
    name: String,
    who: Option<String>,
    /// Servers and clients.
    ends: Vec<StartedThread<Tally>>,
}

#[derive(Debug)]
pub(super) struct Exchange {
    terms: Terms,
    /// The servers' received bytes are throughput.
    records: bool,
    times: Times,
    /// The traffic's name.
    name: Option<String>,
    talks: Vec<Talk>,
}

/// Connects at once, and sends the first request at its time.
pub(super) fn start(traffic: &Traffic, flows: &[Pair<'_>], times: Times) -> Result<Exchange> {
    let records = traffic.kind == Kind::Records;
    let request = traffic.size.context("it has no size")? as usize;
    // A record is acknowledged by one byte.
    let terms = Terms { request, response: if records { 1 } else { request } };
    let (mut talks, halt) = (Vec::new(), Halt::default());
    for flow in flows {
        let name = traffic.flow_name(flow.who.as_deref(), flows.len());
        let ends = talk(traffic, flow, terms, &times, &halt)
            .with_context(|| format!("{name} to {}", flow.to.addr))?;
        talks.push(Talk { name, who: flow.who.clone(), ends });
    }
    Ok(Exchange { terms, records, times, name: traffic.name.clone(), talks })
}

/// Both ends share a core, since only one end of a connection is active at a time. On another core a
/// server would wait for a worker that spins there, or take its core from it; and an end on an idle
/// core takes longer to wake than any way takes to forward.
fn talk(
    traffic: &Traffic,
    flow: &Pair<'_>,
    terms: Terms,
    times: &Times,
    halt: &Halt,
) -> Result<Vec<StartedThread<Tally>>> {
    let (near, far) = connect(flow, traffic.connections as usize)?;
    let servers = far.into_iter().map(|stream| (stream, ends::serve as End));
    let clients = near.into_iter().map(|stream| (stream, ends::ask as End));
    let thread = |(stream, end): (TcpStream, End)| {
        let (times, urgent) = (times.clone(), traffic.urgent);
        StartedThread::new(halt, move |halt| {
            become_sender(urgent)?;
            end(stream, terms, &times, halt)
        })
    };
    Ok(servers.chain(clients).map(thread).collect())
}

/// A thread's function for its end of a connection.
type End = fn(TcpStream, Terms, &Times, &Halt) -> Result<Tally>;

/// Both ends of `count` connections.
fn connect(flow: &Pair<'_>, count: usize) -> Result<(Vec<TcpStream>, Vec<TcpStream>)> {
    let addr = flow.to.addr;
    let listener = flow.to.ns.run(|| {
        let listener = TcpListener::bind((addr, 0));
        let listener = listener.with_context(|| format!("cannot listen at {addr}"))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })?;
    let to = listener.local_addr()?;
    let until = Instant::now() + CONNECT;
    let dial = |_| {
        let left = until.saturating_duration_since(Instant::now());
        // A zero time would be refused as an argument.
        let stream = TcpStream::connect_timeout(&to, left.max(Duration::from_millis(1)));
        stream.with_context(|| format!("no connection to {to}"))
    };
    let near = flow.from.ns.run(|| (0..count).map(dial).collect())?;
    let accept = || Ok(listener.accept()?.0);
    let far = (0..count).map(|_| wait_ok(CONNECT, "a connection to arrive", accept));
    Ok((near, far.collect::<Result<_>>()?))
}

fn add(sum: &mut [Counted], more: &[Counted]) {
    for (sum, more) in sum.iter_mut().zip(more) {
        sum.times.histogram += &more.times.histogram;
        sum.received += more.received;
    }
}

impl Talk {
    /// Waits for all connections; returns the first error when all have ended.
    fn finish(&mut self, mut sum: Tally) -> Result<Tally> {
        let mut ended = Ok(());
        // Clients first: their errors are the most exact.
        for end in self.ends.iter_mut().rev() {
            match end.join() {
                Ok(tally) => add(&mut sum, &tally),
                Err(error) => ended = ended.and(Err(error)),
            }
        }
        ended.with_context(|| self.name.clone()).map(|()| sum)
    }
}

impl Running for Exchange {
    fn so_far(&self) -> Result<SoFar> {
        let ends = self.talks.iter().flat_map(|talk| &talk.ends);
        Ok(SoFar { frames: Vec::new(), cpu: ends.map(StartedThread::cpu).sum() })
    }

    fn finish(mut self: Box<Self>, _: &[Passed]) -> Result<Told> {
        let mut told = Told::default();
        let nothing = vec![Counted::default(); self.times.windows.len()];
        // All have ended before the first error is returned.
        let sums: Vec<Result<Tally>> =
            self.talks.iter_mut().map(|talk| talk.finish(nothing.clone())).collect();
        let whole = self.name.as_deref().unwrap_or("all");
        let whole = Some(whole).filter(|_| self.talks.len() > 1);
        let mut named: BTreeMap<&str, Tally> = BTreeMap::new();
        for (talk, sum) in self.talks.iter().zip(sums) {
            let sum = sum?;
            if let Some(who) = talk.who.as_ref().filter(|_| self.records) {
                let parts = self.times.windows.iter().zip(&sum);
                told.goodput_mbit.extend(parts.map(|(span, counted)| {
                    (span.name.clone(), who.clone(), goodput_mbit(span, counted.received))
                }));
            }
            for name in [Some(talk.name.as_str()), whole].into_iter().flatten() {
                add(named.entry(name).or_insert_with(|| nothing.clone()), &sum);
            }
        }
        for (name, sum) in &named {
            self.tell(name, sum, &mut told);
        }
        Ok(told)
    }
}

impl Exchange {
    fn tell(&self, name: &str, sum: &[Counted], told: &mut Told) {
        for (span, Counted { times, received }) in self.times.windows.iter().zip(sum) {
            let mut values = delays(times);
            if self.records {
                // Whole records or not: the bytes that came in the window.
                let bytes_per_s = *received as f64 / span.seconds();
                values.push(("records_per_s", bytes_per_s / self.terms.request as f64));
            } else {
                let answers_per_s = times.histogram.len() as f64 / span.seconds();
                values.push(("answers_per_s", answers_per_s));
                // 1024 bytes, as load generators for services count them.
                let kbytes = answers_per_s * self.terms.response as f64 / 1024.0;
                values.push(("kbytes_per_s", kbytes));
            }
            // A VM's goodput adds to that of its other traffic.
            if self.records && self.name.as_deref() == Some(name) {
                values.push(("goodput_mbit", goodput_mbit(span, *received)));
            }
            if times.is_empty() {
                let what = if self.records { "record acknowledged" } else { "answer" };
                told.notes.push(format!("{name} had no {what} in `{}`", span.name));
            }
            told.add(&span.name, name, values);
        }
    }
}

fn goodput_mbit(span: &Span, bytes: u64) -> f64 {
    bytes as f64 * 8e-6 / span.seconds()
}
