//! Whether the workers run: each writes the time into a word that the gate and the other workers read.
//!
//! While a worker's word is older than [`STALE_NS`], the gate leaves its frames to their ports' fallback,
//! which is mostly the bridge. Packets that waited at the worker have then been overtaken, and must not be
//! sent any more.
//!
//! Invariant: a worker considers itself stalled earlier than the gate does ([`LATE_NS`]), and reads the clock
//! right before it sends. So what it sends was not overtaken, unless the worker is stopped just then for the
//! difference between the two times.

use std::sync::atomic::Ordering;

use weir_abi::gate::{STALE_NS, out};
use weir_abi::{MAX_PORTS, MAX_WORKERS};
use weir_core::broken;
use weir_port::Cells;

/// How often a worker that is awake writes the time. A worker that sleeps wakes up to write it, less often.
pub const EVERY_NS: u64 = 20_000_000;
/// A worker that has not written the time for this long was stalled; the gate notices later.
pub const LATE_NS: u64 = 400_000_000;

const _: () = assert!(LATE_NS + 2 * EVERY_NS < STALE_NS);

/// One worker's word, and its view of the other workers' words.
#[derive(Debug)]
pub(super) struct Heartbeat {
    /// The map `TAKEN`.
    pub(super) words: Cells,
    index: usize,
    clock: fn() -> u64,
    /// When the worker last wrote the time.
    pub(super) said_ns: u64,
    /// A bit for each other worker that was stalled at this worker's last beat.
    still: u64,
}

impl Heartbeat {
    /// Starts the heartbeat of the worker with that index.
    pub(super) fn begin(words: Cells, index: usize, clock: fn() -> u64) -> Self {
        let said_ns = clock();
        if let Some(word) = beat_word(&words, index) {
            word.store(said_ns, Ordering::Release);
        }
        Self { words, index, clock, said_ns, still: 0 }
    }

    pub(super) fn now_ns(&self) -> u64 {
        (self.clock)()
    }

    /// The time since the last reading of the clock.
    #[inline]
    pub(super) fn lap(&self, since_ns: &mut u64) -> u64 {
        let now_ns = self.now_ns();
        now_ns.saturating_sub(std::mem::replace(since_ns, now_ns))
    }

    /// Whether it is time to write again.
    #[inline]
    pub(super) fn is_due(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.said_ns) >= EVERY_NS
    }

    /// Whether the gate may consider this worker stalled now.
    #[inline]
    pub(super) fn is_late(&self) -> bool {
        is_late(self.said_ns, self.now_ns())
    }

    /// The time after which nothing may be sent, unless the worker writes the time again.
    #[inline]
    pub(super) fn until_ns(&self) -> u64 {
        self.said_ns.saturating_add(LATE_NS)
    }

    /// Writes the time, and reads the other workers' words. If the control side has written a value instead,
    /// it stays: to the gate the worker is then gone.
    pub(super) fn beat(&mut self, now_ns: u64) {
        let (release, relaxed) = (Ordering::Release, Ordering::Relaxed);
        match beat_word(&self.words, self.index) {
            Some(word) => {
                let _ = word.compare_exchange(self.said_ns, now_ns, release, relaxed);
            }
            None => broken!("a worker has no word to say in that it runs"),
        }
        self.said_ns = now_ns;
        let others = (0..MAX_WORKERS as usize).filter(|&other| other != self.index);
        let still = others.filter(|&other| {
            let said_ns = said_ns(&self.words, other);
            said_ns != 0 && is_late(said_ns, now_ns)
        });
        self.still = still.fold(0, |bits, other| bits | 1 << other);
    }

    /// Whether another worker is stalled, and the gate may know.
    #[inline]
    pub(super) fn stands_still(&self, other: usize, now_ns: u64) -> bool {
        self.still >> other & 1 != 0 && is_late(said_ns(&self.words, other), now_ns)
    }
}

/// Whether a worker that last wrote the time at `said_ns` must consider itself stalled.
#[inline]
pub(super) const fn is_late(said_ns: u64, now_ns: u64) -> bool {
    now_ns.saturating_sub(said_ns) > LATE_NS
}

fn beat_word(words: &Cells, index: usize) -> Option<&std::sync::atomic::AtomicU64> {
    words.word(MAX_PORTS as usize + index, out::BEAT)
}

fn said_ns(words: &Cells, index: usize) -> u64 {
    words.load(MAX_PORTS as usize + index, out::BEAT)
}

/// The workers' heartbeats, for the control side.
#[derive(Clone, Debug)]
pub struct Pulses {
    words: Cells,
    workers: usize,
}

impl Pulses {
    /// `words` is the map `TAKEN`.
    pub fn new(words: Cells, workers: usize) -> Self {
        Self { words, workers }
    }

    /// The first worker that is stalled, if any.
    pub fn still(&self, now_ns: u64) -> Option<usize> {
        (0..self.workers)
            .find(|&worker| weir_abi::gate::is_stale(said_ns(&self.words, worker), now_ns))
    }

    /// Makes the gate leave all workers' frames to their ports' fallback, whatever the workers write.
    pub fn say_gone(&self) {
        for worker in 0..self.workers {
            if let Some(word) = beat_word(&self.words, worker) {
                word.store(0, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests;
