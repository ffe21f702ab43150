//! Maximum rates: one for each ingress port, over all links and all workers together. Invariant: over any
//! interval a port gets at most its rate times the interval plus its burst, and one more container for each
//! further link that it sends to. A link charges for a container when it finds that the container has to wait
//! for the cap, and may be busy when the container's time has come.
//!
//! The algorithm is GCRA. `due` is when what was taken so far would have been sent at the rate. A container
//! may go if `due` with it included is at most the burst's time ahead of now. A burst of less than two
//! containers counts as two. A container that is due has to wait while the link sends another, and with less
//! in reserve the port would never make up for that wait.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::time::{PerByte, Time};
use crate::{MAX_PORTS, PortId, Rate, broken};

#[derive(Debug, Default)]
struct Cell {
    /// A `PerByte`; zero: no limit.
    per_byte: AtomicU64,
    /// How far `due` may be ahead, a `Time`.
    burst: AtomicU64,
    /// A `Time`.
    due: AtomicU64,
}

/// The caps of all ports, shared as `Arc<Caps>`. The cells are relaxed atomics: workers need not see each
/// other's charges at once, and no other data is ordered by them.
#[derive(Debug)]
pub struct Caps {
    cells: Box<[Cell]>,
}

impl Default for Caps {
    /// Creates caps without limits.
    fn default() -> Self {
        Self { cells: (0..MAX_PORTS).map(|_| Cell::default()).collect() }
    }
}

impl Caps {
    /// Limits a port from now on; `None` removes the limit. What the port has taken in advance stays the same
    /// number of bytes. Cold; by one thread at a time.
    pub fn set(&self, now: u64, port: PortId, max: Option<Rate>, burst_bytes: u64) {
        let Some(cell) = self.cells.get(port.index()) else { return };
        let old = PerByte(cell.per_byte.load(Relaxed));
        let new = max.map_or(PerByte(0), PerByte::of);
        let now = Time::at(now);
        let owed = Time(cell.due.load(Relaxed)).since(now);
        let owed = if old.0 == 0 { Time(0) } else { owed.rescaled(old, new) };
        cell.due.store(now.plus(owed).0, Relaxed);
        cell.burst.store(new.time(burst_bytes).0, Relaxed);
        cell.per_byte.store(new.0, Relaxed);
    }

    /// A port's cell, and how long it takes to send a byte; `None`: it has no limit.
    #[inline]
    fn limit(&self, port: PortId) -> Option<(&Cell, PerByte)> {
        let Some(cell) = self.cells.get(port.index()) else {
            broken!("a container came from a port beyond MAX_PORTS");
            return None;
        };
        let per_byte = PerByte(cell.per_byte.load(Relaxed));
        (per_byte.0 != 0).then_some((cell, per_byte))
    }

    /// When a container of `bytes` may go; 0: now.
    #[inline]
    pub fn ready_at(&self, now: u64, port: PortId, bytes: u64) -> u64 {
        let Some((cell, per_byte)) = self.limit(port) else { return 0 };
        let cost = per_byte.time(bytes);
        let due = Time(cell.due.load(Relaxed)).max(Time::at(now));
        let ahead = Time(cell.burst.load(Relaxed)).max(cost.plus(cost));
        let at = due.plus(cost).since(ahead);
        if at <= Time::at(now) { 0 } else { at.ceil_ns() }
    }

    /// Counts what the port sent by another way, which takes its rate until then.
    pub fn occupy(&self, port: PortId, until: u64) {
        if let Some(cell) = self.cells.get(port.index()) {
            cell.due.fetch_max(Time::at(until).0, Relaxed);
        }
    }

    /// When what the port has sent would have been sent at its rate.
    pub fn due_ns(&self, port: PortId) -> u64 {
        self.cells.get(port.index()).map_or(0, |cell| Time(cell.due.load(Relaxed)).ceil_ns())
    }

    /// Charges a container that was sent.
    #[inline]
    pub fn charge(&self, now: u64, port: PortId, bytes: u64) {
        if let Some((cell, per_byte)) = self.limit(port) {
            let cost = per_byte.time(bytes);
            let add = |due| Some(Time(due).max(Time::at(now)).plus(cost).0);
            // `add` always returns a value.
            let _ = cell.due.fetch_update(Relaxed, Relaxed, add);
        }
    }

    /// Refunds bytes that were charged and not sent.
    #[inline]
    pub fn refund(&self, port: PortId, bytes: u64) {
        if let Some((cell, per_byte)) = self.limit(port) {
            let cost = per_byte.time_back(bytes);
            let take = |due| Some(Time(due).since(cost).0);
            let _ = cell.due.fetch_update(Relaxed, Relaxed, take);
        }
    }
}

#[cfg(test)]
mod tests;
