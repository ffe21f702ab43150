//! The requests that the control side may make of a worker.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change. Every command
//! that changes something answers when it is done. A command whose sender no longer waits for the answer is
//! not carried out, so that nothing changes without the control side's knowledge.

use tokio::sync::oneshot;
use weir_core::{
    FlowRow, FlowSum, MAX_PORTS, PortId, PortSettings, Reason, SchedulerSettings, VifLatency,
};
use weir_port::TxFeatures;

use super::gathering::Gathering;
use super::snapshot::{PortSnapshot, WorkerSnapshot};
use super::tap::Watcher;

/// The number of commands that may wait for a worker: one for each port, which reading all latencies sends
/// before it waits, and some more. A worker with a full queue is not sent any more commands
/// ([`NoAnswer::Full`](super::NoAnswer::Full)).
pub const COMMANDS: usize = MAX_PORTS + 256;

/// A port to be added to a worker.
#[derive(Debug)]
pub struct NewPort<P> {
    pub id: PortId,
    pub settings: PortSettings,
    pub port: P,
}

/// A page of the flow table.
#[derive(Debug)]
pub struct FlowPage {
    /// The place to start at; in the answer, the place to continue at.
    pub from: Option<u32>,
    /// Whether to copy histograms, too.
    pub latency: bool,
    /// Filled within its capacity.
    pub rows: Vec<FlowRow>,
}

/// A port that was taken from a worker. The kernel may still own some of its frames: close the port, then
/// send [`Command::Reclaim`].
#[derive(Debug)]
pub struct Taken<P> {
    pub port: P,
    /// The port's last counters.
    pub last: PortSnapshot,
}

/// A change of settings while traffic flows. Ports that the worker does not know are skipped.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub ports: Vec<(PortId, PortSettings)>,
    pub scheduler: Option<SchedulerSettings>,
}

#[derive(Debug)]
pub enum Command<P> {
    /// Serve this port from now on.
    Add { new: Box<NewPort<P>>, done: oneshot::Sender<()> },
    /// Take frames from this ring, which ports share, or from no shared ring any more. The previous ring is
    /// returned.
    Gather {
        gathering: Option<Box<Gathering<P>>>,
        done: oneshot::Sender<Option<Box<Gathering<P>>>>,
    },
    /// Another worker serves this port: packets for it are handed over there.
    AddRemote { id: PortId, settings: Box<PortSettings>, worker: usize, done: oneshot::Sender<()> },
    /// The other worker is about to stop serving the port: what is queued for it here is lost under `why`.
    RemoveRemote { id: PortId, why: Reason, done: oneshot::Sender<()> },
    /// Apply new settings, all of them between the same two turns.
    Reshape { change: Box<Change>, done: oneshot::Sender<()> },
    /// Stop serving a port: what is in its receive ring is still forwarded, what is queued for it is lost
    /// under `why`.
    Take { id: PortId, why: Reason, done: oneshot::Sender<Option<Box<Taken<P>>>> },
    /// The port's sockets are closed: take back the frames that the kernel held for it. Those that waited to
    /// be sent are lost under `port_gone`.
    Reclaim { id: PortId, done: oneshot::Sender<usize> },
    /// The properties of the device changed.
    Retune { id: PortId, mtu: u32, features: TxFeatures },
    /// Answer, to show that the worker runs.
    Ping { done: oneshot::Sender<()> },
    /// Return the worker's whole report on itself.
    Snapshot { done: oneshot::Sender<Box<WorkerSnapshot>> },
    /// Return what was recorded of a source's packets, and continue with this empty set.
    SwapLatency { id: PortId, fresh: Box<VifLatency>, done: oneshot::Sender<Box<VifLatency>> },
    /// Copy a part of the flow table into the page.
    Flows { page: Box<FlowPage>, done: oneshot::Sender<Box<FlowPage>> },
    /// Return the sums of flows that have no row.
    FlowSums { done: oneshot::Sender<Vec<FlowSum>> },
    /// Forget all flows.
    ForgetFlows { done: oneshot::Sender<()> },
    /// Watch packets from now on, or no longer. The previous watcher is returned.
    Watch { watcher: Option<Box<Watcher>>, done: oneshot::Sender<Option<Box<Watcher>>> },
    /// End the thread. Frames that are still held are lost under `shutdown`.
    Stop { done: oneshot::Sender<Box<WorkerSnapshot>> },
}

impl<P> Command<P> {
    /// Whether the sender has given up waiting for the answer.
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
            // The sender of these does not wait for an answer.
            Self::Retune { .. } | Self::Stop { .. } => false,
        }
    }
}
