//! The loop: receive from every port, switch, queue, send to every port that has something.
//!
//! Invariant: a packet that leaves `receive` ends in exactly one place: handed to a port, held by
//! the engine, or released and counted under a reason. The clock is read once a turn.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use rustix::event::{Timespec, epoll};
use tokio::sync::oneshot;
use weir_core::{Decision, Engine, Key, Losses, Mac, PortId, PortSet, Reason};
use weir_port::{Kick, Packet, Pool, Port, Refused, clock_monotonic_ns};

use super::command::{Command, NewPort, Taken};
use super::handle::WorkerSettings;
use super::idle::{IdlePolicy, Wait, wait};
use super::lanes::{Lane, Lanes};
use super::regimes::{Regime, Regimes};
use super::snapshot::{PortSnapshot, WorkerSnapshot};

/// Frames taken from one port before the next is served.
const BURST: usize = 64;
/// How often the worker looks after its house while it is awake.
const CHORES_EVERY_NS: u64 = 1_000_000;
/// The longest sleep: commands end it at once, so this only bounds the ageing of addresses.
const LONGEST_SLEEP_NS: u64 = 100_000_000;
/// Addresses looked at for their age per round of chores.
const AGED_PER_ROUND: usize = 64;
/// How long a leaving port may wait for the kernel to complete what it was given.
const LEAVING_NS: u64 = 20_000_000;

/// A port that is asked back and still waits for completions.
#[derive(Debug)]
struct Leaving<P> {
    id: PortId,
    until_ns: u64,
    done: oneshot::Sender<Option<Box<Taken<P>>>>,
}

#[derive(Debug)]
pub struct Worker<P> {
    core: usize,
    idle: IdlePolicy,
    pool: Pool,
    engine: Engine<Packet>,
    lanes: Lanes<P>,
    leaving: Vec<Leaving<P>>,
    burst: Vec<Packet>,
    regimes: Regimes,
    started_at_ns: u64,
    inbox: Receiver<Command<P>>,
    wake: Arc<OwnedFd>,
    readiness: OwnedFd,
    orphan_losses: Losses,
    stopping: Option<oneshot::Sender<Box<WorkerSnapshot>>>,
    running: bool,
}

impl<P: Port> Worker<P> {
    pub fn new(
        settings: WorkerSettings,
        pool: Pool,
        inbox: Receiver<Command<P>>,
        wake: Arc<OwnedFd>,
    ) -> io::Result<Self> {
        let readiness = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let readable = epoll::EventFlags::IN;
        epoll::add(&readiness, wake.as_fd(), epoll::EventData::new_u64(0), readable)?;
        let now_ns = clock_monotonic_ns();
        Ok(Self {
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
            readiness,
            orphan_losses: Losses::default(),
            stopping: None,
            running: true,
        })
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
    fn forward(&mut self, now_ns: u64, ingress: PortId) {
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
            || self.lanes.ids().any(|id| {
                self.lanes.get(id).is_some_and(|lane| lane.port.tx_outstanding() > 0)
            });
        if awaited { CHORES_EVERY_NS } else { LONGEST_SLEEP_NS }
    }

    fn sleep(&self, at_most_ns: u64) {
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; 8];
        let timeout = Timespec {
            tv_sec: i64::try_from(at_most_ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::from((at_most_ns % 1_000_000_000) as u32),
        };
        // An interrupted or failed wait is a short one: the loop looks at its rings either way.
        let _ = epoll::wait(&self.readiness, &mut events, Some(&timeout));
        let mut count = [0_u8; 8];
        let _ = rustix::io::read(&self.wake, &mut count);
    }

    /// What is not done for every frame: commands, ageing, ports that leave.
    fn chores(&mut self, now_ns: u64) {
        self.engine.age(now_ns, AGED_PER_ROUND);
        self.let_go(now_ns);
        loop {
            match self.inbox.try_recv() {
                Ok(command) => self.obey(command, now_ns),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.running = false;
                    break;
                }
            }
        }
    }

    fn obey(&mut self, command: Command<P>, now_ns: u64) {
        match command {
            Command::Add { new, done } => {
                self.add(*new);
                let _ = done.send(());
            }
            Command::Take { id, done } => self.take(id, now_ns, done),
            Command::Reclaim { id, done } => {
                let _ = done.send(self.pool.reclaim(id));
            }
            Command::Retune { id, mtu, features } => {
                if let Some(lane) = self.lanes.get_mut(id) {
                    lane.port.retune(mtu, features);
                }
            }
            Command::Learn { mac, vlan, port } => {
                if self.lanes.get(port).is_some() {
                    self.engine.learn(now_ns, mac, vlan, port);
                }
            }
            Command::Snapshot { done } => {
                let _ = done.send(Box::new(self.snapshot(now_ns)));
            }
            Command::Stop { done } => {
                self.stopping = Some(done);
                self.running = false;
            }
        }
    }

    fn add(&mut self, new: NewPort<P>) {
        let NewPort { id, role, queue_bytes, mut port } = new;
        port.refill(&mut self.pool);
        for fd in port.fds() {
            // Without it this port's frames are found a little later: the sleep is bounded.
            let _ = epoll::add(
                &self.readiness,
                fd,
                epoll::EventData::new_u64(u64::from(id.0) + 1),
                epoll::EventFlags::IN,
            );
        }
        self.engine.add_port(id, role, queue_bytes);
        self.lanes.insert(id, port);
    }

