//! What all who watch saw, in one order.
//!
//! Invariant: events come out by their times, each once; those of the last look wait for the next,
//! because another worker may have seen something earlier that was not in its ring yet.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use weir_abi::watch::Unsteered;
use weir_abi::{Counter, Head, classify};
use weir_core::PortId;

use crate::host::attach::Told;
use crate::worker::{Event, Facts, Filter, Watched};

/// Where something was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// By the worker of that place.
    Worker(usize, Event),
    /// By the program, which did not steer it.
    Program { outcome: Counter, port: PortId, at_ns: u64, len: u32, facts: Facts },
}

impl Sight {
    fn at_ns(&self) -> u64 {
        match self {
            Self::Worker(_, event) => event.at_ns,
            Self::Program { at_ns, .. } => *at_ns,
        }
    }
}

/// What the program tells; shared with who holds the program, used by one who watches.
pub(crate) type Program = Arc<Mutex<Told>>;

/// All ends of those who watch for one client.
#[derive(Debug)]
pub(super) struct Eyes {
    workers: Vec<Watched>,
    program: Option<Program>,
    filter: Filter,
    snaplen: usize,
    held: Vec<(Sight, Range<usize>)>,
    bytes: Vec<u8>,
    /// When the last look began.
    looked_ns: u64,
}

impl Eyes {
    pub(super) fn new(
        workers: Vec<Watched>,
        program: Option<Program>,
        filter: Filter,
        snaplen: u32,
    ) -> Self {
        let snaplen = snaplen as usize;
        let (held, bytes) = (Vec::new(), Vec::new());
        Self { workers, program, filter, snaplen, held, bytes, looked_ns: 0 }
    }

    pub(super) fn workers(&mut self) -> &mut [Watched] {
        &mut self.workers
    }

    /// Events of a port for which the workers had no room.
    pub(super) fn missed_at(&self, port: PortId) -> u64 {
        self.workers.iter().map(|watched| watched.events.missed_at(port)).sum()
    }

    pub(super) fn takes_every_port(&self) -> bool {
        self.filter.ports.is_none()
    }

    pub(super) fn missed(&self) -> u64 {
        self.workers.iter().map(|watched| watched.events.missed()).sum()
    }

    /// Takes in what was seen since the last look, and gives what is older than that; all of it, if
    /// nobody watches any more.
    pub(super) fn look(&mut self, now_ns: u64, last: bool, mut see: impl FnMut(&Sight, &[u8])) {
        let mut one = Vec::new();
        for (place, watched) in self.workers.iter_mut().enumerate() {
            while let Some(event) = watched.events.next(&mut one) {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(&one);
                self.held.push((Sight::Worker(place, event), start..self.bytes.len()));
            }
        }
        if let Some(program) = &self.program {
            let mut told = program.lock().unwrap_or_else(PoisonError::into_inner);
            told.each(|head, bytes| {
                let Some(sight) = sight_of(&head, bytes, &self.filter) else { return };
                let bytes = bytes.get(..self.snaplen).unwrap_or(bytes);
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                self.held.push((sight, start..self.bytes.len()));
            });
        }
        self.held.sort_by_key(|(sight, _)| sight.at_ns());
        let until_ns = if last { u64::MAX } else { self.looked_ns };
        let ripe = self.held.partition_point(|(sight, _)| sight.at_ns() <= until_ns);
        for (sight, range) in self.held.drain(..ripe) {
            see(&sight, self.bytes.get(range).unwrap_or_default());
        }
        // What is held begins the next arena.
        let mut kept = Vec::new();
        for (_, range) in &mut self.held {
            let start = kept.len();
            kept.extend_from_slice(self.bytes.get(range.clone()).unwrap_or_default());
            *range = start..kept.len();
        }
        self.bytes = kept;
        self.looked_ns = now_ns;
    }
}

/// What the program told, if it is wanted. It knows nothing of filters, so they are asked here.
fn sight_of(head: &Unsteered, bytes: &[u8], filter: &Filter) -> Option<Sight> {
    let outcome = head.counter()?;
    // A frame whose headers make no sense matches only who asks nothing of them.
    let whole = Head { linear: bytes, len: head.len as usize };
    let facts = classify(&whole).map_or_else(|_| Facts::default(), |verdict| Facts::from(&verdict));
    let port = PortId(head.port);
    let Unsteered { at_ns, len, .. } = *head;
    (filter.takes_port(port) && filter.takes(&facts, bytes)).then_some(Sight::Program {
        outcome,
        port,
        at_ns,
        len,
        facts,
    })
}

#[cfg(test)]
mod tests;
