//! One client's session: polls the observations every few milliseconds, and passes them on.
//!
//! Invariant: while the client does not take its parts, nothing more is polled, and the rings count
//! what they cannot hold. The watchers are withdrawn before the end is reported.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use weir_core::PortId;
use weir_port::{clock_monotonic_ns, clock_realtime_ns};

use super::assemble::TraceAssembler;
use super::merge::{EventMerger, UnsteeredRing};
use super::pcapng::Capture;
use super::{Claim, WatchQuery, Watchable};
use crate::worker::{Purpose, WatchSpec, Watched};
use weir_api::TraceLine;

const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often ports' names are read again: ports come and go, and get new names.
const NAMES_EVERY: Duration = Duration::from_millis(200);
/// How often the file records missing packets, while there are any.
const STATISTICS_EVERY: Duration = Duration::from_secs(1);
/// Parts that wait for a slow client.
const PARTS: usize = 16;
/// How long a client may take for the last part.
const LAST_PART: Duration = Duration::from_secs(1);

/// What the forwarder returns at the start of a capture or trace.
#[derive(Debug)]
pub struct WatchStarted {
    /// With the core of each worker.
    pub(crate) workers: Vec<(usize, Watched)>,
    /// `None`: the program's ring cannot be read.
    pub(crate) program: Option<UnsteeredRing>,
    /// Per port, the frames that the program could not report earlier.
    pub(crate) unsteered_missed: Vec<u64>,
    pub(crate) names: Vec<(PortId, String)>,
}

enum Sink {
    Capture(Box<Capture>),
    Trace { assembler: Box<TraceAssembler>, lines: Vec<u8> },
}

pub(super) struct Session<F> {
    forwarder: Arc<Mutex<F>>,
    claim: Claim,
    count: u64,
    until: Option<Instant>,
    merger: EventMerger,
    sink: Sink,
    unsteered_missed: Vec<u64>,
    note: Option<String>,
    names_at: Instant,
    statistics_at: Instant,
    /// As of the last statistics.
    missed: u64,
    out: mpsc::Sender<Bytes>,
}

impl<F: Watchable> Session<F> {
    pub(super) fn new(
        forwarder: Arc<Mutex<F>>,
        claim: Claim,
        query: WatchQuery,
        spec: WatchSpec,
        began: WatchStarted,
    ) -> (Self, mpsc::Receiver<Bytes>) {
        let (out, parts) = mpsc::channel(PARTS);
        let count = query.count.unwrap_or(u64::MAX);
        let WatchStarted { workers, program, unsteered_missed, names } = began;
        let (cores, workers): (Vec<usize>, Vec<Watched>) = workers.into_iter().unzip();
        let note = program.is_none().then(|| {
            "what the XDP program drops or passes is not shown: its ring could not be shared; see \
             weir's log"
                .to_owned()
        });
        let now_ns = clock_monotonic_ns();
        let epoch_ns = clock_realtime_ns().wrapping_sub(now_ns);
        let sink = match spec.purpose {
            Purpose::Capture(points) => {
                let (snaplen, note) = (spec.snaplen, note.as_deref());
                Sink::Capture(Box::new(Capture::new(points, snaplen, epoch_ns, now_ns, note)))
            }
            Purpose::Trace => {
                let assembler = Box::new(TraceAssembler::new(cores, epoch_ns, count));
                Sink::Trace { assembler, lines: Vec::new() }
            }
        };
        let now = Instant::now();
        let merger = EventMerger::new(workers, program, spec.filter, spec.snaplen);
        let mut session = Self {
            forwarder,
            claim,
            count,
            until: query.duration.map(|duration| now + duration),
            merger,
            sink,
            unsteered_missed,
            note,
            names_at: now + NAMES_EVERY,
            statistics_at: now + STATISTICS_EVERY,
            missed: 0,
            out,
        };
        session.set_names(&names);
        session.follow();
        (session, parts)
    }

    pub(super) async fn run(mut self) {
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
            let done = self.turn();
            if self.pass_on().await.is_break() || done {
                break;
            }
        }
        self.end().await;
    }

    /// True if enough was seen.
    fn turn(&mut self) -> bool {
        self.refresh_names();
        let done = self.look(false);
        self.write_missed();
        done
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
                write_line(lines, &assembler.end(missed, self.note.clone()));
            }
        }
    }

    fn part(&mut self) -> Bytes {
        match &mut self.sink {
            Sink::Capture(file) => file.take().into(),
            Sink::Trace { lines, .. } => std::mem::take(lines).into(),
        }
    }

    /// Passes the client what was written, for as long as it takes.
    async fn pass_on(&mut self) -> ControlFlow<()> {
        let part = self.part();
        if part.is_empty() {
            return ControlFlow::Continue(());
        }
        let until = self.until.unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            sent = self.out.send(part) => match sent {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            },
            () = self.claim.stopped() => ControlFlow::Break(()),
            () = sleep_until(until), if self.until.is_some() => ControlFlow::Break(()),
        }
    }
}

fn write_line(lines: &mut Vec<u8>, line: &TraceLine) {
    // Plain structs always serialize, and writing to memory does not fail.
    if serde_json::to_writer(&mut *lines, line).is_ok() {
        lines.push(b'\n');
    }
}
