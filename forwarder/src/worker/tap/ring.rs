//! What a worker saw, on its way to the control side.
//!
//! Invariant: an event is in the ring with all its bytes or not at all; what finds no room is
//! counted, and the writer neither waits nor allocates. One writer, one reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtrb::{Consumer, Producer, RingBuffer};
use weir_core::{MAX_PORTS, PortId, Reason};

use super::filter::Facts;

/// Room for events beside each so many bytes of the buffer: small packets need as much for the
/// event as for themselves.
const BYTES_PER_EVENT: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The worker took it out of the receive ring.
    Arrived {
        taken_ns: u64,
    },
    /// The program has named the port that it leaves by.
    Decided(PortId),
    /// A superframe became so many packets for a link with a rate.
    Cut {
        egress: PortId,
        pieces: u16,
    },
    /// Handed to the egress port.
    Sent(PortId),
    Lost(Reason),
    /// The kernel has taken it.
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
    /// Of a packet that is followed; 0 otherwise.
    pub mark: u8,
    pub len: u32,
    /// How many of its bytes are in the ring.
    pub captured: u32,
    pub facts: Facts,
}

impl Event {
    /// Where it was seen.
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
}

/// Events that found no room, by the port that they are of.
type Missed = Arc<[AtomicU64]>;

/// The control side's end.
#[derive(Debug)]
pub struct Reader {
    events: Consumer<Event>,
    bytes: Consumer<u8>,
    missed: Missed,
}

/// A ring with room for so many bytes of packets.
pub(super) fn ring(bytes: usize) -> (Writer, Reader) {
    let (events, seen) = RingBuffer::new((bytes / BYTES_PER_EVENT).max(1));
    let (bytes, copied) = RingBuffer::new(bytes);
    let missed: Missed = (0..MAX_PORTS).map(|_| AtomicU64::new(0)).collect();
    (
        Writer { events, bytes, missed: Arc::clone(&missed) },
        Reader { events: seen, bytes: copied, missed },
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
        // There is room, and nobody else writes.
        let _ = self.events.push(Event { captured, ..event });
    }
}

impl Reader {
    /// The next event; its bytes take the place of what is in `bytes`.
    pub fn next(&mut self, bytes: &mut Vec<u8>) -> Option<Event> {
        let event = self.events.pop().ok()?;
        bytes.resize(event.captured as usize, 0);
        // They were written before the event.
        let _ = self.bytes.pop_entire_slice(bytes);
        Some(event)
    }

    /// Events that found no room, so far.
    pub fn missed(&self) -> u64 {
        self.missed.iter().map(|missed| missed.load(Ordering::Relaxed)).sum()
    }

    /// Those of one port.
    pub fn missed_at(&self, port: PortId) -> u64 {
        self.missed.get(port.index()).map_or(0, |missed| missed.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(tag: u64, captured: u32) -> Event {
        Event {
            at_ns: tag,
            step: Step::Sent(PortId(1)),
            ingress_ns: 0,
            ingress: PortId(0),
            mark: 0,
            len: 9000,
            captured,
            facts: Facts::default(),
        }
    }

    #[test]
    fn events_come_out_with_their_bytes_in_order() {
        let (mut writer, mut reader) = ring(4096);
        let mut bytes = Vec::new();
        for tag in 0..1000_u64 {
            let body = vec![tag as u8; (tag * 37 % 900) as usize];
            let (one, two) = body.split_at(body.len() / 3);
            // Of what is there only the first so many are wanted.
            let wanted = body.len().saturating_sub(5);
            writer.put(event(tag, wanted as u32), [one, two].into_iter());
            let read = reader.next(&mut bytes).unwrap();
            assert_eq!((read.at_ns, read.captured as usize), (tag, wanted));
            assert_eq!(bytes, body[..wanted]);
        }
        assert!(reader.next(&mut bytes).is_none());
        assert_eq!(reader.missed(), 0);
    }

    #[test]
    fn what_finds_no_room_is_counted_and_nothing_is_torn() {
        let (mut writer, mut reader) = ring(4096);
        for tag in 0..10 {
            writer.put(event(tag, 1000), [&[tag as u8; 1000][..]].into_iter());
        }
        assert_eq!((reader.missed(), reader.missed_at(PortId(1))), (6, 6));
        assert_eq!(reader.missed_at(PortId(0)), 0);
        // Small ones still fit.
        writer.put(event(99, 90), [&[99; 90][..]].into_iter());
        let mut bytes = Vec::new();
        let tags: Vec<u64> = std::iter::from_fn(|| {
            let event = reader.next(&mut bytes)?;
            assert!(bytes.iter().all(|byte| u64::from(*byte) == event.at_ns));
            Some(event.at_ns)
        })
        .collect();
        assert_eq!(tags, [0, 1, 2, 3, 99]);
        // And without bytes the events themselves are bounded.
        for tag in 0..100 {
            writer.put(event(tag, 0), std::iter::empty());
        }
        assert_eq!(std::iter::from_fn(|| reader.next(&mut bytes)).count(), 4096 / BYTES_PER_EVENT);
        assert_eq!(reader.missed(), 6 + 100 - 32);
    }

    #[test]
    fn a_chain_that_is_shorter_than_it_says_is_told_as_it_is() {
        let (mut writer, mut reader) = ring(4096);
        writer.put(event(1, 100), [&[1; 40][..]].into_iter());
        let mut bytes = Vec::new();
        assert_eq!(reader.next(&mut bytes).unwrap().captured, 40);
        assert_eq!(bytes, [1; 40]);
    }

    #[test]
    fn two_threads_lose_nothing_uncounted() {
        let (mut writer, mut reader) = ring(8192);
        let sent = 20_000_u64;
        let thread = std::thread::spawn(move || {
            for tag in 0..sent {
                writer.put(event(tag, 64), [&[tag as u8; 64][..]].into_iter());
            }
        });
        let (mut bytes, mut read, mut last) = (Vec::new(), 0, None);
        loop {
            let ended = thread.is_finished();
            while let Some(event) = reader.next(&mut bytes) {
                assert!(last < Some(event.at_ns), "out of order");
                assert_eq!(bytes, [event.at_ns as u8; 64]);
                last = Some(event.at_ns);
                read += 1;
            }
            if ended {
                break;
            }
        }
        thread.join().unwrap();
        assert_eq!(read + reader.missed(), sent);
    }
}
