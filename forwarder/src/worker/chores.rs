//! Work that is not done for every frame: commands, ports that leave, counters.
//!
//! Invariant: a port that is to be returned is handed over once the kernel has completed what it was given,
//! or after a bounded time. It is never handed over while the worker still queues for it.

use std::sync::mpsc::TryRecvError;
use std::thread::Thread;

use tokio::sync::oneshot;
use weir_abi::door::CHARGE_AHEAD_NS;
use weir_core::{Engine, PortId, PortSettings, Reason, broken, invariant};
use weir_port::{Packet, Port, clock_monotonic_ns};

use super::gathering::{Gathering, Room};
use super::handle::{Change, Taken};
use super::lanes::{BURST, RING_BURSTS};
use super::snapshot::port_snapshot;
use super::switching::Fate;
use super::{Leaving, Worker};

/// How long a leaving port may wait for the kernel to complete what it was given.
const LEAVING_NS: u64 = 20_000_000;

impl<P: Port> Worker<P> {
    /// Does the work that is not done for every frame.
    pub(super) fn chores(&mut self, now_ns: u64) {
        // The heartbeat comes first, since ports that leave still send.
        if self.heart.is_due(now_ns) {
            self.heartbeat_or_recover(now_ns);
        }
        self.report_broken();
        self.measure.chores(now_ns);
        if let Some(gathering) = &mut self.gathering {
            gathering.chores(now_ns, self.lanes.all());
        }
        self.open_doors(now_ns);
        self.spread_spares();
        self.return_leaving_ports(now_ns);
        loop {
            match self.inbox.try_recv() {
                Ok(command) => command(self, now_ns),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.running = false;
                    break;
                }
            }
        }
    }

    /// Logs that an invariant was found broken since the last time.
    fn report_broken(&mut self) {
        let broken = invariant::of_this_thread();
        if broken.count != self.broken_reported {
            self.broken_reported = broken.count;
            let (core, count, last) = (self.core, broken.count, broken.last);
            tracing::error!(core, count, "a bug in weir, please report it: {last}");
        }
    }

    /// Takes frames from this ring from now on, which ports share.
    pub(super) fn share_ring(&mut self, mut port: P, clearing: Option<Thread>) {
        port.refill(&mut self.pool);
        let (taken, given_back) = (self.heart.words.clone(), self.measure.home.clone());
        let room = Room::new(taken, given_back, self.peers.index);
        self.gathering = Some(Gathering::new(port, room, clearing));
    }

    pub(super) fn add_remote(
        &mut self,
        id: PortId,
        settings: PortSettings,
        home: usize,
        now_ns: u64,
    ) {
        let settings = PortSettings { remote: true, ..settings };
        let added = self.engine.add_port(now_ns, id, &settings);
        invariant!(added, "a port of another worker was added in a slot that is taken");
        if added {
            self.measure.add_port(id);
            self.remotes.worker.insert(id, home);
        }
    }

    pub(super) fn remove_remote(&mut self, id: PortId, why: Reason, now_ns: u64) {
        if self.remotes.worker_of(id).is_some() {
            self.drop_port(now_ns, id, why);
            self.remotes.worker.remove(id);
        }
    }

    pub(super) fn add(&mut self, id: PortId, settings: PortSettings, mut port: P, now_ns: u64) {
        port.refill(&mut self.pool);
        if !self.engine.add_port(now_ns, id, &settings) {
            // The slot keeps the port that was there.
            broken!("a port was added in a slot that is taken");
        }
        self.set_doors(id);
        self.measure.add_port(id);
        if let Some(gathering) = &mut self.gathering {
            gathering.room.reset_source(id);
        }
        let receives = port.receives();
        self.lanes.insert(id, port, receives);
    }

    /// Opens the doors through which the gates may send again.
    fn open_doors(&mut self, now_ns: u64) {
        let engine = &mut self.engine;
        self.doors.links.settle_all(|link, bytes| {
            engine.charge_passing(now_ns, link, bytes, CHARGE_AHEAD_NS);
        });
        self.doors.links.chores(
            now_ns,
            engine,
            |engine, link| engine.idle_from(link),
            Engine::occupy,
        );
        let Some(gathering) = &self.gathering else { return };
        // Other workers may still hold packets of a source.
        let look = |engine: &Engine<Packet>, source| {
            gathering.room.is_done(source).then(|| engine.source_due(source))
        };
        self.doors.sources.chores(now_ns, engine, look, Engine::occupy_source);
    }

    fn set_doors(&mut self, id: PortId) {
        self.doors.links.set(id, self.engine.is_shaped(id));
        let settings = self.engine.settings(id);
        self.doors.sources.set(id, settings.is_some_and(|it| it.share.max_rate.is_some()));
    }

    /// Applies new settings, all of them between the same two turns.
    pub(super) fn reshape(&mut self, now_ns: u64, change: &Change) {
        for (id, settings) in &change.ports {
            self.engine.set_port(now_ns, *id, settings);
            if self.lanes.get(*id).is_some() {
                self.set_doors(*id);
            }
        }
        if let Some(scheduler) = change.scheduler {
            self.engine.set_scheduler(now_ns, scheduler);
        }
        self.tell_program();
    }

    /// Returns surplus empty containers to the other workers, which would otherwise have to make new ones.
    fn spread_spares(&mut self) {
        for other in self.peers.others() {
            while let Some(container) = self.engine.surplus() {
                if let Err(container) = self.peers.give_back(other, container) {
                    self.engine.recycle(container);
                    break;
                }
            }
        }
    }

    /// Removes a port from the engine. What was queued from it or for it is lost.
    fn drop_port(&mut self, now_ns: u64, id: PortId, reason: Reason) {
        let engine = &mut self.engine;
        self.peers.forget(id, |handed| engine.taken(handed));
        let mut dropped = self.engine.remove_port(id);
        if let Some(gathering) = &mut self.gathering {
            gathering.take_all(id, &mut dropped);
            gathering.room.publish();
        }
        if self.lanes.get(id).is_some() {
            self.doors.links.set(id, false);
            self.doors.sources.set(id, false);
        }
        self.measure.remove_port(id);
        self.orphan_losses.add(reason, dropped.len() as u64);
        for packet in dropped {
            self.measure.lose(&mut self.pool, now_ns, packet, reason);
        }
        self.tell_program();
    }

    /// Starts removing a port: nothing new is queued for it from here on.
    pub(super) fn take(
        &mut self,
        id: PortId,
        now_ns: u64,
        why: Reason,
        done: oneshot::Sender<Option<Box<Taken<P>>>>,
    ) {
        if self.lanes.get(id).is_none() {
            let _ = done.send(None);
            return;
        }
        // Packets received before the program was detached are still forwarded.
        while self
            .lanes
            .get_mut(id)
            .is_some_and(|lane| lane.port.receive(&mut self.pool, &mut self.burst, BURST) > 0)
        {
            self.end_burst(now_ns, id, Fate::Queued);
        }
        for _ in 0..RING_BURSTS {
            if !self.gather(now_ns) {
                break;
            }
        }
        self.engine.end_of_turn(now_ns);
        self.drop_port(now_ns, id, why);
        self.leaving.push(Leaving { id, until_ns: now_ns + LEAVING_NS, why, done });
        self.return_leaving_ports(now_ns);
    }

    /// Returns the leaving ports that have nothing left in the kernel, or have waited long enough.
    pub(super) fn return_leaving_ports(&mut self, now_ns: u64) {
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
                self.measure.settle(id, lane, now_ns);
                // What the kernel did not take is over for its sources too: they would wait for it for ever.
                self.measure.recall(&mut lane.sent, usize::MAX, now_ns, leaving.why);
            }
            let leaving = self.leaving.swap_remove(at);
            let taken = self.lanes.remove(id).map(|mut lane| {
                lane.losses.add(leaving.why, lane.port.tx_outstanding() as u64);
                let mut last = port_snapshot(&self.engine, &self.doors, id, &mut lane, 0);
                last.tx_outstanding = 0;
                Box::new(Taken { port: lane.port, last })
            });
            let _ = leaving.done.send(taken);
        }
    }

    /// Ends the worker: what is still queued is lost, and counted.
    pub(super) fn finish(&mut self) {
        let now_ns = clock_monotonic_ns();
        for other in self.peers.others() {
            while let Some(container) = self.peers.take_over(other) {
                self.refuse(now_ns, container, Reason::Shutdown);
            }
        }
        for id in self.lanes.all() {
            self.drop_port(now_ns, id, Reason::Shutdown);
        }
    }
}
