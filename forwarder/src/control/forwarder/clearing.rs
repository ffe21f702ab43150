//! Finds out when what was passed to the bridge has left the kernel's backlogs, so that its source may use
//! the express lane: a thread that visits every CPU and sends a fence through its backlog.
//!
//! What the bridge forwards to a veth stands in a CPU's backlog until that CPU's soft interrupt takes it;
//! what the express lane carries does not stand anywhere. So a frame of the express lane would overtake
//! what its sender sent just before.
//!
//! Invariant: a source's frames are cleared only if, after they were counted, two rounds of fences have
//! come back from every CPU. The first is behind what stood in the port's own backlog, and once a CPU
//! runs this thread, the soft interrupt that counted them is over. The second is behind what the bridge
//! has then put into any CPU's backlog, which need not be its own where the receiver spreads what it
//! gets (RPS).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use weir_abi::gate::{home, out};
use weir_abi::{MAX_PORTS, maps};
use weir_port::{Cells, FenceSocket};

use crate::control::config::Host;
use crate::control::netns::Netns;
use crate::worker::STRIDE;

/// With nothing to clear, how often it is looked whether there is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a round may take; what has not come back by then is asked for again.
const ROUND: Duration = Duration::from_millis(200);
/// In a CPU that this process may not run on, what was there a while ago is gone.
const UNVISITED: Duration = Duration::from_millis(200);

/// The maps that tell of it.
#[derive(Debug)]
pub(super) struct Words {
    /// `TAKEN`.
    pub(super) out: Cells,
    /// `GIVEN_BACK`.
    pub(super) home: Cells,
    /// `FENCES`.
    pub(super) fences: Cells,
}

/// The thread, which ends with this.
#[derive(Debug)]
pub(super) struct Clearing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clearing {
    /// `inner` is the pair's end in `netns`.
    pub(super) fn start(netns: &Netns, inner: u32, words: Words) -> io::Result<Self> {
        let socket = netns.enter(|| FenceSocket::open(inner))??;
        let cpus = Host::detect().cores;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("weir-clearing".to_owned())
            .spawn(move || Rounds { socket, words, cpus, round: 0 }.run(&seen))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Clearing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct Rounds {
    socket: FenceSocket,
    words: Words,
    cpus: Vec<usize>,
    round: u32,
}

impl Rounds {
    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let passed = self.passed();
            if !passed.is_empty() && self.round() && self.round() {
                for (slot, bridged) in passed {
                    if let Some(cleared) = self.words.home.get(slot * STRIDE + home::CLEARED) {
                        cleared.store(bridged, Ordering::Release);
                    }
                }
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// The slots some of whose frames may still be on their way by the bridge, and the gate's count of
    /// those that it passed.
    fn passed(&self) -> Vec<(usize, u64)> {
        let word =
            |cells: &Cells, at: usize| cells.get(at).map_or(0, |word| word.load(Ordering::Acquire));
        let slots = (0..MAX_PORTS as usize).filter_map(|slot| {
            let bridged = word(&self.words.out, slot * STRIDE + out::BRIDGED);
            let cleared = word(&self.words.home, slot * STRIDE + home::CLEARED);
            (bridged != cleared).then_some((slot, bridged))
        });
        slots.collect()
    }

    /// Sends a fence through every CPU's backlog; whether all have come back.
    fn round(&mut self) -> bool {
        self.round = (self.round + 1) % maps::FENCE_ROUNDS;
        let Some(come) = self.words.fences.get(self.round as usize) else { return false };
        come.store(0, Ordering::Release);
        let mut sent = 0;
        let mut unvisited = false;
        for &cpu in &self.cpus {
            let mut only = CpuSet::new();
            only.set(cpu);
            if sched_setaffinity(None, &only).is_err() {
                unvisited = true;
            } else if self.socket.send(self.round).is_ok() {
                sent += 1;
            } else {
                return false;
            }
        }
        let until = Instant::now() + ROUND;
        while come.load(Ordering::Acquire) < sent {
            if Instant::now() > until {
                return false;
            }
            thread::park_timeout(Duration::from_micros(50));
        }
        if unvisited {
            thread::park_timeout(UNVISITED);
        }
        true
    }
}
