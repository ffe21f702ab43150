//! The recovery of a worker that was stalled: everything that waited at it is lost, under the reason
//! `stalled`, because the gate may have let later frames go by the bridge.
//!
//! Invariant: before the recovery is done, nothing is sent, and the heartbeat does not tell the gate that the
//! worker runs. What the kernel was asked to take and has not taken yet cannot be taken back, and is sent.

use weir_core::{PortId, Reason};
use weir_port::{Packet, Port};

use super::Worker;
use super::heartbeat::is_late;
use super::lanes::{BURST, RING_BURSTS};
use super::switching::Fate;

const LOST: Fate = Fate::Lost(Reason::Stalled);

impl<P: Port> Worker<P> {
    /// Beats. If the last beat was too long ago, what waited is lost first.
    #[cold]
    pub(super) fn heartbeat_or_recover(&mut self, now_ns: u64) {
        let mut since_ns = self.heart.said_ns;
        if is_late(since_ns, now_ns) {
            self.lose_what_waited(since_ns, now_ns);
            since_ns = now_ns;
        }
        self.heart.beat(now_ns);
        // The worker may have been stalled between the reading of the clock and the beat.
        let now_ns = self.heart.now_ns();
        if is_late(since_ns, now_ns) {
            self.lose_what_waited(since_ns, now_ns);
        }
        for other in self.peers.others() {
            if self.heart.stands_still(other, now_ns) {
                self.lose_what_came_from(other, now_ns);
            }
        }
    }

    /// Loses what another worker has handed over: its sources' later frames go by the bridge.
    #[cold]
    fn lose_what_came_from(&mut self, other: usize, now_ns: u64) {
        self.lose_handed_over(other, now_ns);
        let Self { engine, remotes, .. } = self;
        let waited = engine.drain(|source| remotes.worker_of(source) == Some(other));
        waited.into_iter().for_each(|packet| self.lose_stalled(now_ns, packet));
        self.tell_program();
    }

    fn lose_handed_over(&mut self, other: usize, now_ns: u64) -> usize {
        let mut lost = 0;
        while let Some(container) = self.peers.take_over(other) {
            lost += container.len();
            self.refuse(now_ns, container, Reason::Stalled);
        }
        lost
    }

    fn lose_what_waited(&mut self, since_ns: u64, now_ns: u64) {
        let mut lost = 0;
        for id in self.lanes.tended().iter() {
            lost += self.recall(now_ns, id);
        }
        lost += self.lose_received(now_ns);
        for other in self.peers.others() {
            lost += self.lose_handed_over(other, now_ns);
        }
        let mut waited = self.engine.drain(|_| true);
        if let Some(gathering) = &mut self.gathering {
            for source in self.lanes.all() {
                gathering.take_all(source, &mut waited);
            }
            gathering.room.publish();
        }
        lost += waited.len();
        waited.into_iter().for_each(|packet| self.lose_stalled(now_ns, packet));
        self.tell_program();
        let stood_ms = now_ns.saturating_sub(since_ns) / 1_000_000;
        tracing::warn!(
            core = self.core,
            "the worker has stood still for {stood_ms} ms: what waited at it is lost ({lost} packets)"
        );
    }

    /// Takes back what a port was given and the kernel has not been asked to take.
    fn recall(&mut self, now_ns: u64, id: PortId) -> usize {
        let Some(lane) = self.lanes.get_mut(id) else { return 0 };
        let recalled = lane.port.recall(&mut self.pool);
        self.measure.recall(&mut lane.sent, recalled, now_ns, Reason::Stalled);
        recalled
    }

    /// Loses what is in the receive rings. Packets beyond that arrived since.
    fn lose_received(&mut self, now_ns: u64) -> usize {
        let mut lost = 0;
        for nth in 0..self.lanes.receiving() {
            let Some(id) = self.lanes.nth(nth) else { continue };
            // A port may have several rings.
            let mut left = self.lanes.get_mut(id).map_or(0, |lane| lane.port.rx_waiting());
            while let Some(lane) = self.lanes.get_mut(id).filter(|_| left > 0) {
                let packets = lane.port.receive(&mut self.pool, &mut self.burst, BURST.min(left));
                if packets == 0 {
                    break;
                }
                left -= packets;
                lost += packets;
                self.end_burst(now_ns, id, LOST);
            }
        }
        for _ in 0..RING_BURSTS {
            let Some(taken) = self.gather_some(now_ns, BURST, LOST) else { break };
            lost += taken.packets;
        }
        lost
    }

    fn lose_stalled(&mut self, now_ns: u64, packet: Packet) {
        let (ingress, reason) = (packet.ingress, Reason::Stalled);
        self.measure.lose(&mut self.pool, now_ns, packet, reason);
        match self.lanes.get_mut(ingress) {
            Some(lane) => lane.losses.add(reason, 1),
            None => self.remotes.lose(ingress, reason, 1),
        }
    }
}
