//! The loop: receive from every ring, queue, and send to every port that has something to send.
//!
//! Invariant: a packet that leaves `receive` ends in exactly one place: handed to a port, held by the engine,
//! or released and counted under a reason. All packets of a turn get the time that was read before it.
//! Further readings of the clock only bound the worker's own time and account for it.

use std::sync::atomic::Ordering::Relaxed;

use weir_abi::door::CHARGE_AHEAD_NS;
use weir_core::{Amount, broken};
use weir_port::{Kick, Port, clock_monotonic_ns};

use super::Worker;
use super::idle::{Gaps, Moment, NAP_NS, Wait, wait};
use super::regimes::Regime;
use super::sleep::CHORES_EVERY_NS;
use super::switching::{Fate, Outlet, drain};

/// How soon to check again whether frames that went by the bridge have been delivered.
const HELD_LOOK_NS: u64 = 20_000;

impl<P: Port> Worker<P> {
    /// Runs until told to stop.
    pub fn run(&mut self) {
        let mut now_ns = clock_monotonic_ns();
        let mut chores_at_ns = now_ns;
        let mut busy_at_ns = now_ns;
        let mut gaps = Gaps::new();
        // Whether the worker looked for a frame, and slept, since the last one.
        let (mut looked, mut slept) = (false, false);
        while self.running {
            if now_ns >= chores_at_ns {
                self.chores(now_ns);
                chores_at_ns = now_ns + CHORES_EVERY_NS;
            }
            let progress = self.turn(now_ns);
            let before_ns = now_ns;
            now_ns = clock_monotonic_ns();
            self.settle(now_ns);
            let pending = self.device_pushes_back();
            let regime = match (progress, pending) {
                (true, _) => Regime::Busy,
                (false, true) => Regime::BackPressured,
                (false, false) => Regime::Idle,
            };
            self.regimes.charge(regime, self.work.is_limit(), now_ns);
            if progress {
                if looked {
                    gaps.came(before_ns.saturating_sub(busy_at_ns), slept);
                    (looked, slept) = (false, false);
                }
                busy_at_ns = now_ns;
                continue;
            }
            looked = true;
            let moment = Moment {
                idle_for_ns: before_ns.saturating_sub(busy_at_ns),
                look_ns: gaps.look_ns(),
                tx_pending: pending,
                due_in_ns: self.due_ns.map(|due_ns| due_ns.saturating_sub(now_ns)),
                link_in_ns: self.link_ns.map(|due_ns| due_ns.saturating_sub(now_ns)),
                chores_in_ns: self.chore_gap(),
            };
            match wait(self.idle, moment) {
                Wait::Again => std::hint::spin_loop(),
                Wait::Nap => {
                    std::thread::sleep(std::time::Duration::from_nanos(NAP_NS));
                    now_ns = clock_monotonic_ns();
                    self.regimes.charge(Regime::BackPressured, false, now_ns);
                }
                Wait::Readable { at_most_ns } => {
                    self.sleep(at_most_ns);
                    slept = true;
                    now_ns = clock_monotonic_ns();
                    self.regimes.charge(Regime::Idle, false, now_ns);
                    // The thread that woke this one may have sent a command.
                    chores_at_ns = now_ns;
                }
            }
        }
        self.finish();
    }

    /// Runs one round over the ports that have something to do. Returns true if any frame moved.
    pub fn turn(&mut self, now_ns: u64) -> bool {
        let mut progress = false;
        if self.heart.is_due(now_ns) {
            self.heartbeat_or_recover(now_ns);
        }
        if !self.peers.is_alone() {
            // The receive rings are filled next, and may need these frames.
            self.peers.collect_freed_frames(&mut self.pool);
            let engine = &mut self.engine;
            self.peers.each_taken(|handed| engine.taken(handed));
            progress = self.take_over(now_ns);
        }
        progress |= self.reap();
        let mut busy_ports = 0;
        let most = self.work.intake_of_one().map_or(usize::MAX, Amount::packets);
        for nth in 0..self.lanes.receiving() {
            let Some(id) = self.lanes.nth(nth) else { continue };
            let Some(lane) = self.lanes.get_mut(id) else {
                broken!("a port that receives is not served");
                continue;
            };
            progress |= lane.port.complete(&mut self.pool) > 0;
            lane.port.refill(&mut self.pool);
            let budget = lane.budget.min(most);
            if lane.port.receive(&mut self.pool, &mut self.burst, budget) > 0 {
                progress = true;
                busy_ports += 1;
                self.end_burst(now_ns, id, Fate::Queued);
            }
        }
        if self.gathering.is_some() {
            progress |= self.gather(now_ns);
        }
        if self.holds() {
            progress |= self.release_held(now_ns);
        }
        self.busy_ports = busy_ports;
        self.engine.end_of_turn(now_ns);
        progress |= self.send_backlog(now_ns);
        self.tell_program();
        if !self.peers.is_alone() {
            self.peers.return_freed_frames(&mut self.pool);
            self.peers.ring_bells();
        }
        self.lanes.rotate();
        progress
    }

