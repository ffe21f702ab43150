//! Watching single packets: a capture of their bytes, or a trace of their steps.
//!
//! - [`filter`]: which packets match; [`ring`]: the events on their way to the reader
//!
//! Invariant: without a watcher the cost is one branch. A watcher that does not keep up loses events, which
//! are counted, and never holds up a packet.

mod filter;
mod ring;

use weir_core::{PortId, Reason};
use weir_port::{Packet, Pool};

pub use self::filter::{Facts, Filter, Protocol};
pub use self::ring::{Event, MARKS, Step, Watched};
use self::ring::{Writer, ring};
use super::sent::{Sent, Times};

/// The bytes captured of a followed packet: its headers.
const HEADERS: u32 = 128;

/// The points of a packet's way at which its bytes are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Points {
    pub arrival: bool,
    pub departure: bool,
    pub loss: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Capture bytes at these points.
    Capture(Points),
    /// Record every step of single packets.
    Trace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchSpec {
    pub purpose: Purpose,
    pub filter: Filter,
    /// The most bytes to capture of a packet.
    pub snaplen: u32,
    /// The bytes that may wait to be read.
    pub buffer: usize,
}

/// The worker's end of a watcher.
#[derive(Debug)]
pub struct Watcher {
    spec: WatchSpec,
    ring: Writer,
    /// The bytes of a packet that is being handed to a port, which may refuse it.
    staged_bytes: Vec<u8>,
}

impl Watcher {
    pub fn new(spec: WatchSpec) -> (Box<Self>, Watched) {
        let (ring, watched) = ring(spec.buffer);
        let staged_bytes = Vec::with_capacity(spec.snaplen as usize);
        (Box::new(Self { spec, ring, staged_bytes }), watched)
    }

    fn takes(&self, packet: &Packet, pool: &Pool) -> bool {
        self.spec.filter.takes(&Facts::of(packet), pool.head(packet))
    }

    fn points(&self) -> Points {
        match self.spec.purpose {
            Purpose::Capture(points) => points,
            Purpose::Trace => Points::default(),
        }
    }

    /// Records a step of a marked packet; a previous watcher may have marked it.
    #[cold]
    pub(super) fn step(&mut self, event: Event) {
        if self.spec.purpose == Purpose::Trace {
            self.ring.put(event, std::iter::empty());
        }
    }

    fn put_with_bytes(&mut self, event: Event, most: u32, packet: &Packet, pool: &Pool) {
        let captured = packet.len().min(most);
        self.ring.put(Event { captured, ..event }, pool.chunks(packet));
    }

    #[cold]
    pub(super) fn arrived(&mut self, packet: &mut Packet, pool: &Pool) {
        let follow = self.spec.purpose == Purpose::Trace && !self.ring.marks.is_empty();
        if !(self.points().arrival || follow)
            || !self.spec.filter.takes_port(packet.ingress)
            || !self.takes(packet, pool)
        {
            return;
        }
        let mut most = self.spec.snaplen;
        if follow && let Ok(mark) = self.ring.marks.pop() {
            packet.mark = mark;
            most = most.min(HEADERS);
        }
        let step = Step::Arrived { taken_ns: packet.taken_ns };
        let event = Event::of(packet.ingress_ns, packet, step);
        self.put_with_bytes(event, most, packet, pool);
    }

    /// Copies a packet that is about to be handed to `egress`, if it is to be captured there. Its event is for
    /// [`Self::sent`], once the port has taken the packet.
    #[cold]
    pub(super) fn sending(
        &mut self,
        now_ns: u64,
        packet: &Packet,
        pool: &Pool,
        egress: PortId,
    ) -> Option<Event> {
        if !self.points().departure
            || !self.spec.filter.takes_port(egress)
            || !self.takes(packet, pool)
        {
            return None;
        }
        let captured = packet.len().min(self.spec.snaplen);
        let mut room = captured as usize;
        self.staged_bytes.clear();
        for chunk in pool.chunks(packet) {
            let part = chunk.get(..room).unwrap_or(chunk);
            self.staged_bytes.extend_from_slice(part);
            room -= part.len();
        }
        let event = Event::of(now_ns, packet, Step::Sent(egress));
        Some(Event { captured, ..event })
    }

    #[cold]
    pub(super) fn sent(&mut self, event: Event) {
        self.ring.put(event, std::iter::once(&self.staged_bytes[..]));
    }

    #[cold]
    pub(super) fn lost(&mut self, now_ns: u64, packet: &Packet, pool: &Pool, reason: Reason) {
        let event = Event::of(now_ns, packet, Step::Lost(reason));
        match self.spec.purpose {
            Purpose::Trace if packet.mark != 0 => self.step(event),
            Purpose::Capture(points)
                if points.loss
                    && self.spec.filter.takes_port(packet.ingress)
                    && self.takes(packet, pool) =>
            {
                self.put_with_bytes(event, self.spec.snaplen, packet, pool);
            }
            Purpose::Trace | Purpose::Capture(_) => {}
        }
    }

    /// Records that the kernel has taken a marked packet, at `after_ns`.
    #[cold]
    pub(super) fn settled(&mut self, egress: PortId, times: &Times, sent: &Sent, after_ns: u64) {
        let Times { taken_ns, released_ns, sent_ns, .. } = *times;
        self.end(times, sent, after_ns, Step::Settled { egress, taken_ns, released_ns, sent_ns });
    }

    /// Records the end of a marked packet that was handed to a port.
    pub(super) fn end(&mut self, times: &Times, sent: &Sent, at_ns: u64, step: Step) {
        self.step(Event {
            at_ns: at_ns.max(times.sent_ns),
            step,
            ingress_ns: sent.ingress_ns,
            ingress: times.ingress,
            mark: sent.mark(),
            len: sent.len(),
            captured: 0,
            facts: Facts::default(),
        });
    }
}

impl Event {
    /// The clock is read before the turn, so a packet may have arrived a little later: no event is earlier
    /// than its arrival.
    pub(super) fn of(at_ns: u64, packet: &Packet, step: Step) -> Self {
        Self {
            at_ns: at_ns.max(packet.ingress_ns),
            step,
            ingress_ns: packet.ingress_ns,
            ingress: packet.ingress,
            mark: packet.mark,
            len: packet.len(),
            captured: 0,
            facts: Facts::of(packet),
        }
    }
}
