//! A source of stamped UDP datagrams: flat out in batches, or open-loop at a rate.
//!
//! Invariant: the schedule is absolute. A late datagram is sent late and the next is not delayed
//! for it, so that a slow path shows as latency and loss, never as a lower offered rate.

use crate::Ns;
use crate::cpu;
use crate::traffic::payload::{STAMP, Stamp, now_ns};
use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg, setsockopt, sockopt};
use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Datagrams a call, flat out.
const BATCH: usize = 32;

const BUFFER: usize = 64 << 20;

/// How long past its time a source may catch up on what was due within it.
const GRACE_NS: u64 = 1_000_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    FlatOut,
    /// Datagrams a second, sleeping in between: cheap, and bursty by the timer's slack.
    Rate(u64),
    /// Datagrams a second, spinning in between: exact, and takes a core.
    Spin(u64),
}

/// What to send; it ends after `time`, after `count`, or when stopped.
#[derive(Debug, Clone)]
pub struct Source {
    pub to: SocketAddr,
    pub flow: u16,
    /// UDP payload; at least a stamp.
    pub size: usize,
    pub pace: Pace,
    pub time: Duration,
    pub count: u64,
    pub core: Option<usize>,
    /// Runs ahead of everything else on its core, as if it had one of its own: for a light flow
    /// beside floods, whose generators would otherwise delay it before it is ever sent.
    pub urgent: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    pub frames: u64,
    pub bytes: u64,
    /// Sends the kernel refused; not in `frames`.
    pub refused: u64,
    pub elapsed_ns: u64,
}

impl Sent {
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.frames as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }
}

impl Source {
    /// A small steady flow; adjust with struct update syntax.
    #[must_use]
    pub fn to(to: SocketAddr) -> Self {
        Self {
            to,
            flow: 0,
            size: 64,
            pace: Pace::Rate(1000),
            time: Duration::from_secs(600),
            count: u64::MAX,
            core: None,
            urgent: false,
        }
    }

    /// Sends on the calling thread.
    pub fn send(&self, ns: &Ns) -> Result<Sent> {
        let socket = self.open(ns)?;
        self.pump(&socket, &AtomicBool::new(false), &AtomicU64::new(0))
    }

    /// Sends on a thread of its own.
    pub fn start(self, ns: &Ns) -> Result<Sending> {
        let socket = self.open(ns)?;
        let (stop, frames) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&frames));
        let thread = std::thread::spawn(move || self.pump(&socket, &stopped, &counted));
        Ok(Sending { stop, frames, thread: Some(thread) })
    }

    fn open(&self, ns: &Ns) -> Result<UdpSocket> {
        ns.run(|| {
            let any = if self.to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any)?;
            // A VM does not hear of its host's queues; a socket would, since its datagrams stay
            // on its account while they wait in one, and would then send no more than fits.
            setsockopt(&socket, sockopt::SndBufForce, &BUFFER)?;
            socket.connect(self.to).with_context(|| format!("no way to {}", self.to))?;
            Ok(socket)
        })
    }

    fn pump(&self, socket: &UdpSocket, stop: &AtomicBool, frames: &AtomicU64) -> Result<Sent> {
        if let Some(core) = self.core {
            cpu::pin(core);
        }
        if self.urgent {
            cpu::urgent(cpu::this_thread(), 10).context("no right to a real-time priority")?;
        }
        let start = now_ns();
        let end = start.saturating_add(u64::try_from(self.time.as_nanos()).unwrap_or(u64::MAX));
        let mut sent = match self.pace {
            Pace::FlatOut => self.flat_out(socket, end, stop, frames)?,
            Pace::Rate(rate) => self.paced(socket, end, stop, frames, rate, false),
            Pace::Spin(rate) => self.paced(socket, end, stop, frames, rate, true),
        };
        sent.elapsed_ns = now_ns() - start;
        Ok(sent)
    }

    fn paced(
        &self,
        socket: &UdpSocket,
        end: u64,
        stop: &AtomicBool,
        frames: &AtomicU64,
        rate: u64,
        spin: bool,
    ) -> Sent {
        let mut sent = Sent::default();
        let mut payload = vec![0; self.size.max(STAMP)];
        let start = now_ns();
        let mut seq = 0_u64;
        while seq < self.count && !stop.load(Ordering::Relaxed) {
            let due = start + (u128::from(seq) * 1_000_000_000 / u128::from(rate.max(1))) as u64;
            let mut now = now_ns();
            // By the clock as well: a way that refuses every datagram never gets to the last.
            if due >= end || now >= end.saturating_add(GRACE_NS) {
                break;
            }
            while now < due {
                if spin {
                    std::hint::spin_loop();
                } else {
                    std::thread::sleep(Duration::from_nanos((due - now).min(20_000_000)));
                }
                if stop.load(Ordering::Relaxed) {
                    return sent;
                }
                now = now_ns();
            }
            Stamp { flow: self.flow, seq: seq as u32, sent_ns: now }.write(&mut payload);
            if socket.send(&payload).is_ok() {
                sent.frames += 1;
                sent.bytes += payload.len() as u64;
                frames.store(sent.frames, Ordering::Relaxed);
                seq += 1;
            } else {
                // ENOBUFS, or an ICMP error heard of: this number was not sent, the next try takes it.
                sent.refused += 1;
                // The way may be gone for good: time ends the flow even if nothing more is sent.
                if now_ns() >= end {
                    break;
                }
                std::thread::yield_now();
            }
        }
        sent
    }

    fn flat_out(
        &self,
        socket: &UdpSocket,
        end: u64,
        stop: &AtomicBool,
        frames: &AtomicU64,
    ) -> Result<Sent> {
        let mut sent = Sent::default();
        let size = self.size.max(STAMP);
        let mut buffers = vec![vec![0_u8; size]; BATCH];
        let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
        let mut seq = 0_u64;
        while seq < self.count && !stop.load(Ordering::Relaxed) {
            let now = now_ns();
            if now >= end {
                break;
            }
            let batch = usize::try_from(self.count - seq).unwrap_or(BATCH).min(BATCH);
            for (i, buffer) in buffers.iter_mut().enumerate() {
                let seq = seq.wrapping_add(i as u64) as u32;
                Stamp { flow: self.flow, seq, sent_ns: now }.write(buffer);
            }
            let slices: Vec<[IoSlice<'_>; 1]> =
                buffers.iter().take(batch).map(|buffer| [IoSlice::new(buffer)]).collect();
            let none = vec![None; batch];
            match sendmmsg(socket.as_raw_fd(), &mut headers, &slices, &none, [], MsgFlags::empty())
            {
                Ok(results) => {
                    let taken = results.count() as u64;
                    sent.frames += taken;
                    sent.bytes += taken * size as u64;
                    seq += taken;
                    frames.store(sent.frames, Ordering::Relaxed);
                }
                Err(_) => sent.refused += 1,
            }
        }
        Ok(sent)
    }
}

/// A source at work; stops when dropped.
#[derive(Debug)]
pub struct Sending {
    stop: Arc<AtomicBool>,
    frames: Arc<AtomicU64>,
    thread: Option<JoinHandle<Result<Sent>>>,
}

impl Sending {
    /// Frames sent so far.
    #[must_use]
    pub fn so_far(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    pub fn stop(mut self) -> Result<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until it has sent its time or count.
    pub fn finish(mut self) -> Result<Sent> {
        self.join()
    }

    fn join(&mut self) -> Result<Sent> {
        let thread = self.thread.take().context("joined already")?;
        thread.join().map_err(|_| anyhow!("the source panicked"))?
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}
