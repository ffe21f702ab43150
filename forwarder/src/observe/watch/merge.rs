//! The events of all workers and of the program, in one order.
//!
//! Invariant: events come out by their times, each once. Those of the last poll wait for the next,
//! because another worker may have seen an earlier event that was not in its ring yet.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use weir_abi::watch::Unsteered;
use weir_abi::{Counter, Head, classify};
use weir_core::PortId;

use crate::host::attach::UnsteeredReader;
use crate::worker::{Event, Facts, Filter, Watched};

/// An event, and its observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observation {
    /// The worker at that position observed it.
    Worker(usize, Event),
    /// The program observed it and did not steer the frame.
    Program { outcome: Counter, port: PortId, at_ns: u64, len: u32, facts: Facts },
}

impl Observation {
    fn at_ns(&self) -> u64 {
        match self {
            Self::Worker(_, event) => event.at_ns,
            Self::Program { at_ns, .. } => *at_ns,
        }
    }
}

/// The program's reports; shared with the owner of the program, and read by one session at a time.
pub(crate) type UnsteeredRing = Arc<Mutex<UnsteeredReader>>;

/// The reading ends of one client, and the events that must still wait.
#[derive(Debug)]
pub(crate) struct EventMerger {
    workers: Vec<Watched>,
    program: UnsteeredRing,
    filter: Filter,
    snaplen: usize,
    held: Vec<(Observation, Range<usize>)>,
    /// What the ranges are of: thousands of small allocations in a flood would leave the heap in pieces.
    bytes: Vec<u8>,
    /// The time of the last poll.
    polled_ns: u64,
}

impl EventMerger {
    pub(crate) fn new(
        workers: Vec<Watched>,
        program: UnsteeredRing,
        filter: Filter,
        snaplen: u32,
    ) -> Self {
        let snaplen = snaplen as usize;
        let (held, bytes) = (Vec::new(), Vec::new());
        Self { workers, program, filter, snaplen, held, bytes, polled_ns: 0 }
    }

    pub(crate) fn workers(&mut self) -> &mut [Watched] {
        &mut self.workers
    }

    /// Events of a port for which the workers had no room.
    pub(crate) fn missed_at(&self, port: PortId) -> u64 {
        self.workers.iter().map(|watched| watched.missed_at(port)).sum()
    }

    pub(crate) fn takes_port(&self, port: PortId) -> bool {
        self.filter.takes_port(port)
    }

    pub(crate) fn missed(&self) -> u64 {
        self.workers.iter().map(|watched| watched.missed()).sum()
    }

    /// Takes in the events since the last call, and returns those that are older than that call; all of
    /// them with `last`.
    pub(crate) fn poll(
        &mut self,
        now_ns: u64,
        last: bool,
        mut observe: impl FnMut(&Observation, &[u8]),
    ) {
        let mut one = Vec::new();
        for (place, watched) in self.workers.iter_mut().enumerate() {
            while let Some(event) = watched.next(&mut one) {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(&one);
                self.held.push((Observation::Worker(place, event), start..self.bytes.len()));
            }
        }
        let mut program = self.program.lock().unwrap_or_else(PoisonError::into_inner);
        program.each(|head, bytes| {
            let Some(seen) = observation_of(&head, bytes, &self.filter) else { return };
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes.get(..self.snaplen).unwrap_or(bytes));
            self.held.push((seen, start..self.bytes.len()));
        });
        drop(program);
        self.held.sort_by_key(|(seen, _)| seen.at_ns());
        let until_ns = if last { u64::MAX } else { self.polled_ns };
        let ripe = self.held.partition_point(|(seen, _)| seen.at_ns() <= until_ns);
        for (seen, range) in self.held.drain(..ripe) {
            observe(&seen, self.bytes.get(range).unwrap_or_default());
        }
        // The events held back begin the next arena.
        let mut kept = Vec::new();
        for (_, range) in &mut self.held {
            let start = kept.len();
            kept.extend_from_slice(self.bytes.get(range.clone()).unwrap_or_default());
            *range = start..kept.len();
        }
        self.bytes = kept;
        self.polled_ns = now_ns;
    }
}

/// The program's report, if it is wanted. The program knows no filters, so they are applied here.
fn observation_of(head: &Unsteered, bytes: &[u8], filter: &Filter) -> Option<Observation> {
    let outcome = head.counter()?;
    // A frame with malformed headers matches only a filter that asks nothing of them.
    let whole = Head { linear: bytes, len: head.len as usize };
    let facts = classify(&whole).map_or_else(|_| Facts::default(), |verdict| Facts::from(&verdict));
    let port = PortId(head.port);
    let Unsteered { at_ns, len, .. } = *head;
    (filter.takes_port(port) && filter.takes(&facts, bytes)).then_some(Observation::Program {
        outcome,
        port,
        at_ns,
        len,
        facts,
    })
}

#[cfg(test)]
mod tests;
