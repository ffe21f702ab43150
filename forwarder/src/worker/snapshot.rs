//! A worker's report on itself: plain numbers, copied between two turns.

use weir_core::{ContainerCounts, Losses, PortId};
use weir_port::{Census, PortStats};

use super::doors::DoorLook;
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
