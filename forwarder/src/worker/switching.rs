//! What happens to one packet between receive and send.
//!
//! Invariant: each function leaves its packet in exactly one place: in the engine, in the port, or
//! released and counted under a reason.

use weir_core::{Amount, Container, Engine, Losses, Next, PortId, Reason, broken};
use weir_port::{Packet, Pool, Port, Refused};

use super::doors::Doors;
use super::heartbeat::Heartbeat;
use super::lanes::Lane;
use super::measure::Measure;
use super::tap::Tap;

/// What becomes of what comes in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Queued,
    Lost(Reason),
}

/// What a packet needs to be queued.
pub(super) struct Intake<'a, P> {
    pub(super) engine: &'a mut Engine<Packet>,
    pub(super) pool: &'a mut Pool,
    /// That of the port the packet came in by.
    pub(super) lane: &'a mut Lane<P>,
    /// Room for the pieces of one superframe.
    pub(super) pieces: &'a mut Vec<Packet>,
    pub(super) measure: &'a mut Measure,
    pub(super) tap: &'a mut Tap,
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

    /// Queues a packet for the port that the program has named; a superframe that would hold a slow
    /// link for long is cut.
    #[inline]
    pub(super) fn take(&mut self, packet: Packet) {
        let Some(egress) = packet.egress() else { return self.lose(packet, Reason::NoEgress) };
        self.doors.enter(self.engine, self.ingress, egress);
        if packet.mark() != 0 {
            self.tap.decided(self.now_ns, &packet, egress);
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

    /// For a shaped link, which is charged by what is on the wire.
    fn offer_in_pieces(&mut self, egress: PortId, packet: Packet, most: u32) {
        if let Err((packet, _)) = self.pool.cut_pieces(packet, most, self.pieces) {
            // No frames to cut it into, or more pieces than anybody should make: it may hold the
            // link for a moment, which is better than losing all of it.
            return self.offer_whole(egress, packet);
        }
        // To the ledger they are copies: one frame came in, so many go out.
        let pieces = self.pieces.len() as u64;
        self.lane.copies += pieces.saturating_sub(1);
        self.measure.cut(self.ingress, pieces);
        let mut pieces = std::mem::take(self.pieces);
        if let Some(piece) = pieces.first()
            && piece.mark() != 0
        {
            self.tap.cut(self.now_ns, piece, egress, pieces.len());
        }
        for piece in pieces.drain(..) {
            self.offer_whole(egress, piece);
        }
        *self.pieces = pieces;
    }

    #[inline]
    fn lose(&mut self, packet: Packet, reason: Reason) {
        self.lane.losses.add(reason, 1);
        self.measure.lost(&packet, reason);
        if self.tap.is_on() {
            self.tap.lost(self.now_ns, &packet, self.pool, reason);
        }
        self.pool.release(packet);
    }
}

/// What a packet needs to be sent.
pub(super) struct Outlet<'a, P> {
    pub(super) pool: &'a mut Pool,
    pub(super) lane: &'a mut Lane<P>,
    pub(super) measure: &'a mut Measure,
    pub(super) tap: &'a mut Tap,
    pub(super) heart: &'a Heartbeat,
    pub(super) now_ns: u64,
    pub(super) egress: PortId,
    /// How much may be sent; the last container may be longer.
    pub(super) room: Amount,
}

impl<P: Port> Outlet<'_, P> {
    /// Hands a packet to the port, or gives it back where the port is full. One that is lost there
    /// is counted.
    #[inline]
    fn send(&mut self, packet: Packet, released_ns: u64) -> Result<(), Packet> {
        let Self { pool, lane, measure, tap, now_ns, egress, .. } = self;
        if tap.is_on() {
            tap.sending(*now_ns, &packet, pool, *egress);
        }
        if lane.sent.is_full() {
            // So much in one turn that there is no room to wait for the clock.
            settle(*egress, lane, measure, tap, *now_ns);
        }
        lane.sent.push(&packet, released_ns, *now_ns);
        let Err(refused) = lane.port.send(pool, packet) else { return Ok(()) };
        lane.sent.take_back();
        if tap.is_on() {
            tap.refused();
        }
        match refused {
            Refused::Lost(packet, reason) => {
                lane.losses.add(reason, 1);
                measure.lost(&packet, reason);
                if tap.is_on() {
                    tap.lost(*now_ns, &packet, pool, reason);
                }
                pool.release(packet);
                Ok(())
            }
            Refused::Full(packet) => Err(packet),
        }
    }
}

/// Writes down how long what was handed to a port took, as far as the kernel has it.
#[inline]
pub(super) fn settle<P: Port>(
    id: PortId,
    lane: &mut Lane<P>,
    measure: &mut Measure,
    tap: &mut Tap,
    after_ns: u64,
) {
    if lane.sent.is_empty() {
        return;
    }
    lane.sent.settle(lane.port.tx_waiting(), |times, packets| {
        measure.sent(times, packets, after_ns);
        if tap.is_on() {
            for sent in packets.iter().filter(|sent| sent.mark() != 0) {
                tap.settled(id, times, sent, after_ns);
            }
        }
    });
}

/// What came of draining a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Drained {
    pub(super) taken: bool,
    /// Something waits whose time has not come.
    pub(super) not_before_ns: Option<u64>,
    /// The worker has stood still: what waits here is not to be sent.
    pub(super) late: bool,
    /// What was taken out of the queue, less what was put back.
    pub(super) amount: Amount,
}

/// Hands a port what is queued for it, until either is out or its time has not come. What is
/// emptied is given to `emptied`.
pub(super) fn drain<P: Port>(
    engine: &mut Engine<Packet>,
    outlet: &mut Outlet<'_, P>,
    mut emptied: impl FnMut(&mut Engine<Packet>, Container<Packet>),
) -> Drained {
    let mut drained = Drained::default();
    let (now_ns, egress) = (outlet.now_ns, outlet.egress);
    // A device that pushes back still has frames in its ring: more of them there would only be out
    // of the scheduler's hands.
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
            // A superframe leaves at once, and may take the kernel a while.
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
                let Outlet { pool, lane, measure, tap, .. } = outlet;
                let lost = lose_all(pool, measure, tap, now_ns, &mut container, reason);
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

/// Ends the packets of a container that cannot be sent and cannot be kept; how many they were.
#[cold]
pub(super) fn lose_all(
    pool: &mut Pool,
    measure: &mut Measure,
    tap: &mut Tap,
    now_ns: u64,
    container: &mut Container<Packet>,
    reason: Reason,
) -> u64 {
    let mut lost = 0;
    while let Some(packet) = container.pop() {
        measure.lost(&packet, reason);
        if tap.is_on() {
            tap.lost(now_ns, &packet, pool, reason);
        }
        pool.release(packet);
        lost += 1;
    }
    lost
}

/// Ends a packet that came in by a port which is no more.
#[cold]
pub(super) fn lose_orphan(
    pool: &mut Pool,
    measure: &mut Measure,
    tap: &mut Tap,
    losses: &mut Losses,
    now_ns: u64,
    packet: Packet,
) {
    losses.add(Reason::PortGone, 1);
    measure.lost(&packet, Reason::PortGone);
    if tap.is_on() {
        tap.lost(now_ns, &packet, pool, Reason::PortGone);
    }
    pool.release(packet);
}
