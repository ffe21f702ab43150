//! What the control side may ask of a worker.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change.
//! Every command that changes something answers when it is done.

use tokio::sync::oneshot;
use weir_core::{Mac, PortId};
use weir_port::TxFeatures;

use super::snapshot::{PortSnapshot, WorkerSnapshot};

/// A port on its way to a worker.
#[derive(Debug)]
pub struct NewPort<P> {
    pub id: PortId,
    pub role: weir_core::PortRole,
    /// Bound of one source's queue towards another port.
    pub queue_bytes: u64,
    pub port: P,
}

/// A port on its way back. The kernel may still own some of its frames: close it, then send
/// [`Command::Reclaim`].
#[derive(Debug)]
pub struct Taken<P> {
    pub port: P,
    /// The port's last numbers.
    pub last: PortSnapshot,
}

#[derive(Debug)]
pub enum Command<P> {
    /// Serve this port from now on.
    Add { new: Box<NewPort<P>>, done: oneshot::Sender<()> },
    /// Stop serving a port: what is in its receive ring is still forwarded, what is queued for it
    /// is lost under `port_gone`.
    Take { id: PortId, done: oneshot::Sender<Option<Box<Taken<P>>>> },
    /// The port's sockets are closed: take back the frames that the kernel held for it, of which
    /// those that waited to be sent are lost under `port_gone`.
    Reclaim { id: PortId, done: oneshot::Sender<usize> },
    /// The device changed.
    Retune { id: PortId, mtu: u32, features: TxFeatures },
    /// Somebody else (a bridge's table) knows where this address is.
    Learn { mac: Mac, vlan: u16, port: PortId },
    /// Everything the worker knows of itself.
    Snapshot { done: oneshot::Sender<Box<WorkerSnapshot>> },
    /// End the thread. Frames that are still held are lost under `shutdown`.
    Stop { done: oneshot::Sender<Box<WorkerSnapshot>> },
}
