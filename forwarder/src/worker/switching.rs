//! The handling of one packet between receive and send.
//!
//! Invariant: each function leaves its packet in exactly one place: in the engine, in the port, or released
//! and counted under a reason.

use weir_core::{Amount, Container, Engine, Next, PortId, Reason, broken};
use weir_port::{Packet, Pool, Port, Refused};

use super::doors::Doors;
use super::heartbeat::Heartbeat;
use super::lanes::Lane;
use super::measure::Measure;
use super::tap::{Event, Step};

/// What is done with received packets.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Queued,
    Lost(Reason),
}

/// Everything needed to queue a packet.
pub(super) struct Intake<'a, P> {
    pub(super) engine: &'a mut Engine<Packet>,
    pub(super) pool: &'a mut Pool,
    /// The lane of the port at which the packet arrived.
    pub(super) lane: &'a mut Lane<P>,
    /// Room for the pieces of one superframe.
    pub(super) pieces: &'a mut Vec<Packet>,
    pub(super) measure: &'a mut Measure,
    pub(super) doors: &'a mut Doors,
    pub(super) now_ns: u64,
    pub(super) ingress: PortId,
}

impl<P> Intake<'_, P> {
    #[inline]
    pub(super) fn end(&mut self, packet: Packet, fate: Fate) {
        match fate {
            Fate::Queued => self.take(packet),
            Fate::Lost(reason) => self.lose(packet, reason),
        }
    }

    /// Queues a packet for the port that the program named. A superframe that would hold up a slow link is
    /// cut.
    #[inline]
    pub(super) fn take(&mut self, packet: Packet) {
        let Some(egress) = packet.egress() else { return self.lose(packet, Reason::NoEgress) };
        self.doors.enter(self.engine, self.ingress, egress);
        if packet.mark != 0
            && let Some(watcher) = &mut self.measure.watcher
        {
            watcher.step(Event::of(self.now_ns, &packet, Step::Decided(egress)));
        }
        if packet.is_superframe() {
            let most = self.engine.piece_bytes(egress);
            if most != u32::MAX {
                return self.offer_in_pieces(egress, packet, most);
            }
        }
        self.offer_whole(egress, packet);
    }

    #[inline]
    fn offer_whole(&mut self, egress: PortId, packet: Packet) {
        if let Err((packet, reason)) = self.engine.offer(self.now_ns, self.ingress, egress, packet)
        {
            self.lose(packet, reason);
        }
    }

    /// Cuts a superframe for a shaped link, which is charged for the bytes on the wire.
    fn offer_in_pieces(&mut self, egress: PortId, packet: Packet, most: u32) {
        if let Err((packet, _)) = self.pool.cut_pieces(packet, most, self.pieces) {
            // There are no frames to cut it into, or it would make too many pieces. Whole it may hold the
            // link for a moment, which is better than losing it.
            return self.offer_whole(egress, packet);
        }
        // One frame arrived and several are sent: the ledger counts the additional ones as copies.
        let pieces = self.pieces.len() as u64;
        self.lane.copies += pieces.saturating_sub(1);
        self.measure.cut(self.ingress, pieces);
        let mut pieces = std::mem::take(self.pieces);
        if let Some(piece) = pieces.first()
            && piece.mark != 0
            && let Some(watcher) = &mut self.measure.watcher
        {
            let pieces = u16::try_from(pieces.len()).unwrap_or(u16::MAX);
            watcher.step(Event::of(self.now_ns, piece, Step::Cut { egress, pieces }));
        }
        for piece in pieces.drain(..) {
            self.offer_whole(egress, piece);
        }
        *self.pieces = pieces;
    }

    #[inline]
    fn lose(&mut self, packet: Packet, reason: Reason) {
        self.lane.losses.add(reason, 1);
        self.measure.lose(self.pool, self.now_ns, packet, reason);
    }
}

