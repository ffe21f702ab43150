//! Stamped UDP datagrams between namespaces, sent and counted by weir-probe on threads of their own.
//!
//! Invariant: the schedule is absolute, so that a slow path shows as latency and loss, never as a lower
//! offered rate.

use crate::wait::{Halt, wait_for};
use crate::{Ns, StartedThread, cpu};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use weir_probe::report::{SendReport, SessionReport, SinkReport};
use weir_probe::send::{self, Front, Order};
use weir_probe::sink::{self, Options};
use weir_probe::sizes::Sizes;
use weir_probe::socket;
use weir_probe::wire::STAMP_LEN;

pub use weir_probe::rate::Rate;

/// Above all programs without a real-time priority.
const URGENT: u8 = 10;

/// The traffic to send; it ends after `time`, after `count`, or when stopped.
#[derive(Debug, Clone)]
pub struct Source {
    pub to: SocketAddr,
    pub flow: u16,
    /// The UDP payload; at least a stamp.
    pub size: usize,
    /// Sleeping in between: cheap, and bursty by the timer's slack.
    pub rate: Rate,
    pub time: Duration,
    pub count: u64,
    pub core: Option<usize>,
}

impl Source {
    /// A small steady flow; adjust with struct update syntax.
    pub fn to(to: SocketAddr) -> Self {
        let (rate, time) = (Rate::pps(1000), Duration::from_secs(600));
        Self { to, flow: 0, size: 64, rate, time, count: u64::MAX, core: None }
    }

    /// Sends until it ends.
    pub fn send(&self, ns: &Ns) -> Result<SendReport> {
        self.clone().start(ns)?.finish()
    }

    pub fn start(self, ns: &Ns) -> Result<Sending> {
        let order = Order {
            rate: self.rate,
            // A late sender catches up one by one: a batch of large frames would be a burst of its own.
            batch: if self.rate == Rate::Max { 32 } else { 1 },
            sizes: Sizes::one(self.size.max(STAMP_LEN) as u32),
            count: Some(self.count),
            duration: Some(self.time),
            core: self.core,
            front: Front::Stamp { flow: self.flow },
            ..Order::to(self.to)
        };
        Sending::start(ns, &[self.to], order, Instant::now(), false)
    }
}

/// A sender at work; stops when dropped.
#[derive(Debug)]
pub struct Sending {
    progress: Arc<send::Progress>,
    thread: StartedThread<SendReport>,
}

impl Sending {
    /// Sends from `begin` on to these addresses in turn; if urgent, ahead of everything else on its core,
    /// as if the core were its own: for a light flow beside floods, whose generators would otherwise
    /// delay it before it is ever sent.
    pub fn start(
        ns: &Ns,
        to: &[SocketAddr],
        order: Order,
        begin: Instant,
        urgent: bool,
    ) -> Result<Self> {
        let open = |to: &SocketAddr| socket::sender(*to, None).map_err(Into::into);
        let sockets = ns.run(|| to.iter().map(open).collect::<Result<Vec<_>>>())?;
        let progress: Arc<send::Progress> = sockets.iter().map(|_| AtomicU64::new(0)).collect();
        let sent = Arc::clone(&progress);
        let thread = StartedThread::new(&Halt::default(), move |halt| {
            if urgent {
                cpu::urgent(cpu::this_thread(), URGENT)
                    .context("no right to a real-time priority")?;
            }
            let _ = halt.wait_until(begin);
            Ok(send::send_by(&sockets, &order, &sent, halt.flag())?)
        });
        Ok(Self { progress, thread })
    }

    /// Datagrams sent so far, over all places.
    pub fn so_far(&self) -> u64 {
        self.each().iter().sum()
    }

    /// Datagrams sent so far to each place.
    pub fn each(&self) -> Vec<u64> {
        send::numbers(&self.progress)
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Duration {
        self.thread.cpu()
    }

    pub fn stop(self) -> Result<SendReport> {
        self.thread.ask();
        self.finish()
    }

    /// Waits until it has sent its time or count.
    pub fn finish(mut self) -> Result<SendReport> {
        self.join()
    }

    /// The same, for an owner that reads its counters afterwards; call it once.
    pub fn join(&mut self) -> Result<SendReport> {
        self.thread.join()
    }
}

/// Distinct datagrams of one flow.
pub fn unique(came: &SessionReport, flow: u16) -> u64 {
    came.flows.iter().filter(|it| it.flow == flow).map(|it| it.unique).sum()
}

/// A socket that counts stamped datagrams, and its thread.
#[derive(Debug)]
pub struct Sink {
    addr: SocketAddr,
    count: Arc<AtomicU64>,
    thread: StartedThread<SinkReport>,
}

impl Sink {
    pub fn start(ns: &Ns, addr: SocketAddr) -> Result<Self> {
        Self::start_on(ns, addr, None)
    }

    /// On a core of the caller's choice.
    pub fn start_on(ns: &Ns, addr: SocketAddr, core: Option<usize>) -> Result<Self> {
        let (bind, port) = (Some(addr.ip()), addr.port());
        let options = Options { bind, port, core, stamps: true, ..Options::default() };
        Ok(Self::of(ns.run(|| Ok(sink::Sink::open(options)?))?))
    }

    /// Counts what comes to an open socket, on a thread that runs like the calling one.
    pub fn of(sink: sink::Sink) -> Self {
        let (addr, count) = (sink.address(), Arc::new(AtomicU64::new(0)));
        let counter = Arc::clone(&count);
        let thread = StartedThread::new(&Halt::default(), move |halt| {
            Ok(sink.run(halt.flag(), &counter, |_| {})?)
        });
        Self { addr, count, thread }
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Datagrams so far.
    pub fn so_far(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for `count` datagrams in all, including earlier ones.
    pub fn wait_for(&self, count: u64, deadline: Duration) -> Result<()> {
        wait_for(deadline, &format!("{count} datagrams at {}", self.addr), || {
            self.so_far() >= count
        })
        .with_context(|| format!("{} came", self.so_far()))
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Duration {
        self.thread.cpu()
    }

    /// Whether it has ended, as all its senders have.
    pub fn is_over(&self) -> bool {
        self.thread.is_over()
    }

    /// Receives the queued datagrams and ends. All have stamps, of one session, which begins with the first.
    pub fn finish(mut self) -> Result<SessionReport> {
        let SinkReport { foreign, sessions, .. } = self.end()?;
        ensure!(foreign == 0, "{foreign} datagrams have no stamp");
        Ok(sessions.into_iter().next().unwrap_or_default())
    }

    /// The same, with the whole report; call it once.
    pub fn end(&mut self) -> Result<SinkReport> {
        self.thread.ask();
        self.thread.join()
    }
}
