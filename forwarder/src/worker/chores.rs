//! What is not done for every frame: commands, ageing, ports that leave, numbers.
//!
//! Invariant: a port that is asked back is handed over once the kernel has completed what it was
//! given, or after a bound; it is never handed over while the worker still queues for it.

use std::sync::mpsc::TryRecvError;

use tokio::sync::oneshot;
use weir_core::{PortId, Reason};
use weir_port::{Port, clock_monotonic_ns};

use super::command::{Command, NewPort, Taken};
use super::lanes::Lane;
use super::snapshot::{PortSnapshot, QueueSnapshot, WorkerSnapshot};
use super::turn::{BURST, Worker};

/// Addresses looked at for their age per round of chores.
const AGED_PER_ROUND: usize = 64;
/// How long a leaving port may wait for the kernel to complete what it was given.
const LEAVING_NS: u64 = 20_000_000;

/// A port that is asked back and still waits for completions.
#[derive(Debug)]
pub(super) struct Leaving<P> {
    id: PortId,
    until_ns: u64,
    done: oneshot::Sender<Option<Box<Taken<P>>>>,
}

impl<P: Port> Worker<P> {
    /// What is not done for every frame: commands, ageing, ports that leave.
    pub(super) fn chores(&mut self, now_ns: u64) {
        self.engine.fdb_mut().age(now_ns, AGED_PER_ROUND);
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
                    self.engine.fdb_mut().learn(now_ns, mac, vlan, port);
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

    pub(super) fn add(&mut self, new: NewPort<P>) {
        let NewPort { id, role, queue_bytes, mut port } = new;
        port.refill(&mut self.pool);
        // The control side keeps slots apart; were it to fail to, the newcomer is served and floods
        // no one: its frames are lost under `port_gone`.
        let _ = self.engine.add_port(id, role, queue_bytes);
        self.lanes.insert(id, port);
    }

    /// Begins to let a port go: nothing new is queued for it from here on.
    pub(super) fn take(
        &mut self,
        id: PortId,
        now_ns: u64,
        done: oneshot::Sender<Option<Box<Taken<P>>>>,
    ) {
        if self.lanes.get(id).is_none() {
            let _ = done.send(None);
            return;
        }
        // What was received before the program was detached is still forwarded.
        while self
            .lanes
            .get_mut(id)
            .is_some_and(|lane| lane.port.receive(&mut self.pool, &mut self.burst, BURST) > 0)
        {
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
    pub(super) fn let_go(&mut self, now_ns: u64) {
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

    pub(super) fn snapshot(&mut self, now_ns: u64) -> WorkerSnapshot {
        let ids: Vec<PortId> = self.lanes.ids().collect();
        let queued = ids.iter().map(|&egress| self.queued(egress, &ids)).collect();
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
            queued,
            held_packets: self.engine.held_packets(),
            held_bytes: self.engine.held_bytes(),
            census: self.pool.census(),
            fdb_entries: self.engine.fdb().len(),
            fdb_capacity: self.fdb_capacity,
            orphan_losses: self.orphan_losses,
        }
    }

    fn queued(&self, egress: PortId, ingresses: &[PortId]) -> QueueSnapshot {
        let mut queued = QueueSnapshot { egress, packets: 0, bytes: 0 };
        for &ingress in ingresses {
            let (bytes, packets) = self.engine.port_depth(egress, ingress);
            queued.bytes += bytes;
            queued.packets += packets;
        }
        queued
    }

    /// The last words: what is still queued is lost under its name.
    pub(super) fn finish(&mut self) {
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

fn port_snapshot<P: Port>(id: PortId, lane: &mut Lane<P>) -> PortSnapshot {
    PortSnapshot {
        id,
        stats: lane.port.stats(),
        losses: lane.losses,
        copies: lane.copies,
        rx_waiting: lane.port.rx_waiting() as u64,
        tx_outstanding: lane.port.tx_outstanding() as u64,
    }
}