    /// Frees what the ports that only send have sent. Ports with nothing more on their way are no longer
    /// tended.
    fn reap(&mut self) -> bool {
        let mut progress = false;
        for id in self.lanes.tended() {
            let Some(lane) = self.lanes.get_mut(id).filter(|lane| !lane.port.receives()) else {
                continue;
            };
            progress |= lane.port.complete(&mut self.pool) > 0;
            if lane.is_at_rest() && !self.engine.backlogged().contains(id) {
                self.lanes.untend(id);
            }
        }
        progress
    }

    /// Sends what is queued, as far as rates and devices allow. Returns true if anything was taken.
    fn send_backlog(&mut self, now_ns: u64) -> bool {
        let mut progress = false;
        self.due_ns = self.engine.wakes_at();
        self.link_ns = None;
        if self.holds() {
            // Delivery by the bridge wakes no worker.
            self.due_ns = earlier(self.due_ns, Some(now_ns + HELD_LOOK_NS));
        }
        let mut late = false;
        let Self {
            engine,
            pool,
            lanes,
            peers,
            remotes,
            due_ns,
            link_ns,
            measure,
            heart,
            doors,
            work,
            ..
        } = self;
        let waiting = engine.backlogged();
        work.begin(waiting, |egress| engine.waiting_weight(egress));
        let mut clock_ns = if waiting.is_empty() { 0 } else { heart.now_ns() };
        for egress in waiting.iter() {
            lanes.tend(egress);
            doors.links.settle(egress, |bytes| {
                engine.charge_passing(now_ns, egress, bytes, CHARGE_AHEAD_NS);
            });
            let Some(lane) = lanes.get_mut(egress) else {
                let with = (&mut *measure, &*heart);
                let handed = remotes.hand_over(engine, pool, peers, with, now_ns, egress);
                progress |= handed.taken;
                late |= handed.late;
                if late {
                    break;
                }
                if engine.backlogged().contains(egress) {
                    // The ring is full, and nothing wakes the worker when it no longer is: look again soon.
                    *due_ns = Some(now_ns);
                }
                continue;
            };
            let room = work.room(egress);
            if room == Amount::default() {
                // The link has had more than its part, and even trying to send would be charged to it.
                if !engine.is_at_rate(now_ns, egress) {
                    work.is_short();
                }
                *due_ns = Some(now_ns);
                continue;
            }
            let mut outlet = Outlet { pool, lane, measure, heart, now_ns, egress, room };
            let drained = drain(engine, &mut outlet, |engine, container| {
                remotes.recycle(engine, peers, container);
            });
            progress |= drained.taken;
            *link_ns = earlier(*link_ns, drained.not_before_ns);
            late |= drained.late;
            if late {
                break;
            }
            work.sent(egress, drained.amount);
            work.took(egress, heart.lap(&mut clock_ns));
            if drained.amount >= room
                && engine.backlogged().contains(egress)
                && !engine.is_at_rate(now_ns, egress)
            {
                work.is_short();
                *due_ns = Some(now_ns);
            }
        }
        self.due_ns = earlier(self.due_ns, self.link_ns);
        let until_ns = self.heart.until_ns();
        for id in self.lanes.tended() {
            let Some(lane) = self.lanes.get_mut(id) else {
                broken!("a port that is not served has something under way");
                continue;
            };
            late |= lane.port.tx_waiting() > 0 && self.heart.is_late();
            if late {
                break;
            }
            match lane.port.kick_until(&mut self.pool, until_ns) {
                Kick::Idle => lane.refused = false,
                Kick::Progress(_) => {
                    lane.refused = false;
                    progress = true;
                    self.work.took(id, self.heart.lap(&mut clock_ns));
                }
                Kick::Again | Kick::Down => lane.refused = true,
            }
        }
        for egress in waiting.iter() {
            self.work.end(egress);
        }
        if late {
            self.heartbeat_or_recover(self.heart.now_ns());
        }
        progress | late
    }

    /// Records the times of what was sent in this turn, now that the kernel has taken it.
    #[inline]
    pub(super) fn settle(&mut self, after_ns: u64) {
        for id in self.lanes.tended() {
            if let Some(lane) = self.lanes.get_mut(id) {
                self.measure.settle(id, lane, after_ns);
            }
        }
    }

    /// Tells the program which sources' frames to drop, and which no longer.
    #[inline]
    pub(super) fn tell_program(&mut self) {
        let Self { engine, shed, .. } = self;
        for (ingress, egress, on) in engine.shed_changes() {
            let cell = weir_abi::shed::cell(ingress.0, egress.0);
            let Some((cell, bit)) = cell.and_then(|(word, bit)| Some((shed.get(word)?, bit)))
            else {
                broken!("there is no shed bit for a pair");
                continue;
            };
            if on {
                cell.fetch_or(bit, Relaxed);
            } else {
                cell.fetch_and(!bit, Relaxed);
            }
        }
    }
}

/// The earlier of two optional times.
#[inline]
fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}
