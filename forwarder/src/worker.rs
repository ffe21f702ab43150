//! The workers: one pinned thread per core that moves frames, run to completion.
//!
//! - [`turn`]: a worker's loop of receive, queue, send
//! - [`receiving`]: from the rings into the queues
//! - [`gathering`]: the receive ring that ports share, and what waits for earlier frames at the bridge
//! - [`switching`]: what happens to one packet
//! - [`chores`]: work that is not done for every frame
//! - [`transfer`], [`remotes`]: what passes between workers
//! - [`heartbeat`]: whether the workers run; [`stalled`]: what a worker does after it stood still
//! - [`measure`], [`headers`], [`sent`]: flows, times and the end of every packet
//! - [`tap`]: watching single packets
//! - [`doors`]: links and sources with a rate, which pass between the gates and this worker
//! - [`lanes`]: the worker's ports, and the order in which they are served
//! - [`idle`]: when to look again and when to sleep; [`sleep`]: sleeping and waking
//! - [`regimes`]: the accounting of the worker's own time
//! - [`handle`]: the control side's end of a worker, and its requests; [`patience`]: how long it waits
//! - [`snapshot`]: the worker's report on itself
//!
//! Architecture invariant: nothing here locks, allocates or makes a system call on the way of a frame, other
//! than the kicks in `weir_port`. The control side reaches the worker in housekeeping only, through
//! [`handle`].

mod chores;
mod doors;
mod gathering;
pub mod handle;
mod headers;
pub mod heartbeat;
pub mod idle;
mod lanes;
mod measure;
mod patience;
mod receiving;
pub mod regimes;
mod remotes;
mod sent;
mod sleep;
pub mod snapshot;
mod stalled;
mod switching;
mod tap;
mod transfer;
mod turn;

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;
use weir_core::sched::Caps;
use weir_core::{Engine, EngineConfig, FlowConfig, Losses, PortId, Reason, WorkShare};
use weir_port::{Cells, Packet, Pool, Port};

pub use self::doors::DoorLook;
pub use self::handle::{Asker, Change, FlowPage, Taken, WorkerHandle, WorkerMeasures};
pub use self::heartbeat::Pulses;
pub use self::patience::{ANSWER_WITHIN, NoAnswer};
pub use self::snapshot::{PortSnapshot, VifQueue, WorkerSnapshot};
pub use self::tap::{
    Event, Facts, Filter, MARKS, Points, Protocol, Purpose, Step, WatchSpec, Watched, Watcher,
};
pub use self::transfer::{Peers, peers};

use self::doors::Doors;
use self::gathering::Gathering;
use self::handle::Command;
use self::heartbeat::Heartbeat;
use self::lanes::{BURST, Lanes};
use self::measure::Measure;
use self::regimes::Regimes;
use self::remotes::Remotes;

/// The most pieces that one superframe is cut into: 64 KiB in segments of half a kilobyte.
const PIECES: usize = 128;

#[derive(Debug)]
pub struct WorkerSettings {
    pub core: usize,
    pub idle: weir_core::Idle,
    pub engine: EngineConfig,
    /// Whether to keep histograms by source and stage.
    pub latency: bool,
    pub flows: FlowConfig,
    /// Shared by all workers.
    pub caps: Arc<Caps>,
    /// The program's shed bits, shared by all workers.
    pub shed: Cells,
    /// The counts of frames that have come to their end, which the gate reads: the map `GIVEN_BACK`.
    pub home: Cells,
    /// The counts of what the gate sends, and the workers' heartbeats: the map `TAKEN`.
    pub out: Cells,
    /// The monotonic clock.
    pub clock: fn() -> u64,
    /// The doors of links and sources with a rate, shared by gates and workers: the map `DOORS`.
    pub doors: Cells,
    /// This worker's ends of the rings to the other workers.
    pub peers: Peers,
}

/// A port that is to be returned and still waits for completions.
#[derive(Debug)]
struct Leaving<P> {
    id: PortId,
    until_ns: u64,
    /// The reason under which frames are lost that the kernel does not complete in time.
    why: Reason,
    done: oneshot::Sender<Option<Box<Taken<P>>>>,
}

#[derive(Debug)]
pub struct Worker<P> {
    core: usize,
    idle: weir_core::Idle,
    pool: Pool,
    engine: Engine<Packet>,
    lanes: Lanes<P>,
    leaving: Vec<Leaving<P>>,
    burst: Vec<Packet>,
    measure: Measure,
    regimes: Regimes,
    inbox: Receiver<Command<P>>,
    pieces: Vec<Packet>,
    /// The ring shared by the ports whose frames come by way of the gate.
    gathering: Option<Gathering<P>>,
    /// The number of ports that had frames in the last turn.
    busy_ports: usize,
    peers: Peers,
    remotes: Remotes,
    /// The program's shed bits.
    shed: Cells,
    doors: Doors,
    heart: Heartbeat,
    /// The division of the worker's time between its links.
    work: WorkShare,
    /// When something that waits here may leave, as of the last turn.
    due_ns: Option<u64>,
    /// When a link may take the next packet that waits for it, as of the last turn.
    link_ns: Option<u64>,
    orphan_losses: Losses,
    /// The number of this thread's broken invariants that were logged.
    broken_reported: u64,
    running: bool,
}

impl<P: Port> Worker<P> {
    pub fn new(settings: WorkerSettings, pool: Pool, inbox: Receiver<Command<P>>) -> Self {
        let clock = settings.clock;
        let now_ns = clock();
        let heart = Heartbeat::begin(settings.out, settings.peers.index, clock);
        Self {
            core: settings.core,
            idle: settings.idle,
            pool,
            engine: Engine::new(settings.engine, settings.caps),
            lanes: Lanes::new(),
            leaving: Vec::new(),
            burst: Vec::with_capacity(BURST),
            measure: Measure::new(settings.latency, settings.flows, settings.home),
            regimes: Regimes::new(now_ns),
            inbox,
            pieces: Vec::with_capacity(PIECES),
            gathering: None,
            busy_ports: 0,
            peers: settings.peers,
            remotes: Remotes::default(),
            shed: settings.shed,
            doors: Doors::new(settings.doors),
            heart,
            work: WorkShare::default(),
            due_ns: None,
            link_ns: None,
            orphan_losses: Losses::default(),
            broken_reported: 0,
            running: true,
        }
    }
}

#[cfg(test)]
mod tests;
