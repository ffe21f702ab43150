//! A worker's report on itself: plain numbers, copied between two turns.
//!
//! Invariant: reporting changes nothing, and nothing is counted twice.

use weir_core::{ContainerCounts, Engine, Losses, PortId, PortSet, invariant};
use weir_port::{Census, Packet, Port, PortStats};

use super::Worker;
use super::doors::{DoorLook, Doors};
use super::gathering::Gathering;
use super::lanes::Lane;
use super::regimes::Regimes;

/// One port's counters, as the worker that serves it sees them.
#[derive(Clone, Debug)]
pub struct PortSnapshot {
    pub id: PortId,
    pub stats: PortStats,
    /// Losses, decided by the worker, of frames that arrived at this port, and of frames that were lost while
    /// they were sent to it.
    pub losses: Losses,
    /// Pieces made of superframes that arrived at this port, beyond the superframes themselves; the ledger
    /// counts them as copies.
    pub copies: u64,
    /// Steered frames that still wait in the receive ring.
    pub rx_waiting: u64,
    /// Packets given to the kernel that it has not completed.
    pub tx_outstanding: u64,
    /// Containers filled by packets that arrived at this port.
    pub containers: ContainerCounts,
    /// The door of a link with a rate.
    pub door: Option<DoorLook>,
}

/// One pair, as the worker that serves the link sees it.
#[derive(Clone, Copy, Debug)]
pub struct VifQueue {
    pub ingress: PortId,
    pub egress: PortId,
    /// Packets that wait now.
    pub packets: u64,
    pub bytes: u64,
    /// Packets handed to the link since the pair was created.
    pub sent_packets: u64,
    pub sent_bytes: u64,
    /// Whether the program drops this source's frames for this link at the moment.
    pub shed: bool,
}

#[derive(Clone, Debug)]
pub struct WorkerSnapshot {
    pub core: usize,
    pub taken_at_ns: u64,
    pub regimes: Regimes,
    pub ports: Vec<PortSnapshot>,
    /// Pairs with anything to report.
    pub queues: Vec<VifQueue>,
    /// Losses of frames that arrived at ports of other workers.
    pub foreign_losses: Vec<(PortId, Losses)>,
    /// All packets ever handed over to other workers.
    pub handed_over: u64,
    /// All packets ever taken over from other workers.
    pub taken_over: u64,
    /// Packets in containers and queues.
    pub held_packets: u64,
    pub census: Census,
    /// Losses that cannot be charged to a present port: frames of ports that are gone.
    pub orphan_losses: Losses,
    /// Broken invariants found by the worker's thread.
    pub broken_invariants: u64,
}

impl<P: Port> Worker<P> {
    pub(super) fn snapshot(&mut self, now_ns: u64) -> WorkerSnapshot {
        let served = self.lanes.all();
        let queues = self.queues(served);
        let (mut orphan_losses, mut waiting) = (self.orphan_losses, 0);
        if let Some(gathering) = &mut self.gathering {
            // Losses at the shared ring cannot be charged to a single port.
            orphan_losses += gathering.port.stats().losses;
            waiting = gathering.port.rx_waiting() as u64;
        }
        let ports = served
            .iter()
            .filter_map(|id| {
                self.lanes
                    .get_mut(id)
                    .map(|lane| port_snapshot(&self.engine, &self.doors, id, lane, waiting))
            })
            .collect();
        WorkerSnapshot {
            core: self.core,
            taken_at_ns: now_ns,
            regimes: self.regimes.clone(),
            ports,
            queues,
            foreign_losses: self.remotes.losses(),
            held_packets: self.engine.held_packets()
                + self.gathering.as_ref().map_or(0, Gathering::held_packets),
            handed_over: self.peers.handed_over(),
            taken_over: self.peers.taken_over(),
            census: self.pool.census(),
            orphan_losses,
            broken_invariants: invariant::of_this_thread().count,
        }
    }

    /// Every pair to a port served here with anything to report.
    fn queues(&self, served: PortSet) -> Vec<VifQueue> {
        let mut queues = Vec::new();
        for egress in served {
            for ingress in self.engine.sources_of(egress) {
                let (bytes, packets) = self.engine.port_depth(egress, ingress);
                let sent = self.engine.pair_stats(egress, ingress);
                if packets == 0 && sent.sent_packets == 0 {
                    continue;
                }
                queues.push(VifQueue {
                    ingress,
                    egress,
                    packets,
                    bytes,
                    sent_packets: sent.sent_packets,
                    sent_bytes: sent.sent_bytes,
                    shed: self.engine.is_shed(ingress, egress),
                });
            }
        }
        queues
    }
}

pub(super) fn port_snapshot<P: Port>(
    engine: &Engine<Packet>,
    doors: &Doors,
    id: PortId,
    lane: &mut Lane<P>,
    in_shared_ring: u64,
) -> PortSnapshot {
    let mut stats = lane.port.stats();
    stats.rx_packets += lane.shared.rx_packets;
    stats.rx_bytes += lane.shared.rx_bytes;
    stats.rx_superframes += lane.shared.rx_superframes;
    // The shared ring tells only how much waits there of all ports together.
    let rx_waiting =
        if lane.port.receives() { lane.port.rx_waiting() as u64 } else { in_shared_ring };
    PortSnapshot {
        id,
        stats,
        losses: lane.losses,
        copies: lane.copies,
        rx_waiting,
        tx_outstanding: lane.port.tx_outstanding() as u64,
        containers: engine.container_stats(id),
        door: doors.links.look(id, engine.link_due(id)),
    }
}
