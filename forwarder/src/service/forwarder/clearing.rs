//! Finds out when frames passed to the bridge have left the kernel's backlogs, so that their source may
//! use the express lane. A thread visits every CPU and sends a fence through its backlog.
//!
//! A frame that the bridge forwards to a veth stands in a CPU's backlog until that CPU's soft interrupt
//! takes it; a frame of the express lane does not wait anywhere. So a frame of the express lane would
//! overtake frames that its sender sent just before.
//!
//! Invariant: a source's frames are cleared only if, after they were counted, two rounds of fences have
//! come back from every CPU (or did not within [`LONGEST`]). Once a CPU runs this thread, the soft
//! interrupt that counted them is over, and the first fence is behind what it has put into the CPU's
//! own backlog. The second is behind what it has put into another CPU's backlog, which may have been
//! visited before; this happens if the receiver spreads its frames (RPS). Nothing is cleared during a
//! change after which the gate forwards frames that were left to the bridge uncounted
//! ([`PendingChanges`]). `xdp-ebpf/abi/tests/lanes.rs` models all this.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use weir_abi::gate::out;
use weir_abi::{MAX_PORTS, maps};
use weir_port::{Cells, FenceSocket};

use crate::host::attach::{GateMaps, PendingChanges};
use crate::host::netns::Netns;
use weir_schema::Host;

/// How often the counts are checked while there is nothing to clear.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How soon to check again while a change is stored, and whether fences have come.
const AGAIN: Duration = Duration::from_micros(50);
/// A frame this old has left its backlog. So a round is over after this time even if some fences have
/// not come back, because this process may not run on some CPU, or the pair is gone.
const LONGEST: Duration = Duration::from_millis(50);

/// The maps with the counts.
#[derive(Debug)]
struct ClearingMaps {
    /// `TAKEN`.
    out: Cells,
    fences: Cells,
    changes: PendingChanges,
}

/// Slots with frames that may still be on their way by the bridge, and the gate's count of the frames
/// that it passed.
type Passed = Vec<(usize, u64)>;

impl ClearingMaps {
    /// `None`: a change is under way.
    fn passed(&self) -> Option<Passed> {
        let slots = (0..MAX_PORTS as usize).filter_map(|slot| {
            let bridged = self.out.load(slot, out::BRIDGED);
            let cleared = self.out.load(slot, out::CLEARED);
            (bridged != cleared).then_some((slot, bridged))
        });
        let passed: Passed = slots.collect();
        // Read after the counts: so a change that has raised one of them shows here.
        (passed.is_empty() || self.changes.are_stored()).then_some(passed)
    }

    fn clear(&self, passed: Passed) {
        for (slot, bridged) in passed {
            if let Some(cleared) = self.out.word(slot, out::CLEARED) {
                cleared.store(bridged, Ordering::Release);
            }
        }
    }
}

/// The thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Clearing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clearing {
    /// `inner` is the pair's end in `netns`.
    pub(super) fn start(netns: &Netns, inner: u32, maps: &GateMaps) -> io::Result<Self> {
        let (out, fences) = (maps.taken.clone(), maps.fences.clone());
        let words = ClearingMaps { out, fences, changes: maps.changes.clone() };
        let socket = netns.enter(|| FenceSocket::open(inner))??;
        let cpus = Host::detect().cores;
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("weir-clearing".to_owned())
            .spawn(move || Rounds { socket, words, cpus, round: 0 }.run(&seen))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// The thread to unpark when there is something to clear.
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

    /// Sends a fence through every CPU's backlog, and waits for each. A full backlog drops the fence,
    /// so it is sent again until one comes through.
    fn round(&mut self) {
        let until = Instant::now() + LONGEST;
        for &cpu in &self.cpus {
            self.round = (self.round + 1) % maps::FENCE_ROUNDS;
            let Some(come) = self.words.fences.get(self.round as usize) else { return };
            come.store(0, Ordering::Release);
            let mut only = CpuSet::new();
            only.set(cpu);
            let visits = sched_setaffinity(None, &only).is_ok();
            while come.load(Ordering::Acquire) == 0 && Instant::now() < until {
                if visits && let Err(error) = self.socket.send(self.round) {
                    tracing::trace!(%error, cpu, "no fence");
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
