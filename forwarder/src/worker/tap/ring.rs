//! The ring of events from a worker to the control side, and the marks that the worker gets in return.
//!
//! Invariant: an event is in the ring with all its bytes or not at all. Events without room are counted, and
//! the writer neither waits nor allocates. There is one writer and one reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};
use weir_core::{MAX_PORTS, PortId, Reason, invariant};

use super::filter::Facts;

/// The buffer has room for one event per this many bytes: a small packet needs as much for the event as for
/// itself.
const BYTES_PER_EVENT: usize = 128;
/// The number of packets that can be followed at a time; their marks start at 1.
pub const MARKS: usize = u8::MAX as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The worker took the packet out of the receive ring.
    Arrived {
        taken_ns: u64,
    },
    /// The program named the port by which the packet leaves.
    Decided(PortId),
    /// A superframe was cut into this many packets for a link with a rate.
    Cut {
        egress: PortId,
        pieces: u16,
    },
    /// The packet was handed to the egress port.
    Sent(PortId),
    Lost(Reason),
    /// The kernel has taken the packet.
    Settled {
        egress: PortId,
        taken_ns: u64,
        released_ns: u64,
        sent_ns: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub at_ns: u64,
    pub step: Step,
    /// When the program saw the packet.
    pub ingress_ns: u64,
    pub ingress: PortId,
    /// The mark of a followed packet; 0 otherwise.
    pub mark: u8,
    pub len: u32,
    /// The number of its bytes that are in the ring.
    pub captured: u32,
    pub facts: Facts,
}

impl Event {
    /// The port at which it was seen.
    pub fn port(&self) -> PortId {
        match self.step {
            Step::Sent(egress) | Step::Settled { egress, .. } => egress,
            _ => self.ingress,
        }
    }
}

/// The worker's end.
#[derive(Debug)]
pub(super) struct Writer {
    events: Producer<Event>,
    bytes: Producer<u8>,
    missed: Missed,
    /// Marks for packets to be followed, as many as the reader has provided.
    pub(super) marks: Consumer<u8>,
}

/// The number of events without room, by port.
type Missed = Arc<[AtomicU64]>;

/// The control side's end.
#[derive(Debug)]
pub struct Watched {
    events: Consumer<Event>,
    bytes: Consumer<u8>,
    missed: Missed,
    marks: Producer<u8>,
}

/// Makes a ring with room for this many bytes of packets.
pub(super) fn ring(bytes: usize) -> (Writer, Watched) {
    let (events, seen) = RingBuffer::new((bytes / BYTES_PER_EVENT).max(1));
    let (bytes, copied) = RingBuffer::new(bytes);
    let missed: Missed = (0..MAX_PORTS).map(|_| AtomicU64::new(0)).collect();
    let (marks, given) = RingBuffer::new(MARKS);
    (
        Writer { events, bytes, missed: Arc::clone(&missed), marks: given },
        Watched { events: seen, bytes: copied, missed, marks },
    )
}

impl Writer {
    /// Writes an event with the first `event.captured` bytes of `chunks`, if there is room.
    pub(super) fn put<'a>(&mut self, event: Event, chunks: impl Iterator<Item = &'a [u8]>) {
        let mut rest = event.captured as usize;
        if self.events.is_full() || self.bytes.slots() < rest {
            if let Some(missed) = self.missed.get(event.port().index()) {
                missed.fetch_add(1, Ordering::Relaxed);
            }
            return;
        }
        for chunk in chunks {
            let part = chunk.get(..rest).unwrap_or(chunk);
            let Ok(()) = self.bytes.push_entire_slice(part) else { break };
            rest -= part.len();
            if rest == 0 {
                break;
            }
        }
        let captured = event.captured - rest as u32;
        let pushed = self.events.push(Event { captured, ..event });
        invariant!(pushed.is_ok(), "a watcher's ring has room and takes nothing");
    }
}

impl Watched {
    /// Allows one more packet to be followed, with that mark. Two workers must have different marks, or their
    /// packets cannot be told apart.
    pub fn follow(&mut self, mark: u8) {
        let pushed = self.marks.push(mark);
        invariant!(pushed.is_ok(), "more marks were given than there are");
    }

    /// Takes the next event. Its bytes replace the contents of `bytes`.
    pub fn next(&mut self, bytes: &mut Vec<u8>) -> Option<Event> {
        let event = self.events.pop().ok()?;
        bytes.resize(event.captured as usize, 0);
        let popped = self.bytes.pop_entire_slice(bytes);
        invariant!(popped.is_ok(), "an event came before its bytes");
        Some(event)
    }

    /// The number of events that found no room so far.
    pub fn missed(&self) -> u64 {
        self.missed.iter().map(|missed| missed.load(Ordering::Relaxed)).sum()
    }

    /// The number of such events of one port.
    pub fn missed_at(&self, port: PortId) -> u64 {
        self.missed.get(port.index()).map_or(0, |missed| missed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests;
