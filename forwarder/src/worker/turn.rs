//! The loop: receive from every port, switch, queue, send to every port that has something.
//!
//! Invariant: a packet that leaves `receive` ends in exactly one place: handed to a port, held by
//! the engine, or released and counted under a reason. The clock is read once a turn.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::oneshot;
use weir_core::{Decision, Engine, Losses, PortId, Reason};
use weir_port::{Kick, Packet, Pool, Port, clock_monotonic_ns};

use super::chores::Leaving;
use super::command::Command;
use super::handle::WorkerSettings;
use super::idle::{IdlePolicy, Wait, wait};
use super::lanes::Lanes;
use super::regimes::{Regime, Regimes};
use super::snapshot::WorkerSnapshot;
use super::switching::{drain, flood, key_of, offer};

/// Frames taken from one port before the next is served.
pub(super) const BURST: usize = 128;
/// How often the worker looks after its house while it is awake.
const CHORES_EVERY_NS: u64 = 1_000_000;
/// The longest sleep: commands end it at once, so this only bounds the ageing of addresses.
const LONGEST_SLEEP_NS: u64 = 100_000_000;

#[derive(Debug)]
pub struct Worker<P> {
    pub(super) core: usize,
    pub(super) idle: IdlePolicy,
    pub(super) pool: Pool,
    pub(super) engine: Engine<Packet>,
    pub(super) lanes: Lanes<P>,
    pub(super) leaving: Vec<Leaving<P>>,
    pub(super) burst: Vec<Packet>,
    pub(super) regimes: Regimes,
    pub(super) started_at_ns: u64,
    pub(super) inbox: Receiver<Command<P>>,
    pub(super) wake: Arc<OwnedFd>,
    pub(super) orphan_losses: Losses,
    pub(super) stopping: Option<oneshot::Sender<Box<WorkerSnapshot>>>,
    pub(super) running: bool,
    pub(super) fdb_capacity: usize,
}

impl<P: Port> Worker<P> {
    pub fn new(
        settings: WorkerSettings,
        pool: Pool,
        inbox: Receiver<Command<P>>,
        wake: Arc<OwnedFd>,
    ) -> Self {
        let now_ns = clock_monotonic_ns();
        let fdb_capacity = settings.engine.fdb_capacity;
        Self {
            core: settings.core,
            idle: settings.idle,
            pool,
            engine: Engine::new(settings.engine),
            lanes: Lanes::new(),
            leaving: Vec::new(),
            burst: Vec::with_capacity(BURST),
            regimes: Regimes::new(now_ns),
            started_at_ns: now_ns,
            inbox,
            wake,
            orphan_losses: Losses::default(),
            stopping: None,
            running: true,
            fdb_capacity,
        }
    }

    /// Runs until told to stop.
    pub fn run(&mut self) {
        let mut now_ns = clock_monotonic_ns();
        let mut chores_at_ns = now_ns;
        let mut busy_at_ns = now_ns;
        while self.running {
            if now_ns >= chores_at_ns {
                self.chores(now_ns);
                chores_at_ns = now_ns + CHORES_EVERY_NS;
            }
            let progress = self.turn(now_ns);
            let before_ns = now_ns;
            now_ns = clock_monotonic_ns();
            let pending = self.sending_is_pending();
            let regime = match (progress, pending) {
                (true, _) => Regime::Busy,
                (false, true) => Regime::BackPressured,
                (false, false) => Regime::Idle,
            };
            self.regimes.charge(regime, now_ns);
            if progress {
                busy_at_ns = now_ns;
                continue;
            }
            match wait(self.idle, before_ns.saturating_sub(busy_at_ns), pending, self.chore_gap()) {
                Wait::Again => std::hint::spin_loop(),
                Wait::Nap { for_ns } => {
                    std::thread::sleep(std::time::Duration::from_nanos(for_ns));
                    now_ns = clock_monotonic_ns();
                    self.regimes.charge(Regime::BackPressured, now_ns);
                }
                Wait::Readable { at_most_ns } => {
                    self.sleep(at_most_ns);
                    now_ns = clock_monotonic_ns();
                    self.regimes.charge(Regime::Asleep, now_ns);
                    // Whoever woke us may have left a command.
                    chores_at_ns = now_ns;
                }
            }
        }
        self.finish();
    }

