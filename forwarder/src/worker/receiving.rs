//! Moves packets from the receive rings into the queues.
//!
//! Invariant: places taken out of the shared ring are given back to the gate's counts, whatever becomes of
//! the packet.

use weir_core::{PortId, Reason, broken};
use weir_port::Port;

use super::Worker;
use super::gathering::{GatheredBatch, Gathering};
use super::lanes::{BURST_BYTES, BURST_LEAST, budget_after};
use super::switching::{Fate, Intake};

/// How long a turn takes packets from the shared ring, and how many at most. This is all that is in it, if
/// possible. So what the worker cannot send waits in the queues, where the scheduler and the bounds apply,
/// and a packet of a source below its share does not wait in the ring behind those of floods.
const GATHER_NS: u64 = 100_000;
const BURST_MOST: usize = 1024;

impl<P: Port> Worker<P> {
    /// Queues or loses the packets of the burst, all of which arrived at `ingress`.
    pub(super) fn end_burst(&mut self, now_ns: u64, ingress: PortId, fate: Fate) {
        let Self { pool, engine, lanes, burst, pieces, busy_ports, measure, doors, .. } = self;
        let Some(lane) = lanes.get_mut(ingress) else {
            return broken!("packets were received from a port that is not served");
        };
        let (packets, mut bytes) = (burst.len(), 0);
        measure.arrived(now_ns, burst, pool);
        let mut intake = Intake { engine, pool, lane, pieces, measure, doors, now_ns, ingress };
        for packet in burst.drain(..) {
            bytes += u64::from(packet.len());
            intake.end(packet, fate);
        }
        lane.budget = budget_after(packets, bytes, *busy_ports);
    }

    /// Queues packets of the shared ring in order of arrival. Takes a few at a time, since any of them may be
    /// a superframe, until there are enough packets or bytes.
    pub(super) fn gather(&mut self, now_ns: u64) -> bool {
        if let Some(gathering) = &mut self.gathering {
            gathering.port.refill(&mut self.pool);
        }
        let (mut packets, mut bytes, mut handful) = (0, 0, BURST_LEAST);
        let mut until_ns = None;
        while packets < BURST_MOST && bytes < BURST_BYTES {
            let Some(taken) = self.gather_some(now_ns, handful, Fate::Queued) else { break };
            packets += taken.packets;
            bytes += taken.bytes;
            handful = taken.next_batch_size();
            let clock_ns = self.heart.now_ns();
            if clock_ns > *until_ns.get_or_insert(clock_ns + GATHER_NS) {
                break;
            }
        }
        if let Some(gathering) = self.gathering.as_mut().filter(|_| packets > 0) {
            gathering.room.publish();
        }
        packets > 0
    }

    /// Takes up to `most` packets of the shared ring, and queues, holds or loses them. Packets that are
    /// already held stay held.
    pub(super) fn gather_some(
        &mut self,
        now_ns: u64,
        most: usize,
        fate: Fate,
    ) -> Option<GatheredBatch> {
        let Self { gathering, pool, burst, .. } = self;
        let packets = gathering.as_mut()?.port.receive(pool, burst, most);
        if packets == 0 {
            return None;
        }
        let Self { engine, lanes, gathering, pieces, measure, doors, orphan_losses, .. } = self;
        let (pool, burst) = (&mut self.pool, &mut self.burst);
        let gathering = gathering.as_mut()?;
        measure.arrived(now_ns, burst, pool);
        let mut bytes = 0;
        for packet in burst.drain(..) {
            let ingress = packet.ingress;
            bytes += u64::from(packet.len());
            gathering.room.came(ingress);
            let Some(lane) = lanes.get_mut(ingress) else {
                // The port was removed while its frame was on the way. The frame must not be held, because
                // held frames of a port end when the port is removed.
                gathering.room.give_back(ingress, packet.frames());
                orphan_losses.add(Reason::PortGone, 1);
                measure.lose(pool, now_ns, packet, Reason::PortGone);
                continue;
            };
            lane.shared.count_received(&packet);
            let packet = match fate {
                Fate::Queued => gathering.pass(packet),
                Fate::Lost(_) => Some(packet),
            };
            let Some(packet) = packet else { continue };
            gathering.room.give_back(ingress, packet.frames());
            let mut intake = Intake { engine, pool, lane, pieces, measure, doors, now_ns, ingress };
            intake.end(packet, fate);
        }
        Some(GatheredBatch { packets, bytes })
    }

    /// Whether packets wait for what went by the bridge.
    #[inline]
    pub(super) fn holds(&self) -> bool {
        self.gathering.as_ref().is_some_and(Gathering::holds)
    }

    /// Queues packets that waited for the bridge and no longer have to. Returns true if there were any.
    #[cold]
    pub(super) fn release_held(&mut self, now_ns: u64) -> bool {
        let Self { engine, lanes, gathering, pieces, measure, doors, pool, .. } = self;
        let Some(gathering) = gathering else { return false };
        let mut any = false;
        while let Some(packet) = gathering.next_released() {
            any = true;
            let ingress = packet.ingress;
            let Some(lane) = lanes.get_mut(ingress) else {
                broken!("a packet was held of a port that is not served");
                self.orphan_losses.add(Reason::PortGone, 1);
                measure.lose(pool, now_ns, packet, Reason::PortGone);
                continue;
            };
            let mut intake = Intake { engine, pool, lane, pieces, measure, doors, now_ns, ingress };
            intake.take(packet);
        }
        gathering.room.publish();
        any
    }
}
