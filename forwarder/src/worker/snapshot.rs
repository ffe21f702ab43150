//! What a worker says of itself: plain numbers, copied out between two turns.

use weir_core::{ContainerCounts, Losses, PortId};
use weir_port::{Census, PortStats};

use super::doors::DoorLook;
use super::regimes::Regimes;

/// One port's numbers, as the worker that serves it sees them.
#[derive(Clone, Debug)]
pub struct PortSnapshot {
    pub id: PortId,
    pub stats: PortStats,
    /// Losses of frames that came in here, decided by the worker.
    pub losses: Losses,
    /// Pieces made of superframes that came in here, beyond the superframes themselves: to the ledger
    /// they are copies.
    pub copies: u64,
    /// Steered frames that still wait in the receive ring.
    pub rx_waiting: u64,
    /// Packets given to the kernel that it has not completed.
    pub tx_outstanding: u64,
    /// Containers filled by packets that came in here.
    pub containers: ContainerCounts,
    /// Of a link with a rate.
    pub door: Option<DoorLook>,
}

/// One source's way to one link, as the worker that serves the link sees it.
#[derive(Clone, Copy, Debug)]
pub struct VifQueue {
    pub ingress: PortId,
    pub egress: PortId,
    /// Waiting now.
    pub packets: u64,
    pub bytes: u64,
    /// Handed to the link since the pair came to be.
    pub sent_packets: u64,
    pub sent_bytes: u64,
    /// The program drops this source's frames for this link at the moment.
    pub shed: bool,
}

/// What waits to be sent out of a port.
#[derive(Clone, Copy, Debug)]
pub struct QueueSnapshot {
    pub egress: PortId,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug)]
pub struct WorkerSnapshot {
    pub core: usize,
    pub taken_at_ns: u64,
    pub started_at_ns: u64,
    pub regimes: Regimes,
    pub ports: Vec<PortSnapshot>,
    pub queued: Vec<QueueSnapshot>,
    /// Pairs with something to tell.
    pub queues: Vec<VifQueue>,
    /// Losses of frames that came in by ports of other workers.
    pub foreign_losses: Vec<(PortId, Losses)>,
    /// Packets handed over to other workers that these have not taken yet.
    pub in_transit_packets: u64,
    /// Packets handed over to other workers, ever.
    pub handed_over: u64,
    /// Packets taken over from other workers, ever.
    pub taken_over: u64,
    /// Packets in containers and queues.
    pub held_packets: u64,
    pub held_bytes: u64,
    pub census: Census,
    /// Losses that no port of now can be charged with: frames of ports that are gone.
    pub orphan_losses: Losses,
    /// By the worker's thread.
    pub broken_invariants: u64,
}