    /// One round over all ports. True if any frame moved.
    pub fn turn(&mut self, now_ns: u64) -> bool {
        let mut progress = false;
        for nth in 0..self.lanes.len() {
            let Some(id) = self.lanes.nth(nth) else { continue };
            let Some(lane) = self.lanes.get_mut(id) else { continue };
            progress |= lane.port.complete(&mut self.pool) > 0;
            lane.port.refill(&mut self.pool);
            if lane.port.receive(&mut self.pool, &mut self.burst, BURST) > 0 {
                progress = true;
                self.forward(now_ns, id);
            }
        }
        self.engine.end_of_burst(now_ns);
        progress |= self.send_backlog(now_ns);
        self.lanes.rotate();
        progress
    }

    /// Switches what the burst holds, all of which came in at `ingress`.
    pub(super) fn forward(&mut self, now_ns: u64, ingress: PortId) {
        let Self { pool, engine, lanes, burst, .. } = self;
        let Some(lane) = lanes.get_mut(ingress) else { return };
        for packet in burst.drain(..) {
            let Some(key) = key_of(pool.head(&packet), packet.vlan()) else {
                lane.losses.add(Reason::Malformed, 1);
                pool.release(packet);
                continue;
            };
            match engine.decide(now_ns, ingress, &key) {
                Decision::To(egress) => {
                    offer(engine, pool, lane, now_ns, ingress, egress, packet);
                }
                Decision::Flood(egresses) => {
                    flood(engine, pool, lane, now_ns, ingress, egresses, packet);
                }
                Decision::Drop(reason) => {
                    lane.losses.add(reason, 1);
                    pool.release(packet);
                }
            }
        }
    }

    /// Sends what is queued, as far as the devices take it. True if anything was taken.
    fn send_backlog(&mut self, now_ns: u64) -> bool {
        let mut progress = false;
        for egress in self.engine.backlogged().iter() {
            let Some(lane) = self.lanes.get_mut(egress) else { continue };
            progress |= drain(&mut self.engine, &mut self.pool, lane, now_ns, egress);
        }
        for nth in 0..self.lanes.len() {
            let Some(id) = self.lanes.nth(nth) else { continue };
            let Some(lane) = self.lanes.get_mut(id) else { continue };
            match lane.port.kick(&mut self.pool) {
                Kick::Idle => lane.refused = false,
                Kick::Progress(_) => {
                    lane.refused = false;
                    progress = true;
                }
                Kick::Again | Kick::Down => lane.refused = true,
            }
        }
        progress
    }

    /// Something waits to be sent, in a queue or in a ring.
    fn sending_is_pending(&self) -> bool {
        !self.engine.backlogged().is_empty()
            || self.lanes.ids().any(|id| self.lanes.get(id).is_some_and(|lane| lane.refused))
    }

    /// How long the worker may sleep: completions do not wake it, so it looks for them itself.
    fn chore_gap(&self) -> u64 {
        let awaited = !self.leaving.is_empty()
            || self
                .lanes
                .ids()
                .any(|id| self.lanes.get(id).is_some_and(|lane| lane.port.tx_outstanding() > 0));
        if awaited { CHORES_EVERY_NS } else { LONGEST_SLEEP_NS }
    }

    /// Waits until a frame or a command arrives. The sockets are named to the kernel here and not
    /// once for all: a socket that somebody waits on costs a wake-up for every frame that is sent,
    /// and for every one that comes in, whether the waiter sleeps or not.
    fn sleep(&self, at_most_ns: u64) {
        let mut watched = Vec::with_capacity(self.lanes.len() + 1);
        watched.push(PollFd::new(&self.wake, PollFlags::IN));
        for lane in self.lanes.ids().filter_map(|id| self.lanes.get(id)) {
            let fds = lane.port.fds();
            watched.extend(fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        }
        let timeout = Timespec {
            tv_sec: i64::try_from(at_most_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::from((at_most_ns % 1_000_000_000) as u32),
        };
        // An interrupted or failed wait is a short one: the loop looks at its rings either way.
        let _ = poll(&mut watched, Some(&timeout));
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
    }
}
