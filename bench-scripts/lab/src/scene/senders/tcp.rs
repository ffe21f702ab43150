//! Bulk TCP by iperf3.
//!
//! Invariant: see the module above. Goodput is counted by the receivers, between the ends of a window.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use system_tests::StartedThread;
use system_tests::traffic::{Bulk, BulkSpec, Goodput};
use system_tests::wait::Halt;

use super::{Passed, Running, SoFar, Told};
use crate::scene::cast::Pair;
use crate::scene::timeline::Times;
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
    ends: Arc<Ends>,
    thread: StartedThread<Goodput>,
}

/// Both ends until they have ended, and their processor time from then on.
#[derive(Debug)]
struct Ends(Mutex<(Option<Bulk>, Duration)>);

#[derive(Debug)]
pub(super) struct Tcp {
    transfers: Vec<Transfer>,
    name: Option<String>,
    times: Times,
    what: String,
}

pub(super) fn start(
    traffic: &Traffic,
    flows: &[Pair<'_>],
    stage: &Stage,
    times: &Times,
) -> Result<Tcp> {
    let mut extra = Vec::new();
    if let Some(size) = traffic.size {
        extra.extend(["-l".to_owned(), size.to_string()]);
    }
    if let Some(mbit) = traffic.mbit {
        let bits = (mbit * 1e6 * payload_of_frame(traffic.family, stage.scene.mtu)).round();
        extra.extend(["-b".to_owned(), bits.to_string()]);
    }
    let mut transfers = Vec::new();
    for Pair { from, to, who } in flows {
        let port = FIRST_PORT + NEXT_PORT.fetch_add(1, Ordering::Relaxed) % PORTS;
        let spec = BulkSpec {
            to: to.addr,
            port,
            connections: traffic.connections,
            core: Some(SENDERS),
            extra: extra.clone(),
        };
        let ends = Arc::new(Ends(Mutex::new((Some(Bulk::prepare(to.ns, spec)?), Duration::ZERO))));
        let (own, netns) = (Arc::clone(&ends), from.ns.name().to_owned());
        let (begin, end) = (times.start, times.stop);
        let run = move |halt: &Halt| own.run(&netns, begin, end, halt);
        let thread = StartedThread::new(&Halt::default(), run);
        transfers.push(Transfer { who: who.clone(), ends, thread });
    }
    let what = format!("TCP from {} to {}", traffic.from, traffic.to);
    Ok(Tcp { transfers, name: traffic.name.clone(), times: times.clone(), what })
}

/// The payload part of a full segment with timestamps: a rate counts frames, iperf3's counts payload.
fn payload_of_frame(family: Family, mtu: u32) -> f64 {
    let headers = match family {
        Family::V4 => 20 + 32,
        Family::V6 => 40 + 32,
    };
    f64::from(mtu.saturating_sub(headers)) / f64::from(mtu + 14)
}

impl Ends {
    fn run(&self, netns: &str, begin: Instant, end: Instant, halt: &Halt) -> Result<Goodput> {
        if halt.wait_until(begin) {
            self.with(|bulk| bulk.begin(netns))?;
        }
        while halt.wait_until((Instant::now() + LOOK).min(end)) && Instant::now() < end {
            self.with(Bulk::check)?;
        }
        let mut ends = self.lock();
        let bulk = ends.0.take().context("ended already")?;
        ends.1 = bulk.cpu();
        drop(ends);
        if halt.is_said() { Ok(Goodput::default()) } else { bulk.end() }
    }

    fn with<T>(&self, f: impl FnOnce(&mut Bulk) -> Result<T>) -> Result<T> {
        f(self.lock().0.as_mut().context("ended already")?)
    }

    fn cpu(&self) -> Duration {
        let (bulk, time) = &*self.lock();
        bulk.as_ref().map_or(*time, Bulk::cpu)
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Bulk>, Duration)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running for Tcp {
    fn so_far(&self) -> Result<SoFar> {
        let cpu = self.transfers.iter().map(|transfer| transfer.ends.cpu()).sum();
        Ok(SoFar { frames: Vec::new(), cpu })
    }

    fn finish(mut self: Box<Self>, windows: &[Passed]) -> Result<Told> {
        let mut told = Told::default();
        let mut got = Vec::new();
        for transfer in &mut self.transfers {
            let goodput = transfer.thread.join().with_context(|| self.what.clone())?;
            got.push((transfer.who.clone(), goodput));
        }
        for window in windows {
            let (begin, end) = (window.from.max(self.times.start), window.to.min(self.times.stop));
            if begin >= end {
                continue;
            }
            let mut sum = Some(0.0);
            for (who, goodput) in &got {
                let mbit = goodput.mbit_between(begin, end);
                sum = sum.zip(mbit).map(|(sum, mbit)| sum + mbit);
                if let Some(mbit) = mbit {
                    let more = who.clone().map(|who| (window.name.clone(), who, mbit));
                    told.goodput_mbit.extend(more);
                } else {
                    told.notes.push(format!(
                        "{}: iperf3's receiver did not report all of {}",
                        self.what, window.name
                    ));
                }
            }
            if let (Some(name), Some(sum)) = (&self.name, sum) {
                told.add(&window.name, name, vec![("goodput_mbit", sum)]);
            }
        }
        Ok(told)
    }
}

#[cfg(test)]
mod tests;
