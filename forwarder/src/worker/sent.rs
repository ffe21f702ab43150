//! What was handed to a port and is not known to be taken by the kernel yet.
//!
//! Invariant: in the order in which it was handed over; each entry is given out once.

use weir_core::PortId;
use weir_port::Packet;

/// A packet that was handed over: the packet itself is the port's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) ingress_ns: u64,
    pub(super) taken_ns: u64,
    pub(super) released_ns: u64,
    pub(super) sent_ns: u64,
    pub(super) flow: u32,
    pub(super) len: u32,
    pub(super) ingress: u8,
    pub(super) mark: u8,
}

impl Sent {
    #[inline]
    pub(super) fn of(packet: &Packet, released_ns: u64, now_ns: u64) -> Self {
        Self {
            ingress_ns: packet.ingress_ns(),
            taken_ns: packet.taken_ns(),
            released_ns,
            sent_ns: now_ns,
            flow: packet.flow(),
            len: packet.len(),
            ingress: packet.ingress().0 as u8,
            mark: packet.mark(),
        }
    }

    #[inline]
    pub(super) fn ingress(&self) -> PortId {
        PortId(self.ingress.into())
    }
}

/// See the module. Begins at the start of its memory whenever it has run empty, so that a short
/// turn touches little of it.
#[derive(Debug)]
pub(super) struct SentLog {
    entries: Vec<Sent>,
    first: usize,
}

/// Entries that find room without allocating: twice what a transmit ring holds.
const ROOM: usize = 4096;

impl SentLog {
    pub(super) fn new() -> Self {
        Self { entries: Vec::with_capacity(ROOM), first: 0 }
    }

    /// Hands the entry back where there is no room.
    #[inline]
    pub(super) fn push(&mut self, sent: Sent) -> Option<Sent> {
        if self.entries.len() == self.entries.capacity() {
            if self.first == 0 {
                return Some(sent);
            }
            self.entries.drain(..self.first);
            self.first = 0;
        }
        self.entries.push(sent);
        None
    }

    /// The oldest, all but so many of the last.
    #[inline]
    pub(super) fn ready(&self, waiting: usize) -> &[Sent] {
        let end = self.entries.len().saturating_sub(waiting).max(self.first);
        self.entries.get(self.first..end).unwrap_or_default()
    }

    /// So many of the oldest are settled.
    #[inline]
    pub(super) fn done(&mut self, count: usize) {
        self.first += count;
        if self.first >= self.entries.len() {
            self.entries.clear();
            self.first = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(at_ns: u64) -> Sent {
        Sent {
            ingress_ns: at_ns,
            taken_ns: at_ns,
            released_ns: at_ns,
            sent_ns: at_ns,
            flow: 0,
            len: 60,
            ingress: 0,
            mark: 0,
        }
    }

    #[test]
    fn in_order_and_without_those_that_wait() {
        let mut log = SentLog::new();
        for n in 0..10 {
            assert!(log.push(sent(n)).is_none());
        }
        let times = |ready: &[Sent]| ready.iter().map(|s| s.sent_ns).collect::<Vec<_>>();
        assert_eq!(times(log.ready(4)), [0, 1, 2, 3, 4, 5]);
        log.done(6);
        log.push(sent(10));
        assert!(log.ready(5).is_empty() && log.ready(100).is_empty());
        assert_eq!(times(log.ready(0)), [6, 7, 8, 9, 10]);
        log.done(5);
        assert!(log.ready(0).is_empty());
    }

    #[test]
    fn it_never_grows() {
        let mut log = SentLog::new();
        let room = log.entries.capacity() as u64;
        for n in 0..room {
            assert!(log.push(sent(n)).is_none());
        }
        assert_eq!(log.push(sent(room)).map(|s| s.sent_ns), Some(room));
        log.done(1);
        assert!(log.push(sent(room)).is_none());
        assert_eq!(log.entries.capacity() as u64, room);
        assert_eq!(log.ready(0).len() as u64, room);
    }
}
