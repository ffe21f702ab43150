//! Bulk TCP by iperf3.
//!
//! Invariant: see the module above. Goodput is counted by the receivers, between the ends of a window.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use system_tests::Ns;
use system_tests::traffic::{Bulk, BulkSpec, Goodput};
use system_tests::wait::Halt;

use super::{Running, Told};
use crate::scene::cast::{Pair, pairs};
use crate::scene::marks::Marks;
use crate::scene::timeline::{Edge, Timeline};
use crate::spec::{Family, Traffic};
use crate::stage::{SENDERS, Stage};

/// Below the ports that the kernel assigns; each run has its own, so that no receiver has two on one.
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);
const FIRST_PORT: u16 = 5_300;
const PORTS: u16 = 20_000;

/// How often a client is checked.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Transfer {
    who: Option<String>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Goodput>>>,
}

#[derive(Debug, Default)]
struct Shared {
    halt: Halt,
    /// `None` when it has ended.
    bulk: Mutex<Option<Bulk>>,
    /// The time of both ends, when they have ended.
    time: Mutex<Duration>,
}

#[derive(Debug)]
pub(super) struct Tcp {
    transfers: Vec<Transfer>,
    marks: Marks<(Instant, Duration)>,
    name: Option<String>,
    /// The time in which it ran.
    span: (Instant, Instant),
    what: String,
}

pub(super) fn start(traffic: &Traffic, stage: &Stage, timeline: &Timeline) -> Result<Tcp> {
    let span = timeline.of(traffic);
    let mut extra = Vec::new();
    if let Some(size) = traffic.size {
        extra.extend(["-l".to_owned(), size.to_string()]);
    }
    if let Some(mbit) = traffic.mbit {
        let bits = (mbit * 1e6 * payload_of_frame(traffic.family, stage.scene().mtu)).round();
        extra.extend(["-b".to_owned(), bits.to_string()]);
    }
    let mut transfers = Vec::new();
    for Pair { from, to, who } in pairs(stage, traffic)? {
        let port = FIRST_PORT + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let spec = BulkSpec {
            to: to.addr,
            port,
            connections: traffic.connections.max(1),
            core: Some(SENDERS),
            extra: extra.clone(),
        };
        let bulk = Bulk::prepare(to.ns, spec)?;
        transfers.push(Transfer::start(from.ns, who, bulk, span));
    }
    let what = format!("TCP from {} to {}", traffic.from, traffic.to);
    let (marks, name) = (Marks::new(timeline), traffic.name.clone());
    Ok(Tcp { transfers, marks, name, span, what })
}

/// The payload part of a full segment with timestamps: a rate counts frames, iperf3's counts payload.
fn payload_of_frame(family: Family, mtu: u32) -> f64 {
    let headers = match family {
        Family::V4 => 20 + 32,
        Family::V6 => 40 + 32,
    };
    f64::from(mtu.saturating_sub(headers)) / f64::from(mtu + 14)
}

impl Transfer {
    fn start(from: &Ns, who: Option<String>, bulk: Bulk, (begin, end): (Instant, Instant)) -> Self {
        let shared = Arc::new(Shared { bulk: Mutex::new(Some(bulk)), ..Shared::default() });
        let (own, netns) = (Arc::clone(&shared), from.name().to_owned());
        let thread = std::thread::spawn(move || own.run(&netns, begin, end));
        Self { who, shared, thread: Some(thread) }
    }

    fn join(&mut self) -> Result<Goodput> {
        let thread = self.thread.take().context("joined already")?;
        thread.join().map_err(|_| anyhow!("its thread panicked"))?
    }
}

impl Shared {
    fn run(&self, netns: &str, begin: Instant, end: Instant) -> Result<Goodput> {
        if self.halt.wait_until(begin) {
            self.with(|bulk| bulk.begin(netns))?;
        }
        while self.halt.wait_until((Instant::now() + LOOK).min(end)) && Instant::now() < end {
            self.with(Bulk::check)?;
        }
        let mut slot = self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        let bulk = slot.take().context("ended already")?;
        *self.time.lock().unwrap_or_else(PoisonError::into_inner) = bulk.cpu();
        drop(slot);
        if self.halt.is_said() {
            return Ok(Goodput::default());
        }
        bulk.end()
    }

    fn with<T>(&self, f: impl FnOnce(&mut Bulk) -> Result<T>) -> Result<T> {
        let mut bulk = self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        f(bulk.as_mut().context("ended already")?)
    }

    fn cpu(&self) -> Duration {
        let bulk = self.bulk.lock().unwrap_or_else(PoisonError::into_inner);
        match bulk.as_ref() {
            Some(bulk) => bulk.cpu(),
            None => *self.time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.shared.halt.say();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Running for Tcp {
    fn mark(&mut self, window: usize, edge: Edge) {
        let cpu = self.transfers.iter().map(|transfer| transfer.shared.cpu()).sum();
        self.marks.note(window, edge, (Instant::now(), cpu));
    }

    fn finish(mut self: Box<Self>) -> Result<Told> {
        let mut told = Told::default();
        let mut got = Vec::new();
        for transfer in &mut self.transfers {
            let goodput = transfer.join().with_context(|| self.what.clone())?;
            got.push((transfer.who.clone(), goodput));
        }
        for (window, from, to) in self.marks.pairs() {
            told.cpu_s.insert(window.name.clone(), to.1.saturating_sub(from.1).as_secs_f64());
            let (begin, end) = (from.0.max(self.span.0), to.0.min(self.span.1));
            if begin >= end {
                continue;
            }
            let mut sum = Some(0.0);
            for (who, goodput) in &got {
                let mbit = goodput.mbit_between(begin, end);
                sum = sum.zip(mbit).map(|(sum, mbit)| sum + mbit);
                match (who, mbit) {
                    (Some(who), Some(mbit)) => {
                        told.goodput_mbit.push((window.name.clone(), who.clone(), mbit));
                    }
                    (_, None) => told.notes.push(format!(
                        "{}: iperf3's receiver did not report all of {}",
                        self.what, window.name
                    )),
                    (None, Some(_)) => {}
                }
            }
            if let (Some(name), Some(sum)) = (&self.name, sum) {
                told.values.insert(format!("{}.{name}.goodput_mbit", window.name), sum);
            }
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests;
