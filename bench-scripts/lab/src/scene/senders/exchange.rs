//! Requests and responses over TCP, for `ask` and `records`: each connection sends a request, and the
//! next as soon as it is answered: a closed loop. A request is answered by as many bytes, a record by
//! one. The response time covers what was answered in a window, throughput the bytes that came in it.
//!
//! - `line`: one end of a connection; `ends`: the loops of both
//!
//! Invariant: no thread waits so long for the network that it would miss the end of its time. A path
//! without any response is an error, reported when the traffic is over.

mod ends;
mod line;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use system_tests::Ns;
use system_tests::cpu::ThreadTime;
use system_tests::wait::{Halt, wait_ok};

use super::flows::{Times, name};
use super::{Running, Told, become_sender};
use crate::scene::cast::{Pair, pairs};
use crate::scene::marks::Marks;
use crate::scene::timeline::{Edge, Span, Timeline};
use crate::spec::{Kind, Traffic};
use crate::stage::Stage;

/// A handshake beside floods may have to be repeated; one that takes longer than this fails.
const CONNECT: Duration = Duration::from_secs(10);
/// A minute; a longer time counts as that.
const LONGEST_NS: u64 = 1 << 36;
const DIGITS: u8 = 3;
/// Bytes of a request.
const USUAL: u32 = 64;

/// Bytes each way.
#[derive(Clone, Copy, Debug)]
struct Terms {
    request: usize,
    response: usize,
}

impl Terms {
    /// A record is acknowledged by one byte.
    fn of(traffic: &Traffic) -> Self {
        let request = traffic.size.unwrap_or(USUAL) as usize;
        Self { request, response: if traffic.kind == Kind::Records { 1 } else { request } }
    }
}

/// The counts of one end of a connection by window, or of several together: a client's times, a
/// server's bytes.
#[derive(Debug)]
struct Tally {
    times: Vec<Histogram<u64>>,
    received: Vec<u64>,
}

/// One flow's connections under way.
#[derive(Debug)]
struct Talk {
    name: String,
    who: Option<String>,
    /// Servers and clients.
    ends: Vec<JoinHandle<Result<Tally>>>,
    cpu: Vec<Arc<ThreadTime>>,
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
    /// Processor time of all ends.
    marks: Marks<Duration>,
    halt: Halt,
}

/// Connects at once, and sends the first request at its time.
pub(super) fn start(traffic: &Traffic, stage: &Stage, timeline: &Timeline) -> Result<Exchange> {
    begin(traffic, &pairs(stage, traffic)?, timeline)
}

fn begin(traffic: &Traffic, flows: &[Pair<'_>], timeline: &Timeline) -> Result<Exchange> {
    let mut exchange = Exchange {
        terms: Terms::of(traffic),
        records: traffic.kind == Kind::Records,
        times: Times::of(traffic, timeline),
        name: traffic.name.clone(),
        talks: Vec::new(),
        marks: Marks::new(timeline),
        halt: Halt::default(),
    };
    for flow in flows {
        let name = name(traffic, flow.who.as_deref(), flows.len());
        let talk = exchange.talk(traffic, flow, name.clone());
        exchange.talks.push(talk.with_context(|| format!("{name} to {}", flow.to.addr))?);
    }
    Ok(exchange)
}

impl Exchange {
    /// Both ends share a core, since only one end of a connection is active at a time. On another core a
    /// server would wait for a worker that spins there, or take its core from it; and an end on an idle
    /// core takes longer to wake than any way takes to forward.
    fn talk(&self, traffic: &Traffic, flow: &Pair<'_>, name: String) -> Result<Talk> {
        let (near, far) = connect(flow, traffic.connections as usize)?;
        let mut talk = Talk { name, who: flow.who.clone(), ends: Vec::new(), cpu: Vec::new() };
        let servers = far.into_iter().map(|stream| (stream, ends::serve as End));
        let clients = near.into_iter().map(|stream| (stream, ends::ask as End));
        for (stream, end) in servers.chain(clients) {
            let (terms, times, halt) = (self.terms, self.times.clone(), self.halt.clone());
            let (urgent, cpu) = (traffic.urgent, Arc::new(ThreadTime::default()));
            talk.cpu.push(Arc::clone(&cpu));
            talk.ends.push(std::thread::spawn(move || {
                cpu.begin();
                let result = become_sender(urgent).and_then(|()| end(stream, &terms, &times, halt));
                cpu.end();
                result
            }));
        }
        Ok(talk)
    }
}

/// A thread's function for its end of a connection.
type End = fn(TcpStream, &Terms, &Times, Halt) -> Result<Tally>;

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
    let near = dial(flow.from.ns, to, count)?;
    let accept = || Ok(listener.accept()?.0);
    let far = (0..count).map(|_| wait_ok(CONNECT, "a connection to arrive", accept));
    Ok((near, far.collect::<Result<_>>()?))
}

