//! Captures and traces of a running forwarder, each for one client of the control socket: started and
//! ended at the gate, at all workers and at the program, and polled every few milliseconds in between.
//!
//! Invariants: while one runs, every frame goes by a worker. At the start, the workers watch before the
//! program reports; at the end, the program is silenced first, and the watchers are withdrawn before
//! the end is reported. So a start that is given up half-way leaves nothing switched on. While the
//! client does not take its parts, nothing more is polled, and the rings count what they cannot hold.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use weir_core::PortId;
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::Forwarder;
use crate::observe::watch::assemble::TraceAssembler;
use crate::observe::watch::merge::EventMerger;
use crate::observe::watch::pcapng::Capture;
use crate::observe::watch::{Claim, WatchQuery, WatchSlot, WatchStream, outcomes, ports_of};
use crate::worker::{NoAnswer, Purpose, WatchSpec, Watched};
use weir_api::{Refused, TraceLine};

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often ports' names are read again: ports come and go, and get new names.
const NAMES_EVERY: Duration = Duration::from_millis(200);
/// How often the file records missing packets, while there are any.
const STATISTICS_EVERY: Duration = Duration::from_secs(1);
/// Parts that wait for a slow client.
const PARTS: usize = 16;
/// How long a client may take for the last part.
const LAST_PART: Duration = Duration::from_secs(1);

/// Begins to watch, on behalf of `who`.
pub(in crate::service) async fn begin(
    forwarder: Arc<Mutex<Forwarder>>,
    slot: Arc<WatchSlot>,
    query: WatchQuery,
    who: &str,
) -> Result<WatchStream, Refused> {
    let claim = slot.claim(&query, who)?;
    let id = claim.id;
    let mut locked = forwarder.lock().await;
    let names = locked.port_names();
    let spec = query.spec(ports_of(&query, &names)?);
    let began = locked.watch(spec, outcomes(&query)).await.map_err(Refused::unavailable)?;
    let (workers, unsteered_missed) = began;
    let program = locked.steering.unsteered.clone();
    drop(locked);
    let (cores, workers): (Vec<usize>, Vec<Watched>) = workers.into_iter().unzip();
    let count = query.count.unwrap_or(u64::MAX);
    let now_ns = clock_monotonic_ns();
    let epoch_ns = clock_realtime_ns().wrapping_sub(now_ns);
    let sink = match spec.purpose {
        Purpose::Capture(points) => {
            Sink::Capture(Box::new(Capture::new(points, spec.snaplen, epoch_ns, now_ns)))
        }
        Purpose::Trace => {
            let assembler = Box::new(TraceAssembler::new(cores, epoch_ns, count));
            Sink::Trace { assembler, lines: Vec::new() }
        }
    };
    let (out, parts) = mpsc::channel(PARTS);
    let now = Instant::now();
    let mut session = Session {
        forwarder,
        claim,
        count,
        until: query.duration.map(|duration| now + duration),
        merger: EventMerger::new(workers, program, spec.filter, spec.snaplen),
        sink,
        unsteered_missed,
        names_at: now + NAMES_EVERY,
        statistics_at: now + STATISTICS_EVERY,
        missed: 0,
        out,
    };
    session.set_names(&names);
    session.follow();
    tokio::spawn(session.run());
    Ok(WatchStream { id, parts })
}

impl Forwarder {
    /// The ports, by slot and name.
    fn port_names(&self) -> Vec<(PortId, String)> {
        self.roster.entries.iter().map(|(name, entry)| (entry.id(), name.clone())).collect()
    }

    /// Begins to watch; the program reports the `outcomes`. Returns the workers' ends, each with its core,
    /// and what the program could not report earlier.
    async fn watch(
        &mut self,
        spec: WatchSpec,
        outcomes: u64,
    ) -> Result<(Vec<(usize, Watched)>, Vec<u64>), NoAnswer> {
        // Discards what the last session left.
        self.steering.unsteered.lock().unwrap_or_else(PoisonError::into_inner).each(|_, _| {});
        let unsteered_missed = self.unsteered_missed();
        // Before the workers watch, so that they see every later frame.
        self.set_watched(true);
        let workers = match self.workers.watch(Some(spec)).await {
            Ok(workers) => workers,
            Err(error) => {
                self.set_watched(false);
                return Err(error);
            }
        };
        self.set_outcomes(outcomes, |port| spec.filter.takes_port(port));
        Ok((workers, unsteered_missed))
    }

    async fn unwatch(&mut self) {
        self.set_outcomes(0, |_| false);
        if let Err(error) = self.workers.watch(None).await {
            tracing::debug!("{error}");
        }
        self.set_watched(false);
    }

    /// Per port, the frames that the program could not report, in total.
    fn unsteered_missed(&self) -> Vec<u64> {
        self.steering.unsteered_missed().unwrap_or_else(|error| {
            tracing::warn!("{error}");
            Vec::new()
        })
    }

    /// Whether frames may bypass the workers.
    fn set_watched(&mut self, watched: bool) {
        self.gate.watched = watched;
        self.update_gate_ports();
    }

    fn set_outcomes(&mut self, outcomes: u64, chosen: impl Fn(PortId) -> bool) {
        if let Err(error) = self.steering.set_outcomes(outcomes, chosen) {
            tracing::warn!("what the program drops is not shown: {error}");
        }
    }
}

