//! How the frames of the pool are divided between workers, fill rings, and waiting packets.
//!
//! Every worker has its own part of the pool, and frames return to the part they came from. An eighth
//! of each part is reserved for pieces and segments. Each port's fill rings get a promise when the port
//! is taken in. The rest holds waiting packets. Every port of the worker has an equal share of that
//! rest, so that no flood can take the frames that another port needs for receiving; a single port has
//! half, so that something is left for the next one.
//!
//! Invariant: `reserve + promised + what every port may hold` is never more than the worker's part,
//! while [`Part::queue`] gives more than [`QUEUE_MIN`].

/// Per worker, of 4 KiB each: its shared fill ring, and a flood's worth of waiting packets; some more
/// for each port.
const WORKER_MIN: u32 = 12 * 1024;
const PER_PORT: u32 = 256;
/// For all workers together.
const POOL_MAX: u32 = 96 * 1024;
/// Twice a receive ring.
const FILL_MAX: u32 = 4096;
const FILL_MIN: u32 = 64;
/// Fewer than this do not last for the time between two turns of a busy worker.
pub(super) const FILL_SCARCE: u32 = 256;
/// What a port may hold however crowded the pool is: with less, bursts would be lost.
pub(super) const QUEUE_MIN: u32 = 1024;

/// The number of frames for each worker; `ports` is the number at the busiest worker. All of them stay
/// in memory.
pub(super) fn frames_per_worker(ports: u32, workers: u32) -> u32 {
    let most = (POOL_MAX / workers.max(1)).max(1);
    ports.saturating_mul(PER_PORT).saturating_add(WORKER_MIN).min(most)
}

/// A worker's part of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) frames: u32,
    /// To fill rings.
    pub(super) promised: u32,
    /// The worker's.
    pub(super) ports: u32,
    pub(super) workers: u32,
}

impl Part {
    /// The frames that are neither reserved nor promised.
    fn left(self) -> u32 {
        (self.frames - self.frames / 8).saturating_sub(self.promised)
    }

    /// The number of frames that each queue of one more port may hold ready: what it can use, or half
    /// of what is left, so that something always remains for the next port.
    pub(super) fn fill(self, queues: u32) -> u32 {
        (self.left() / 2 / queues.max(1)).clamp(FILL_MIN, FILL_MAX)
    }

    /// The number of frames that packets from one port may hold in each engine: those of the other
    /// workers have queues of their own for them.
    pub(super) fn queue(self) -> u32 {
        (self.left() / self.ports.max(2) / self.workers.max(1)).max(QUEUE_MIN)
    }
}

#[cfg(test)]
mod tests;