fn dial(from: &Ns, to: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let until = Instant::now() + CONNECT;
    from.run(|| {
        let one = |_| {
            let left = until.saturating_duration_since(Instant::now());
            // A zero time would be refused as an argument.
            let stream = TcpStream::connect_timeout(&to, left.max(Duration::from_millis(1)));
            stream.with_context(|| format!("no connection to {to}"))
        };
        (0..count).map(one).collect()
    })
}

impl Tally {
    fn new(windows: usize) -> Result<Self> {
        let times = (0..windows).map(|_| histogram()).collect::<Result<_>>()?;
        Ok(Self { times, received: vec![0; windows] })
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        for (sum, more) in self.times.iter_mut().zip(&other.times) {
            sum.add(more).context("histograms of different bounds")?;
        }
        self.received.iter_mut().zip(&other.received).for_each(|(sum, more)| *sum += more);
        Ok(())
    }
}

impl Talk {
    /// Waits for all connections; returns the first error when all have ended.
    fn finish(&mut self, windows: usize) -> Result<Tally> {
        let (mut sum, mut ended) = (Tally::new(windows)?, Ok(()));
        // Clients first: their errors are the most exact.
        for end in self.ends.drain(..).rev() {
            match end.join().map_err(|_| anyhow!("a thread panicked")).flatten() {
                Ok(tally) => sum.add(&tally)?,
                Err(error) => ended = ended.and(Err(error)),
            }
        }
        ended.with_context(|| self.name.clone())?;
        Ok(sum)
    }
}

impl Running for Exchange {
    fn mark(&mut self, window: usize, edge: Edge) {
        let ends = self.talks.iter().flat_map(|talk| &talk.cpu);
        self.marks.note(window, edge, ends.map(|cpu| cpu.so_far()).sum());
    }

    fn finish(mut self: Box<Self>) -> Result<Told> {
        let windows = self.times.windows.len();
        let (mut told, mut all) = (Told::default(), Tally::new(windows)?);
        let mut talks = std::mem::take(&mut self.talks);
        // All have ended before the first error is returned.
        let sums: Vec<Result<Tally>> = talks.iter_mut().map(|talk| talk.finish(windows)).collect();
        let mut named: BTreeMap<&str, Tally> = BTreeMap::new();
        for (talk, sum) in talks.iter().zip(sums) {
            let sum = sum?;
            all.add(&sum)?;
            if let Some(who) = talk.who.as_ref().filter(|_| self.records) {
                let parts = self.times.windows.iter().zip(&sum.received);
                told.goodput_mbit.extend(parts.map(|(span, received)| {
                    (span.name.clone(), who.clone(), goodput_mbit(span, *received))
                }));
            }
            named.entry(&talk.name).or_insert(Tally::new(windows)?).add(&sum)?;
        }
        for (name, sum) in &named {
            self.tell(name, sum, &mut told);
        }
        if talks.len() > 1 {
            self.tell(self.name.as_deref().unwrap_or("all"), &all, &mut told);
        }
        for (window, from, to) in self.marks.pairs() {
            told.cpu_s.insert(window.name.clone(), to.saturating_sub(*from).as_secs_f64());
        }
        Ok(told)
    }
}

impl Exchange {
    fn tell(&self, name: &str, sum: &Tally, told: &mut Told) {
        let windows = self.times.windows.iter().zip(&sum.times).zip(&sum.received);
        for ((span, times), received) in windows {
            let mut values = delays(times);
            if self.records {
                // Whole records or not: the bytes that came in the window.
                let bytes_per_s = *received as f64 / seconds(span);
                values.push(("records_per_s", bytes_per_s / self.terms.request as f64));
            } else {
                let answers_per_s = times.len() as f64 / seconds(span);
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
            told.values.extend(quantities(&span.name, name, values));
        }
    }
}

pub(super) fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_NS, DIGITS).context("the bounds of delays")
}

fn seconds(span: &Span) -> f64 {
    (span.to - span.from).as_secs_f64()
}

fn goodput_mbit(span: &Span, bytes: u64) -> f64 {
    bytes as f64 * 8e-6 / seconds(span)
}

/// With their full names.
pub(super) fn quantities(
    window: &str,
    name: &str,
    values: Vec<(&'static str, f64)>,
) -> impl Iterator<Item = (String, f64)> {
    values.into_iter().map(move |(what, value)| (format!("{window}.{name}.{what}"), value))
}

/// Empty without times.
pub(super) fn delays(times: &Histogram<u64>) -> Vec<(&'static str, f64)> {
    if times.is_empty() {
        return Vec::new();
    }
    let at = |quantile| times.value_at_quantile(quantile) as f64 / 1000.0;
    vec![
        ("mean_us", times.mean() / 1000.0),
        ("sd_us", times.stdev() / 1000.0),
        ("p50_us", at(0.5)),
        ("p99_us", at(0.99)),
        ("p999_us", at(0.999)),
    ]
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.halt.say();
        for talk in &mut self.talks {
            talk.ends.drain(..).for_each(|end| drop(end.join()));
        }
    }
}
