//! A sink of stamped UDP datagrams: what came, what came twice or late, and how long it took.
//!
//! Invariant: reads until told to stop, then what is queued; nothing that reached the socket is
//! missed (its buffer is as large as the kernel allows).

use crate::Ns;
use crate::cpu;
use crate::traffic::payload::{Seen, Stamp, now_ns};
use crate::wait::wait_for;
use anyhow::{Context, Result, anyhow};
use hdrhistogram::Histogram;
use nix::sys::socket::{setsockopt, sockopt};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

const BUFFER: usize = 64 << 20;
/// Longest latency told apart; later counts as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// What a sink took in.
#[derive(Debug)]
pub struct Received {
    pub frames: u64,
    pub bytes: u64,
    pub duplicates: u64,
    pub reordered: u64,
    /// Datagrams without our stamp.
    pub foreign: u64,
    pub flows: HashMap<u16, Seen>,
    pub latency_ns: Histogram<u64>,
    /// The longest time without an arrival, between the first and the last.
    pub longest_gap_ns: u64,
}

impl Received {
    fn new() -> Result<Self> {
        Ok(Self {
            frames: 0,
            bytes: 0,
            duplicates: 0,
            reordered: 0,
            foreign: 0,
            flows: HashMap::new(),
            latency_ns: Histogram::new_with_bounds(1, LONGEST_NS, 3)?,
            longest_gap_ns: 0,
        })
    }

    /// Distinct datagrams of one flow.
    #[must_use]
    pub fn unique(&self, flow: u16) -> u64 {
        self.flows.get(&flow).map_or(0, |seen| seen.unique)
    }
}

/// The sink's socket and its thread.
#[derive(Debug)]
pub struct Sink {
    addr: SocketAddr,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<Received>>>,
}

impl Sink {
    pub fn start(ns: &Ns, addr: SocketAddr) -> Result<Self> {
        Self::start_on(ns, addr, None)
    }

    /// On a core of a measurement's choice.
    pub fn start_on(ns: &Ns, addr: SocketAddr, core: Option<usize>) -> Result<Self> {
        let socket = ns.run(|| {
            let socket = UdpSocket::bind(addr).with_context(|| format!("cannot bind {addr}"))?;
            setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
            Ok(socket)
        })?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let addr = socket.local_addr()?;
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&count));
        let thread = std::thread::spawn(move || {
            if let Some(core) = core {
                cpu::pin(core);
            }
            drink(&socket, &stopped, &counter)
        });
        Ok(Self { addr, stop, count, thread: Some(thread) })
    }

    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Datagrams so far.
    #[must_use]
    pub fn so_far(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits for `count` datagrams, however long ago they came.
    pub fn wait_for(&self, count: u64, deadline: Duration) -> Result<()> {
        wait_for(deadline, &format!("{count} datagrams at {}", self.addr), || {
            self.so_far() >= count
        })
        .with_context(|| format!("{} came", self.so_far()))
    }

    /// Takes what is queued and ends.
    pub fn finish(mut self) -> Result<Received> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("joined already")?;
        thread.join().map_err(|_| anyhow!("the sink panicked"))?
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn drink(socket: &UdpSocket, stop: &AtomicBool, count: &AtomicU64) -> Result<Received> {
    let mut received = Received::new()?;
    let mut buffer = vec![0; 65536];
    let mut last_ns = None;
    loop {
        // The timeout ends the wait; a stop takes effect only on an empty queue.
        let Ok(len) = socket.recv(&mut buffer) else {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            continue;
        };
        let now = now_ns();
        received.frames += 1;
        received.bytes += len as u64;
        if let Some(last) = last_ns.replace(now) {
            received.longest_gap_ns = received.longest_gap_ns.max(now - last);
        }
        match Stamp::read(buffer.get(..len).unwrap_or_default()) {
            Some(stamp) => {
                received.flows.entry(stamp.flow).or_default().take(stamp.seq);
                received.latency_ns.saturating_record(now.saturating_sub(stamp.sent_ns).max(1));
            }
            None => received.foreign += 1,
        }
        count.store(received.frames, Ordering::Relaxed);
    }
    for seen in received.flows.values() {
        received.duplicates += seen.duplicates;
        received.reordered += seen.reordered;
    }
    Ok(received)
}
