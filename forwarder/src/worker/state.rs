//! The state of a worker: its ports, its queues, its frames, and its ends of what it shares with others.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;
use weir_core::sched::Caps;
use weir_core::{Engine, EngineConfig, FlowConfig, Losses, PortId, Reason, WorkShare};
use weir_port::{Cells, Packet, Pool, Port};

use super::doors::Doors;
use super::gathering::Gathering;
use super::handle::{Command, Taken};
use super::heartbeat::Heartbeat;
use super::lanes::{BURST, Lanes};
use super::measure::Measure;
use super::regimes::Regimes;
use super::remotes::Remotes;
use super::transfer::Peers;

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
pub(super) struct Leaving<P> {
    pub(super) id: PortId,
    pub(super) until_ns: u64,
    /// The reason under which frames are lost that the kernel does not complete in time.
    pub(super) why: Reason,
    pub(super) done: oneshot::Sender<Option<Box<Taken<P>>>>,
}

#[derive(Debug)]
pub struct Worker<P> {
    pub(super) core: usize,
    pub(super) idle: weir_core::Idle,
    pub(super) pool: Pool,
    pub(super) engine: Engine<Packet>,
    pub(super) lanes: Lanes<P>,
    pub(super) leaving: Vec<Leaving<P>>,
    pub(super) burst: Vec<Packet>,
    pub(super) measure: Measure,
    pub(super) regimes: Regimes,
    pub(super) inbox: Receiver<Command<P>>,
    pub(super) pieces: Vec<Packet>,
    /// The ring shared by the ports whose frames come by way of the gate.
    pub(super) gathering: Option<Gathering<P>>,
    /// The number of ports that had frames in the last turn.
    pub(super) busy_ports: usize,
    pub(super) peers: Peers,
    pub(super) remotes: Remotes,
    /// The program's shed bits.
    pub(super) shed: Cells,
    pub(super) doors: Doors,
    pub(super) heart: Heartbeat,
    /// The division of the worker's time between its links.
    pub(super) work: WorkShare,
    /// When something that waits here may leave, as of the last turn.
    pub(super) due_ns: Option<u64>,
    /// When a link may take the next packet that waits for it, as of the last turn.
    pub(super) link_ns: Option<u64>,
    pub(super) orphan_losses: Losses,
    /// The number of this thread's broken invariants that were logged.
    pub(super) broken_reported: u64,
    pub(super) running: bool,
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
