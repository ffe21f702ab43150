//! The requests that the control side may make of a worker: what goes with them, and what comes back.
//!
//! Commands are taken in housekeeping, between two turns, so a frame never sees half a change. Every command
//! that changes something answers when it is done. A command whose sender no longer waits for the answer is
//! not carried out, so that nothing changes without the control side's knowledge.

use weir_core::{FlowRow, MAX_PORTS, PortId, PortSettings, SchedulerSettings};

use super::snapshot::PortSnapshot;
use super::state::Worker;

/// The number of commands that may wait for a worker: one for each port, which reading all latencies sends
/// before it waits, and some more. A worker with a full queue is not sent any more commands
/// ([`NoAnswer::Full`](super::NoAnswer::Full)).
pub const COMMANDS: usize = MAX_PORTS + 256;

/// What a worker is to do, at the time of its chores.
pub type Command<P> = Box<dyn FnOnce(&mut Worker<P>, u64) + Send>;

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
/// have them reclaimed ([`Asker::reclaim`](super::Asker::reclaim)).
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
