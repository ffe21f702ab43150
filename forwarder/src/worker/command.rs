//! What the control side may ask of a worker.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change.
//! Every command that changes something answers when it is done.

use tokio::sync::oneshot;
use weir_core::{FdbChange, Mac, PortId, PortSettings, SchedulerSettings};
use weir_port::TxFeatures;

use super::snapshot::{PortSnapshot, WorkerSnapshot};

/// A port on its way to a worker.
#[derive(Debug)]
pub struct NewPort<P> {
    pub id: PortId,
    pub settings: PortSettings,
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

/// What a worker learned or forgot, for the program's table and for the other workers.
#[derive(Debug)]
pub struct FdbNews {
    pub worker: usize,
    pub changes: Vec<FdbChange>,
    /// More changed than could be noted: `changes` is the whole table.
    pub whole: bool,
}

/// What changes while traffic flows. Ports that the worker does not know are passed over.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub ports: Vec<(PortId, PortSettings)>,
    pub scheduler: Option<SchedulerSettings>,
}

#[derive(Debug)]
pub enum Command<P> {
    /// Serve this port from now on.
    Add { new: Box<NewPort<P>>, done: oneshot::Sender<()> },
    /// Another worker serves this port: what is for it is handed over there.
    AddRemote { id: PortId, settings: PortSettings, worker: usize, done: oneshot::Sender<()> },
    /// The other worker is about to stop serving the port.
    RemoveRemote { id: PortId, done: oneshot::Sender<()> },
    /// New promises, all of them between the same two turns.
    Reshape { change: Box<Change>, done: oneshot::Sender<()> },
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
