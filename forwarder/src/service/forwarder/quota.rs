//! How the frames of the pool are divided: between workers, fill rings, and what waits.
//!
//! Every worker has its own part of the pool, and frames return to the part they came from. Of a
//! part, an eighth is kept back from fill rings for pieces and segments, each port's fill rings are
//! promised some when the port is taken in, and the rest is what packets may wait in. Of that rest
//! every port of the worker has an equal share, so that no flood can take what another port needs
//! to receive into; a port that is alone has half, so that there is something for the next.
//!
//! Invariant: `reserve + promised + what every port may hold` is never more than the worker's part,
//! while [`queue`] gives more than [`QUEUE_MIN`].

/// Of a worker, 4 KiB each: its shared fill ring, and a flood's worth of waiting packets; some more
/// for each port.
const WORKER_MIN: u32 = 12 * 1024;
const PER_PORT: u32 = 256;
/// Of all workers together.
const POOL_MAX: u32 = 96 * 1024;
/// Twice a receive ring.
const FILL_MAX: u32 = 4096;
const FILL_MIN: u32 = 64;
/// Fewer than this do not bridge the time between two turns of a busy worker.
pub(super) const FILL_SCARCE: u32 = 256;
/// What a port may hold however crowded the pool is: less would make bursts losses.
pub(super) const QUEUE_MIN: u32 = 1024;

/// How many frames each worker gets; `ports` is how many the busiest worker serves. All of them stay
/// in memory.
pub(super) fn frames_per_worker(ports: u32, workers: u32) -> u32 {
    let most = (POOL_MAX / workers.max(1)).max(1);
    ports.saturating_mul(PER_PORT).saturating_add(WORKER_MIN).min(most)
}

/// A worker's part of the pool, and what of it is promised to fill rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) frames: u32,
    pub(super) promised: u32,
}

impl Part {
    /// Neither kept back nor promised.
    fn left(self) -> u32 {
        (self.frames - self.frames / 8).saturating_sub(self.promised)
    }

    /// How many frames each queue of one more port may hold ready: what it can use, or half of what
    /// is left, so that there is always something for the next port.
    pub(super) fn fill(self, queues: u32) -> u32 {
        (self.left() / 2 / queues.max(1)).clamp(FILL_MIN, FILL_MAX)
    }

    /// How many frames packets from one port may hold in each engine, when the worker has so many
    /// ports: the engines of the other workers have queues of their own for them.
    pub(super) fn queue(self, ports: u32, workers: u32) -> u32 {
        (self.left() / ports.max(2) / workers.max(1)).max(QUEUE_MIN)
    }
}

#[cfg(test)]
mod tests;