/// Everything needed to send a packet.
pub(super) struct Outlet<'a, P> {
    pub(super) pool: &'a mut Pool,
    pub(super) lane: &'a mut Lane<P>,
    pub(super) measure: &'a mut Measure,
    pub(super) heart: &'a Heartbeat,
    pub(super) now_ns: u64,
    pub(super) egress: PortId,
    /// The amount that may be sent; the last container may exceed it.
    pub(super) room: Amount,
}

impl<P: Port> Outlet<'_, P> {
    /// Hands a packet to the port, or returns it if the port is full. A packet that is lost there is counted.
    #[inline]
    fn send(&mut self, packet: Packet, released_ns: u64) -> Result<(), Packet> {
        let Self { pool, lane, measure, now_ns, egress, .. } = self;
        if lane.sent.is_full() {
            // The log is full in the middle of a turn, so it is settled with the time of this turn.
            measure.settle(*egress, lane, *now_ns);
        }
        let watcher = measure.watcher.as_mut();
        let captured = watcher.and_then(|watcher| watcher.sending(*now_ns, &packet, pool, *egress));
        lane.sent.push(&packet, released_ns, *now_ns);
        let Err(refused) = lane.port.send(pool, packet) else {
            if let Some(event) = captured
                && let Some(watcher) = &mut measure.watcher
            {
                watcher.sent(event);
            }
            return Ok(());
        };
        lane.sent.take_back();
        match refused {
            Refused::Lost(packet, reason) => {
                lane.losses.add(reason, 1);
                measure.lose(pool, *now_ns, packet, reason);
                Ok(())
            }
            Refused::Full(packet) => Err(packet),
        }
    }
}

/// The result of draining a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drained {
    pub(super) taken: bool,
    /// When the next container that waits may leave.
    pub(super) not_before_ns: Option<u64>,
    /// The worker was stalled: what waits here must not be sent.
    pub(super) late: bool,
    /// What was taken out of the queue, less what was put back.
    pub(super) amount: Amount,
}

/// Hands a port what is queued for it, until the queue is empty, the port or `room` is full, or the next
/// container may not leave yet. Passes each emptied container to `emptied`.
pub(super) fn drain<P: Port>(
    engine: &mut Engine<Packet>,
    outlet: &mut Outlet<'_, P>,
    mut emptied: impl FnMut(&mut Engine<Packet>, Container<Packet>),
) -> Drained {
    let mut drained = Drained::default();
    let (now_ns, egress) = (outlet.now_ns, outlet.egress);
    // A device that pushes back still has frames in its ring. Any more there would only be out of the
    // scheduler's control.
    while !outlet.lane.refused && outlet.lane.port.tx_room() > 0 && drained.amount < outlet.room {
        drained.late = outlet.heart.is_late();
        if drained.late {
            break;
        }
        let mut container = match engine.next(now_ns, egress) {
            Next::Container(container) => container,
            Next::NotBefore(at_ns) => {
                drained.not_before_ns = Some(at_ns);
                break;
            }
            Next::Empty => break,
        };
        let released_ns = container.released_ns();
        drained.amount = drained.amount.and(amount_of(&container));
        while let Some(packet) = container.pop() {
            // A superframe is sent immediately, which may take the kernel a while.
            drained.late = packet.is_superframe() && outlet.heart.is_late();
            let sent = if drained.late { Err(packet) } else { outlet.send(packet, released_ns) };
            let Err(packet) = sent else {
                drained.taken = true;
                continue;
            };
            container.unpop(packet);
            drained.amount = drained.amount.less(amount_of(&container));
            if let Err((mut container, reason)) = engine.put_back(now_ns, egress, container) {
                broken!("a port went while something was sent to it");
                let Outlet { pool, lane, measure, .. } = outlet;
                let lost = measure.lose_all(pool, now_ns, &mut container, reason);
                lane.losses.add(reason, lost);
                emptied(engine, container);
            }
            return drained;
        }
        emptied(engine, container);
    }
    drained
}

#[inline]
fn amount_of(container: &Container<Packet>) -> Amount {
    Amount::of(container.len() as u64, container.bytes())
}
