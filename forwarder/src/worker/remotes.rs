//! Ports that other workers serve: which worker serves them, what is handed over to them and taken from them,
//! and the losses here of frames that arrived there.
//!
//! Invariant: a container that came from another worker is returned there when it is empty, so that no worker
//! runs out of containers while another collects them.

use weir_core::{ByPort, Container, Engine, Handed, Losses, Next, PortId, Reason, broken};
use weir_port::{Packet, Pool, Port};

use super::Worker;
use super::heartbeat::Heartbeat;
use super::measure::Measure;
use super::switching::Drained;
use super::transfer::Peers;

/// The most containers taken from one other worker in a turn.
const HANDED: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Remotes {
    /// The worker of each port that another one serves.
    pub(super) worker: ByPort<usize>,
    /// Losses here of frames that arrived at those ports.
    losses: ByPort<Losses>,
}

impl Remotes {
    #[inline]
    pub(super) fn worker_of(&self, port: PortId) -> Option<usize> {
        self.worker.get(port).copied()
    }

    pub(super) fn lose(&mut self, ingress: PortId, reason: Reason, packets: u64) {
        if !self.losses.contains(ingress) {
            self.losses.insert(ingress, Losses::default());
        }
        if let Some(losses) = self.losses.get_mut(ingress) {
            losses.add(reason, packets);
        }
    }

    /// The losses here, by ports of other workers.
    pub(super) fn losses(&self) -> Vec<(PortId, Losses)> {
        let lost = self.losses.iter().filter(|(_, losses)| losses.total() > 0);
        lost.map(|(ingress, losses)| (ingress, *losses)).collect()
    }

    /// Hands over what is queued for another worker's port, as far as there is room.
    pub(super) fn hand_over(
        &mut self,
        engine: &mut Engine<Packet>,
        pool: &mut Pool,
        peers: &mut Peers,
        (measure, heart): (&mut Measure, &Heartbeat),
        now_ns: u64,
        egress: PortId,
    ) -> Drained {
        let mut drained = Drained::default();
        let Some(worker) = self.worker_of(egress) else {
            broken!("something is queued for a port that no worker serves");
            return drained;
        };
        if heart.stands_still(worker, now_ns) {
            // The gate already lets later frames go by the bridge.
            while let Next::Container(mut container) = engine.next(now_ns, egress) {
                let (ingress, handed) = (container.ingress(), Handed::of(&container));
                let reason = Reason::Stalled;
                let lost = measure.lose_all(pool, now_ns, &mut container, reason);
                self.lose(ingress, reason, lost);
                engine.taken(&handed);
                engine.recycle(container);
                drained.taken = true;
            }
            return drained;
        }
        while peers.room(worker) > 0 {
            drained.late = heart.is_late();
            if drained.late {
                break;
            }
            let next = || match engine.next(now_ns, egress) {
                Next::Container(container) => Some(container),
                Next::NotBefore(_) | Next::Empty => None,
            };
            if !peers.hand_over(worker, next) {
                break;
            }
            drained.taken = true;
        }
        drained
    }

    /// Returns an emptied container to the worker that filled it.
    #[inline]
    pub(super) fn recycle(
        &self,
        engine: &mut Engine<Packet>,
        peers: &mut Peers,
        container: Container<Packet>,
    ) {
        match self.worker_of(container.ingress()) {
            None => engine.recycle(container),
            Some(worker) => {
                if let Err(container) = peers.give_back(worker, container) {
                    engine.recycle(container);
                }
            }
        }
    }
}

impl<P: Port> Worker<P> {
    /// Takes the containers that other workers have for ports served here. Returns true if there were any.
    pub(super) fn take_over(&mut self, now_ns: u64) -> bool {
        let mut came = false;
        for other in self.peers.others() {
            for _ in 0..HANDED {
                let Some(mut container) = self.peers.take_over(other) else { break };
                came = true;
                for packet in container.iter_mut() {
                    self.measure.taken_over(now_ns, packet, &self.pool);
                }
                let (engine, egress) = (&mut self.engine, container.egress());
                self.doors.links.enter(egress, |until_ns| engine.occupy(egress, until_ns));
                if let Err((container, reason)) = self.engine.accept(now_ns, container) {
                    self.refuse(now_ns, container, reason);
                }
            }
            while let Some(empty) = self.peers.returned(other) {
                self.engine.recycle(empty);
            }
        }
        came
    }

    /// Ends the packets of a container that another worker filled and that cannot be queued here.
    #[cold]
    pub(super) fn refuse(&mut self, now_ns: u64, mut container: Container<Packet>, reason: Reason) {
        let lost = self.measure.lose_all(&mut self.pool, now_ns, &mut container, reason);
        self.remotes.lose(container.ingress(), reason, lost);
        self.remotes.recycle(&mut self.engine, &mut self.peers, container);
    }
}
