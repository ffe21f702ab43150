//! UDP datagrams in batches, flat out or at a rate, to one place or to several in turn.
//!
//! A thread for each sender and connection. One that has several places to send to serves them in
//! turn, so that each is offered the same.
//!
//! Invariant: see the module above. The schedule of a rate is absolute: what is late is sent late,
//! and what follows is not delayed for it.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use nix::sys::socket::{MsgFlags, MultiHeaders, sendmmsg, setsockopt, sockopt};
use system_tests::Ns;
use system_tests::cpu::{self, ThreadTime};

use super::marks::{Marks, sleep_until};
use super::places::{Sender, Sinks, senders};
use super::{Offered, Running, Told, packets};
use crate::scene::timeline::{Edge, Timeline};
use crate::spec::Traffic;
use crate::stage::{SENDERS, Stage};

/// Datagrams a call, and least of them to one of several places.
const BATCH: usize = 32;
const LEAST: usize = 4;
/// A VM does not hear of its host's queues; a socket would, since its datagrams stay on its account
/// while they wait in one, and would then send no more than fits.
const BUFFER: usize = 64 << 20;
/// A call that cannot send looks after so long whether it is to stop.
const PATIENCE: Duration = Duration::from_millis(100);
const URGENT: u8 = 10;

/// What a thread sends when.
#[derive(Clone, Debug)]
struct Order {
    begin: Instant,
    end: Instant,
    payload: usize,
    pps: Option<f64>,
    urgent: bool,
}

/// What a thread has done so far, for each place it sends to.
#[derive(Debug, Default)]
struct Done {
    stop: AtomicBool,
    frames: Vec<AtomicU64>,
    refused: AtomicU64,
    time: ThreadTime,
}

/// A thread at work.
#[derive(Debug)]
struct Stream {
    /// Whose frames they are, for each place.
    whose: Vec<Option<String>>,
    done: Arc<Done>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug)]
struct Flood {
    streams: Vec<Stream>,
    /// Of each stream: frames to each place, and processor time.
    marks: Marks<Vec<(Vec<u64>, Duration)>>,
    frame: u32,
    what: String,
    _sinks: Sinks,
}

pub(super) fn start<'a>(
    traffic: &Traffic,
    stage: &'a Stage,
    timeline: &Timeline,
) -> Result<Box<dyn Running + 'a>> {
    let scene = stage.scene();
    let frame = packets::frame(traffic, scene)?;
    let (begin, end) = timeline.of(traffic);
    let order = Order {
        begin,
        end,
        payload: (frame - packets::headers(traffic.family)) as usize,
        pps: packets::pps(traffic, frame),
        urgent: traffic.urgent,
    };
    let senders = senders(stage, traffic)?;
    let sinks = Sinks::open(&senders, 0)?;
    let mut streams = Vec::new();
    for sender in &senders {
        for _ in 0..traffic.connections.max(1) {
            streams.push(Stream::start(sender, &sinks, &order)?);
        }
    }
    let what = format!("the flood from {} to {}", traffic.from, traffic.to);
    Ok(Box::new(Flood { streams, marks: Marks::new(timeline), frame, what, _sinks: sinks }))
}

impl Running for Flood {
    fn mark(&mut self, window: usize, edge: Edge) {
        let counted = self.streams.iter().map(Stream::counted).collect();
        self.marks.note(window, edge, counted);
    }

    fn finish(mut self: Box<Self>) -> Result<Told> {
        let mut told = Told::default();
        let mut refused = 0;
        for stream in &mut self.streams {
            stream.join().with_context(|| self.what.clone())?;
            refused += stream.done.refused.load(Ordering::Relaxed);
        }
        if refused > 0 {
            told.notes.push(format!("{}: the kernel refused {refused} sends", self.what));
        }
        for (window, from, to) in self.marks.pairs() {
            let mut cpu = Duration::ZERO;
            for (stream, (from, to)) in self.streams.iter().zip(from.iter().zip(to)) {
                cpu += to.1.saturating_sub(from.1);
                for (who, (from, to)) in stream.whose.iter().zip(from.0.iter().zip(&to.0)) {
                    let (Some(who), frames) = (who, to - from) else { continue };
                    told.offered.push(Offered {
                        window: window.to_owned(),
                        who: who.clone(),
                        frames,
                        bytes: frames * u64::from(self.frame),
                    });
                }
            }
            told.cpu_s.insert(window.to_owned(), cpu.as_secs_f64());
        }
        Ok(told)
    }
}

impl Stream {
    fn start(sender: &Sender<'_>, sinks: &Sinks, order: &Order) -> Result<Self> {
        let open = |to| open(sender.from.ns, sinks.at(to).context("nobody takes it")?);
        let sockets: Vec<UdpSocket> = sender.to.iter().map(open).collect::<Result<_>>()?;
        let frames = sockets.iter().map(|_| AtomicU64::new(0)).collect();
        let done = Arc::new(Done { frames, ..Done::default() });
        let (order, shared) = (order.clone(), Arc::clone(&done));
        let thread = std::thread::spawn(move || {
            shared.time.begin();
            let result = pump(&order, &sockets, &shared);
            shared.time.end();
            result
        });
        Ok(Self { whose: sender.whose.clone(), done, thread: Some(thread) })
    }

    fn counted(&self) -> (Vec<u64>, Duration) {
        let frames = self.done.frames.iter().map(|frames| frames.load(Ordering::Relaxed));
        (frames.collect(), self.done.time.so_far())
    }

    fn join(&mut self) -> Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("its thread panicked"))?
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.done.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        let _ = self.join();
    }
}

fn open(ns: &Ns, to: SocketAddr) -> Result<UdpSocket> {
    ns.run(|| {
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any)?;
        setsockopt(&socket, sockopt::SndBufForce, &BUFFER)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.connect(to).with_context(|| format!("no way to {to}"))?;
        Ok(socket)
    })
}

fn pump(order: &Order, sockets: &[UdpSocket], done: &Done) -> Result<()> {
    cpu::pin(SENDERS);
    if order.urgent {
        cpu::urgent(cpu::this_thread(), URGENT).context("no right to a real-time priority")?;
    }
    // Sleeps that end when they are to: 50 us late is the rule otherwise.
    let _ = nix::sys::prctl::set_timerslack(1);
    if !sleep_until(order.begin, &done.stop) {
        return Ok(());
    }
    let payload = vec![0_u8; order.payload];
    let slices = [[IoSlice::new(&payload)]; BATCH];
    let addresses = [None::<()>; BATCH];
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    // Datagrams that each place was to get so far.
    let mut turned = 0_u64;
    while !done.stop.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= order.end {
            break;
        }
        let count = match order.pps {
            None => (BATCH / sockets.len().max(1)).max(LEAST),
            Some(pps) => {
                let due = ((now - order.begin).as_secs_f64() * pps) as u64 + 1;
                if due <= turned {
                    let next = Duration::from_secs_f64(turned as f64 / pps);
                    sleep_until((order.begin + next).min(order.end), &done.stop);
                    continue;
                }
                (due - turned).min(BATCH as u64) as usize
            }
        };
        let addresses = addresses.get(..count).unwrap_or_default();
        for (socket, frames) in sockets.iter().zip(&done.frames) {
            let (fd, none) = (socket.as_raw_fd(), MsgFlags::empty());
            match sendmmsg(fd, &mut headers, &slices, addresses, [], none) {
                Ok(results) => {
                    frames.fetch_add(results.count() as u64, Ordering::Relaxed);
                }
                Err(_) => {
                    done.refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::yield_now();
                }
            }
        }
        turned += count as u64;
    }
    Ok(())
}
