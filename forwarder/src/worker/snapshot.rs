//! What a worker says of itself: plain numbers, copied out between two turns.

use weir_core::{Losses, PortId};
use weir_port::{Census, PortStats};

use super::regimes::Regimes;

/// One port's numbers, as the worker that serves it sees them.
#[derive(Clone, Debug)]
pub struct PortSnapshot {
    pub id: PortId,
    pub stats: PortStats,
    /// Losses of frames that came in here, decided by the worker.
    pub losses: Losses,
    /// Copies made of frames that came in here (floods).
    pub copies: u64,
    /// Steered frames that still wait in the receive ring.
    pub rx_waiting: u64,
    /// Packets given to the kernel that it has not completed.
    pub tx_outstanding: u64,
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
    /// Packets in containers and queues.
    pub held_packets: u64,
    pub held_bytes: u64,
    pub census: Census,
    pub fdb_entries: usize,
    pub fdb_capacity: usize,
    /// Losses that no port of now can be charged with: frames of ports that are gone.
    pub orphan_losses: Losses,
}
