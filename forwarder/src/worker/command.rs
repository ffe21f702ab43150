//! What the control side may ask of a worker.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change.
//! Every command that changes something answers when it is done; one whose answer is not waited for
//! any more is not carried out, so that nothing changes that the control side does not know of.

use tokio::sync::oneshot;
use weir_core::{
    FlowRow, FlowSum, MAX_PORTS, PortId, PortSettings, Reason, SchedulerSettings, VifLatency,
};
use weir_port::TxFeatures;

use super::gathering::Gathering;
use super::snapshot::{PortSnapshot, WorkerSnapshot};
use super::tap::Watcher;

/// Commands that may wait for a worker: one for each port, which is what reading all latencies sends
/// before it waits, and some more. A worker that has more waiting is not asked
/// ([`NoAnswer::Full`](super::NoAnswer::Full)).
pub const COMMANDS: usize = MAX_PORTS + 256;

/// A port on its way to a worker.
#[derive(Debug)]
pub struct NewPort<P> {
    pub id: PortId,
    pub settings: PortSettings,
    pub port: P,
}

/// A part of the flow table on its way out.
#[derive(Debug)]
pub struct FlowPage {
    /// The place to begin at; when the page is back, where to go on.
    pub from: Option<u32>,
    /// Histograms, too.
    pub latency: bool,
    /// Filled as far as it has room without growing.
    pub rows: Vec<FlowRow>,
}

/// A port on its way back. The kernel may still own some of its frames: close it, then send
/// [`Command::Reclaim`].
#[derive(Debug)]
pub struct Taken<P> {
    pub port: P,
    /// The port's last numbers.
    pub last: PortSnapshot,
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
    /// Take frames from this ring, which ports share, or from none any more; what was there before
    /// is handed back.
    Gather {
        gathering: Option<Box<Gathering<P>>>,
        done: oneshot::Sender<Option<Box<Gathering<P>>>>,
    },
    /// Another worker serves this port: what is for it is handed over there.
    AddRemote { id: PortId, settings: Box<PortSettings>, worker: usize, done: oneshot::Sender<()> },
    /// The other worker is about to stop serving the port; what is queued for it here is lost under
    /// `why`.
    RemoveRemote { id: PortId, why: Reason, done: oneshot::Sender<()> },
    /// New promises, all of them between the same two turns.
    Reshape { change: Box<Change>, done: oneshot::Sender<()> },
    /// Stop serving a port: what is in its receive ring is still forwarded, what is queued for it
    /// is lost under `why`.
    Take { id: PortId, why: Reason, done: oneshot::Sender<Option<Box<Taken<P>>>> },
    /// The port's sockets are closed: take back the frames that the kernel held for it, of which
    /// those that waited to be sent are lost under `port_gone`.
    Reclaim { id: PortId, done: oneshot::Sender<usize> },
    /// The device changed.
    Retune { id: PortId, mtu: u32, features: TxFeatures },
    /// Say that you are there.
    Ping { done: oneshot::Sender<()> },
    /// Everything the worker knows of itself.
    Snapshot { done: oneshot::Sender<Box<WorkerSnapshot>> },
    /// Hand out what was recorded of a source's packets, and go on with this empty set.
    SwapLatency { id: PortId, fresh: Box<VifLatency>, done: oneshot::Sender<Box<VifLatency>> },
    /// Copy some of the flow table into the page.
    Flows { page: Box<FlowPage>, done: oneshot::Sender<Box<FlowPage>> },
    /// What has no row of its own there.
    FlowSums { done: oneshot::Sender<Vec<FlowSum>> },
    /// Forget all flows.
    ForgetFlows { done: oneshot::Sender<()> },
    /// Watch packets from now on, or no longer; what watched before is handed back.
    Watch { watcher: Option<Box<Watcher>>, done: oneshot::Sender<Option<Box<Watcher>>> },
    /// End the thread. Frames that are still held are lost under `shutdown`.
    Stop { done: oneshot::Sender<Box<WorkerSnapshot>> },
}

impl<P> Command<P> {
    /// Whoever asked has given up waiting.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Add { done, .. }
            | Self::AddRemote { done, .. }
            | Self::RemoveRemote { done, .. }
            | Self::Reshape { done, .. }
            | Self::Ping { done }
            | Self::ForgetFlows { done } => done.is_closed(),
            Self::Take { done, .. } => done.is_closed(),
            Self::Gather { done, .. } => done.is_closed(),
            Self::Reclaim { done, .. } => done.is_closed(),
            Self::Snapshot { done } => done.is_closed(),
            Self::SwapLatency { done, .. } => done.is_closed(),
            Self::Flows { done, .. } => done.is_closed(),
            Self::FlowSums { done } => done.is_closed(),
            Self::Watch { done, .. } => done.is_closed(),
            // These nobody waits for.
            Self::Retune { .. } | Self::Stop { .. } => false,
        }
    }
}