enum Sink {
    Capture(Box<Capture>),
    Trace { assembler: Box<TraceAssembler>, lines: Vec<u8> },
}

struct Session {
    forwarder: Arc<Mutex<Forwarder>>,
    claim: Claim,
    count: u64,
    until: Option<Instant>,
    merger: EventMerger,
    sink: Sink,
    unsteered_missed: Vec<u64>,
    names_at: Instant,
    statistics_at: Instant,
    /// As of the last statistics.
    missed: u64,
    out: mpsc::Sender<Bytes>,
}

impl Session {
    async fn run(mut self) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let until = self.until.unwrap_or_else(|| Instant::now() + STATISTICS_EVERY);
            tokio::select! {
                biased;
                () = self.out.closed() => break,
                () = self.claim.stopped() => break,
                () = sleep_until(until), if self.until.is_some() => break,
                _ = tick.tick() => {}
            }
            self.refresh_names();
            let done = self.look(false);
            self.write_missed();
            if !self.pass_on().await || done {
                break;
            }
        }
        self.end().await;
    }

    /// Withdraws the watchers, and writes the last part.
    async fn end(mut self) {
        let unsteered_missed = {
            let mut forwarder = self.forwarder.lock().await;
            forwarder.unwatch().await;
            forwarder.unsteered_missed()
        };
        for (before, now) in self.unsteered_missed.iter_mut().zip(unsteered_missed) {
            *before = now.saturating_sub(*before);
        }
        self.look(true);
        self.trailer();
        let last = self.part();
        if !last.is_empty() {
            // A client that has gone, or does not read, needs no last part.
            let _ = self.out.send_timeout(last, LAST_PART).await;
        }
    }

    /// Polls once; true if enough was seen.
    fn look(&mut self, last: bool) -> bool {
        let now_ns = clock_monotonic_ns();
        let (sink, count) = (&mut self.sink, self.count);
        self.merger.poll(now_ns, last, |seen, bytes| match sink {
            Sink::Capture(file) if file.packets() < count => file.write(seen, bytes),
            Sink::Capture(_) => {}
            Sink::Trace { assembler, lines } => {
                assembler.observe(seen, bytes).iter().for_each(|line| write_line(lines, line));
            }
        });
        if let Sink::Trace { assembler, lines } = &mut self.sink {
            let given_up = assembler.end_stale(now_ns, last);
            given_up.iter().for_each(|line| write_line(lines, line));
        }
        self.follow();
        match &self.sink {
            Sink::Capture(file) => file.packets() >= self.count,
            Sink::Trace { assembler, .. } => assembler.is_done(),
        }
    }

    fn follow(&mut self) {
        if let Sink::Trace { assembler, .. } = &mut self.sink {
            assembler.follow(self.merger.workers());
        }
    }

    /// A trace names every port that a packet goes to; a capture describes only the ports in its query.
    fn set_names(&mut self, names: &[(PortId, String)]) {
        for (port, name) in names {
            match &mut self.sink {
                Sink::Capture(file) if self.merger.takes_port(*port) => file.name(*port, name),
                Sink::Capture(_) => {}
                Sink::Trace { assembler, .. } => assembler.name(*port, name),
            }
        }
    }

    /// Reads the ports' names now and then, if the forwarder's lock is free.
    fn refresh_names(&mut self) {
        if Instant::now() < self.names_at {
            return;
        }
        let Ok(forwarder) = self.forwarder.try_lock() else { return };
        let names = forwarder.port_names();
        drop(forwarder);
        self.names_at = Instant::now() + NAMES_EVERY;
        self.set_names(&names);
    }

    /// Records in the file that packets are missing.
    fn write_missed(&mut self) {
        let missed = self.merger.missed();
        if missed == self.missed || Instant::now() < self.statistics_at {
            return;
        }
        self.missed = missed;
        self.statistics_at = Instant::now() + STATISTICS_EVERY;
        let merger = &self.merger;
        if let Sink::Capture(file) = &mut self.sink {
            file.statistics(clock_monotonic_ns(), |port| merger.missed_at(port));
        }
    }

    fn trailer(&mut self) {
        let (merger, unsteered_missed) = (&self.merger, &self.unsteered_missed);
        match &mut self.sink {
            Sink::Capture(file) => file.statistics(clock_monotonic_ns(), |port| {
                merger.missed_at(port)
                    + unsteered_missed.get(port.index()).copied().unwrap_or_default()
            }),
            Sink::Trace { assembler, lines } => {
                let missed = merger.missed() + unsteered_missed.iter().sum::<u64>();
                write_line(lines, &assembler.end(missed));
            }
        }
    }

    fn part(&mut self) -> Bytes {
        match &mut self.sink {
            Sink::Capture(file) => file.take().into(),
            Sink::Trace { lines, .. } => std::mem::take(lines).into(),
        }
    }

    /// Passes the client what was written, for as long as it takes; false: the session is over.
    async fn pass_on(&mut self) -> bool {
        let part = self.part();
        if part.is_empty() {
            return true;
        }
        let until = self.until.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            sent = self.out.send(part) => sent.is_ok(),
            () = self.claim.stopped() => false,
            () = sleep_until(until), if self.until.is_some() => false,
        }
    }
}

fn write_line(lines: &mut Vec<u8>, line: &TraceLine) {
    // Plain structs always serialize, and writing to memory does not fail.
    if serde_json::to_writer(&mut *lines, line).is_ok() {
        lines.push(b'\n');
    }
}
