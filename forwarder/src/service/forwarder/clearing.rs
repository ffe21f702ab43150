//! Finds out when what was passed to the bridge has left the kernel's backlogs, so that its source may use
//! the express lane: a thread that visits every CPU and sends a fence through its backlog.
//!
//! What the bridge forwards to a veth stands in a CPU's backlog until that CPU's soft interrupt takes it;
//! what the express lane carries does not stand anywhere. So a frame of the express lane would overtake
//! what its sender sent just before.
//!
//! Invariant: a source's frames are cleared only if, after they were counted, two rounds of fences have
//! come back from every CPU (or did not within [`LONGEST`]). Once a CPU runs this thread, the soft interrupt
//! that counted them is over, and the first fence is behind what it has put into the CPU's own backlog. The
//! second is behind what it has put into another's, which may have been visited before: so where the
//! receiver spreads what it gets (RPS). Nothing is cleared around a change after which the gate forwards what
//! was left to the bridge, and not counted ([`PendingChanges`]). A model of all that: `xdp-ebpf/abi/tests/lanes.rs`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use weir_abi::gate::out;
use weir_abi::{MAX_PORTS, maps};
use weir_port::cells::STRIDE;
use weir_port::{Cells, FenceSocket};

use crate::host::attach::PendingChanges;
use crate::host::netns::Netns;
use weir_schema::Host;

/// With nothing to clear, how often it is looked whether there is.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How soon it is looked again while a change is stored, and whether fences have come.
const AGAIN: Duration = Duration::from_micros(50);
/// What stood in a backlog so long ago has left it: a round whose fences have not all come back by then, as
/// this process may not run on some CPU, or the pair is gone, is over.
const LONGEST: Duration = Duration::from_millis(50);

/// The maps that tell of it.
#[derive(Debug)]
pub(super) struct ClearingMaps {
    /// `TAKEN`.
    pub(super) out: Cells,
    /// `FENCES`.
    pub(super) fences: Cells,
    pub(super) changes: PendingChanges,
}

/// Slots some of whose frames may still be on their way by the bridge, and the gate's count of those that it
/// passed.
type Passed = Vec<(usize, u64)>;

impl ClearingMaps {
    /// `None`: what they are is being changed.
    fn passed(&self) -> Option<Passed> {
        let word =
            |cells: &Cells, at: usize| cells.get(at).map_or(0, |word| word.load(Ordering::Acquire));
        let slots = (0..MAX_PORTS as usize).filter_map(|slot| {
            let bridged = word(&self.out, slot * STRIDE + out::BRIDGED);
            let cleared = word(&self.out, slot * STRIDE + out::CLEARED);
            (bridged != cleared).then_some((slot, bridged))
        });
        let passed: Passed = slots.collect();
        // After the counts: a change that has raised one of them is seen here.
        (passed.is_empty() || self.changes.are_stored()).then_some(passed)
    }

    fn clear(&self, passed: Passed) {
        for (slot, bridged) in passed {
            if let Some(cleared) = self.out.get(slot * STRIDE + out::CLEARED) {
                cleared.store(bridged, Ordering::Release);
            }
        }
    }
}

/// The thread, which ends with this.
#[derive(Debug)]
pub(super) struct Clearing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clearing {
    /// `inner` is the pair's end in `netns`.
    pub(super) fn start(netns: &Netns, inner: u32, words: ClearingMaps) -> io::Result<Self> {
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

impl Clearing {
    /// To be woken where somebody waits for what it finds out.
    pub(super) fn thread(&self) -> Option<Thread> {
        self.thread.as_ref().map(|thread| thread.thread().clone())
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
    words: ClearingMaps,
    cpus: Vec<usize>,
    round: u32,
}

impl Rounds {
    fn run(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            match self.words.passed() {
                None => thread::park_timeout(AGAIN),
                Some(passed) => {
                    if !passed.is_empty() {
                        self.clear(passed);
                    }
                    thread::park_timeout(LOOK_EVERY);
                }
            }
        }
    }

    fn clear(&mut self, passed: Passed) {
        let start = Instant::now();
        self.round();
        let first = start.elapsed();
        self.round();
        tracing::debug!(ports = passed.len(), ?first, both = ?start.elapsed(), "cleared");
        self.words.clear(passed);
    }

    /// Sends a fence through every CPU's backlog, and waits for each. A backlog that is full drops it: so it
    /// is sent again until one comes.
    fn round(&mut self) {
        let until = Instant::now() + LONGEST;
        for at in 0..self.cpus.len() {
            self.round = (self.round + 1) % maps::FENCE_ROUNDS;
            let Some(come) = self.words.fences.get(self.round as usize) else { return };
            come.store(0, Ordering::Release);
            let mut only = CpuSet::new();
            self.cpus.get(at).iter().for_each(|cpu| only.set(**cpu));
            let visits = sched_setaffinity(None, &only).is_ok();
            while come.load(Ordering::Acquire) == 0 && Instant::now() < until {
                if visits && let Err(error) = self.socket.send(self.round) {
                    tracing::trace!(%error, at, "no fence");
                }
                if come.load(Ordering::Acquire) == 0 {
                    thread::park_timeout(AGAIN);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