    /// Begins to let a port go: nothing new is queued for it from here on.
    fn take(&mut self, id: PortId, now_ns: u64, done: oneshot::Sender<Option<Box<Taken<P>>>>) {
        if self.lanes.get(id).is_none() {
            let _ = done.send(None);
            return;
        }
        // What was received before the program was detached is still forwarded.
        while self.lanes.get_mut(id).is_some_and(|lane| {
            lane.port.receive(&mut self.pool, &mut self.burst, BURST) > 0
        }) {
            self.forward(now_ns, id);
        }
        self.engine.end_of_burst(now_ns);
        let dropped = self.engine.remove_port(id);
        self.orphan_losses.add(Reason::PortGone, dropped.len() as u64);
        for packet in dropped {
            self.pool.release(packet);
        }
        self.leaving.push(Leaving { id, until_ns: now_ns + LEAVING_NS, done });
        self.let_go(now_ns);
    }

    /// Hands back the leaving ports that have nothing left in the kernel, or have waited enough.
    fn let_go(&mut self, now_ns: u64) {
        let mut at = 0;
        while let Some(leaving) = self.leaving.get(at) {
            let id = leaving.id;
            if let Some(lane) = self.lanes.get_mut(id) {
                lane.port.kick(&mut self.pool);
                lane.port.complete(&mut self.pool);
                if lane.port.tx_outstanding() > 0 && now_ns < leaving.until_ns {
                    at += 1;
                    continue;
                }
            }
            let leaving = self.leaving.swap_remove(at);
            let taken = self.lanes.remove(id).map(|mut lane| {
                lane.losses.add(Reason::PortGone, lane.port.tx_outstanding() as u64);
                let mut last = port_snapshot(id, &mut lane);
                last.tx_outstanding = 0;
                Box::new(Taken { port: lane.port, last })
            });
            let _ = leaving.done.send(taken);
        }
    }

    fn snapshot(&mut self, now_ns: u64) -> WorkerSnapshot {
        let ids: Vec<PortId> = self.lanes.ids().collect();
        let ports = ids
            .into_iter()
            .filter_map(|id| self.lanes.get_mut(id).map(|lane| port_snapshot(id, lane)))
            .collect();
        WorkerSnapshot {
            core: self.core,
            taken_at_ns: now_ns,
            started_at_ns: self.started_at_ns,
            regimes: self.regimes.clone(),
            ports,
            held_packets: self.engine.held_packets(),
            held_bytes: self.engine.held_bytes(),
            census: self.pool.census(),
            fdb_entries: self.engine.fdb().len(),
            fdb_capacity: self.engine.fdb().capacity(),
            orphan_losses: self.orphan_losses.clone(),
        }
    }

    /// The last words: what is still queued is lost under its name.
    fn finish(&mut self) {
        let ids: Vec<PortId> = self.lanes.ids().collect();
        for id in ids {
            let dropped = self.engine.remove_port(id);
            self.orphan_losses.add(Reason::Shutdown, dropped.len() as u64);
            for packet in dropped {
                self.pool.release(packet);
            }
        }
        if let Some(done) = self.stopping.take() {
            let last = self.snapshot(clock_monotonic_ns());
            let _ = done.send(Box::new(last));
        }
    }
}

/// The addresses a frame is switched by.
#[inline]
fn key_of(head: &[u8], vlan: u16) -> Option<Key> {
    let (dst, rest) = head.split_first_chunk::<6>()?;
    let (src, rest) = rest.split_first_chunk::<6>()?;
    (rest.len() >= 2).then(|| Key { dst: Mac::from(*dst), src: Mac::from(*src), vlan })
}

#[inline]
fn offer<P>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    ingress: PortId,
    egress: PortId,
    packet: Packet,
) {
    if let Err((packet, reason)) = engine.offer(now_ns, ingress, egress, packet) {
        lane.losses.add(reason, 1);
        pool.release(packet);
    }
}

/// One copy per port; the last gets the frame itself.
fn flood<P>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    ingress: PortId,
    egresses: PortSet,
    packet: Packet,
) {
    let mut left = egresses.len();
    for egress in egresses.iter() {
        left -= 1;
        if left == 0 {
            offer(engine, pool, lane, now_ns, ingress, egress, packet);
            return;
        }
        lane.copies += 1;
        match pool.copy(&packet) {
            Some(copy) => offer(engine, pool, lane, now_ns, ingress, egress, copy),
            None => lane.losses.add(Reason::NoFrames, 1),
        }
    }
    lane.losses.add(Reason::NoEgress, 1);
    pool.release(packet);
}

/// Hands a port what is queued for it, until either is out. True if anything was taken.
fn drain<P: Port>(
    engine: &mut Engine<Packet>,
    pool: &mut Pool,
    lane: &mut Lane<P>,
    now_ns: u64,
    egress: PortId,
) -> bool {
    let mut taken = false;
    while lane.port.tx_room() > 0 {
        let Some(mut container) = engine.next(now_ns, egress) else { break };
        while let Some(packet) = container.pop() {
            match lane.port.send(pool, packet) {
                Ok(()) => taken = true,
                Err(Refused::Lost(packet, reason)) => {
                    lane.losses.add(reason, 1);
                    pool.release(packet);
                    taken = true;
                }
                Err(Refused::Full(packet)) => {
                    container.unpop(packet);
                    engine.put_back(egress, container);
                    return taken;
                }
            }
        }
        engine.recycle(container);
    }
    taken
}

fn port_snapshot<P: Port>(id: PortId, lane: &mut Lane<P>) -> PortSnapshot {
    PortSnapshot {
        id,
        stats: lane.port.stats(),
        losses: lane.losses.clone(),
        copies: lane.copies,
        rx_waiting: lane.port.rx_waiting() as u64,
        tx_outstanding: lane.port.tx_outstanding() as u64,
    }
}
