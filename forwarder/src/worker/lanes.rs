//! The worker's ports, by slot: which of them a turn serves, and in what order.
//!
//! Invariant: `all` has exactly the occupied slots. `receiving` has those of them whose port has its own
//! receive queues, each once. A port without receive queues is in `tended` from when something is to be sent
//! to it until all of that has been sent, so idle ports cost a turn nothing. Receiving starts one port later
//! every turn, so that no port's frames always reach the queues first.

use std::collections::VecDeque;

use weir_core::{Losses, MAX_PORTS, PortId, PortSet};
use weir_port::{Port, PortStats};

use super::sent::SentLog;

/// A port with the worker's own counts of it.
#[derive(Debug)]
pub(super) struct Lane<P> {
    pub(super) port: P,
    pub(super) losses: Losses,
    pub(super) copies: u64,
    /// The device took nothing at the last attempt.
    pub(super) refused: bool,
    /// The number of packets to take in the next turn.
    pub(super) budget: usize,
    /// What the port sent by the worker's shared receive ring, whose own counters are for all ports together.
    pub(super) shared: PortStats,
    pub(super) sent: SentLog,
}

/// The most packets taken in a turn, from one port or from several together.
pub(super) const BURST: usize = 128;
/// The number of bursts in a full receive ring.
pub(super) const RING_BURSTS: usize = weir_abi::RX_PLACES as usize / BURST;
/// The fewest packets to take from one port: fewer would cost more than they save the others.
pub(super) const BURST_LEAST: usize = 16;
/// The approximate limit of bytes taken from one port in a turn: 128 superframes would be 8 MB, and all other
/// frames would wait behind them.
pub(super) const BURST_BYTES: u64 = 256 << 10;

/// The number of packets to take from a ring in the next turn, from what came in this one, and from how many
/// rings had frames in the one before. A single frame waits for a whole turn, so the rings share the burst.
#[inline]
pub(super) fn budget_after(packets: usize, bytes: u64, busy_ports: usize) -> usize {
    let burst = match busy_ports {
        0 | 1 => BURST,
        several => (BURST / several).max(BURST_LEAST),
    };
    match bytes / (packets as u64).max(1) {
        0..2048 => burst,
        mean => ((BURST_BYTES / mean) as usize).clamp(4, burst),
    }
}

#[derive(Debug)]
pub(super) struct Lanes<P> {
    slots: Vec<Option<Lane<P>>>,
    all: PortSet,
    /// In the order of this turn.
    receiving: VecDeque<PortId>,
    tended: PortSet,
}

impl<P> Lanes<P> {
    pub(super) fn new() -> Self {
        Self {
            slots: std::iter::repeat_with(|| None).take(MAX_PORTS).collect(),
            all: PortSet::EMPTY,
            receiving: VecDeque::with_capacity(MAX_PORTS),
            tended: PortSet::EMPTY,
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: PortId) -> Option<&mut Lane<P>> {
        self.slots.get_mut(usize::from(id.0)).and_then(Option::as_mut)
    }

    pub(super) fn get(&self, id: PortId) -> Option<&Lane<P>> {
        self.slots.get(usize::from(id.0)).and_then(Option::as_ref)
    }

    /// Puts a port into its slot. `receives`: the port has its own receive queues.
    pub(super) fn insert(&mut self, id: PortId, port: P, receives: bool) {
        self.remove(id);
        if let Some(slot) = self.slots.get_mut(usize::from(id.0)) {
            *slot = Some(Lane {
                port,
                losses: Losses::default(),
                copies: 0,
                refused: false,
                budget: BURST,
                shared: PortStats::default(),
                sent: SentLog::new(),
            });
            self.all.insert(id);
            if receives {
                self.receiving.push_back(id);
                self.tended.insert(id);
            }
        }
    }

    pub(super) fn remove(&mut self, id: PortId) -> Option<Lane<P>> {
        let lane = self.slots.get_mut(usize::from(id.0)).and_then(Option::take)?;
        self.all.remove(id);
        self.receiving.retain(|&receiving| receiving != id);
        self.tended.remove(id);
        Some(lane)
    }

    /// The number of ports with their own receive queues.
    #[inline]
    pub(super) fn receiving(&self) -> usize {
        self.receiving.len()
    }

    /// The `nth` receiving port of this turn.
    #[inline]
    pub(super) fn nth(&self, nth: usize) -> Option<PortId> {
        self.receiving.get(nth).copied()
    }

    /// Makes the next turn begin with another port.
    #[inline]
    pub(super) fn rotate(&mut self) {
        if !self.receiving.is_empty() {
            self.receiving.rotate_left(1);
        }
    }

    pub(super) fn all(&self) -> PortSet {
        self.all
    }

    /// The ports to serve: those that receive, and those with something on its way.
    #[inline]
    pub(super) fn tended(&self) -> PortSet {
        self.tended
    }

    pub(super) fn any_tended(&self, is: impl Fn(&Lane<P>) -> bool) -> bool {
        self.tended.iter().any(|id| self.get(id).is_some_and(&is))
    }

    /// Marks a port to which something is to be sent.
    #[inline]
    pub(super) fn tend(&mut self, id: PortId) {
        if self.all.contains(id) {
            self.tended.insert(id);
        }
    }

    /// Unmarks a port that only sends and has nothing on its way.
    #[inline]
    pub(super) fn untend(&mut self, id: PortId) {
        self.tended.remove(id);
    }
}

impl<P: Port> Lane<P> {
    /// Whether a port that only sends has sent everything that it was given, and is known to be up.
    #[inline]
    pub(super) fn is_at_rest(&self) -> bool {
        !self.port.receives()
            && !self.refused
            && self.port.tx_outstanding() == 0
            && self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests;
