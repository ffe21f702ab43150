//! The loop: the worker's actions in a turn. Invariant: a packet is in one receive ring, in the engine, in
//! one device, or counted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::environment::{Device, SimPacket};
use super::source::Running;
use super::{Change, PairReport, Report, Scenario};
use crate::{Caps, ContainerCounts, Engine, EngineConfig, Next, PortId, Reason, invariant};

/// How long the queues may take to empty when the sources have stopped.
const DRAIN_NS: u64 = 1_000_000_000;
/// The most packets taken from one port in a turn.
const BURST: usize = 64;

pub(super) struct World<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) engine: Engine<SimPacket>,
    pub(super) devices: Vec<Device<'a>>,
    pub(super) sources: Vec<Running>,
    /// So far, and without the containers of the ports that are there.
    pub(super) report: Report,
    /// The rows when the phase began.
    pub(super) before: BTreeMap<(usize, usize), PairReport>,
    /// The pairs (from, to) that the program was told to shed.
    pub(super) shed: BTreeSet<(usize, usize)>,
    next_step: usize,
    /// Broken invariants that this thread had found before the run.
    broken_before: u64,
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let device = |(at, spec)| Device::new(spec, at as u64);
        let running = |(at, source): (usize, &super::Source)| Running::new(*source, at as u64);
        let config = EngineConfig { scheduler: scenario.scheduler, ..EngineConfig::default() };
        Self {
            scenario,
            engine: Engine::new(config, Arc::new(Caps::default())),
            devices: scenario.ports.iter().enumerate().map(device).collect(),
            sources: scenario.sources.iter().enumerate().map(running).collect(),
            report: Report {
                name: scenario.name,
                port_names: scenario.ports.iter().map(|port| port.name).collect(),
                span_ns: scenario.span.ns,
                containers: vec![ContainerCounts::default(); scenario.ports.len()],
                ..Report::default()
            },
            before: BTreeMap::new(),
            shed: BTreeSet::new(),
            next_step: 0,
            broken_before: invariant::of_this_thread().count,
        }
    }

    pub(super) fn run(mut self) -> Report {
        let turn_ns = self.scenario.turn.ns.max(1);
        let stop_ns = self.scenario.span.ns;
        let end_ns = stop_ns + DRAIN_NS;
        let mut now = 0;
        while now < stop_ns || (now < end_ns && self.in_flight() != 0) {
            self.faults(now);
            self.steps(now);
            self.transmit(now);
            if now < stop_ns {
                self.generate(now);
            }
            for port in 0..self.devices.len() {
                self.receive(now, port);
            }
            self.engine.end_of_turn(now);
            let (packets, bytes) = (self.engine.held_packets(), self.engine.held_bytes());
            self.report.held_peak_packets = self.report.held_peak_packets.max(packets);
            self.report.held_peak_bytes = self.report.held_peak_bytes.max(bytes);
            self.send(now);
            for (ingress, egress, shed) in self.engine.shed_changes() {
                let way = (ingress.index(), egress.index());
                if shed {
                    self.shed.insert(way)
                } else {
                    self.shed.remove(&way)
                };
            }
            now += turn_ns;
            if now >= stop_ns {
                self.end_phase(stop_ns);
            }
        }
        self.report()
    }

    fn report(mut self) -> Report {
        self.report.in_flight = self.in_flight();
        self.report.broken_invariants = invariant::of_this_thread().count - self.broken_before;
        for (port, counts) in self.report.containers.iter_mut().enumerate() {
            *counts += self.engine.container_stats(PortId(port as u16));
        }
        self.report
    }

    /// Counts packets where they are, so that a packet that vanished shows in the sums.
    fn in_flight(&self) -> u64 {
        let around: usize =
            self.devices.iter().map(|device| device.rx.len() + device.tx.len()).sum();
        around as u64 + self.engine.held_packets()
    }

    /// Counts a packet that was lost before it was offered to the engine.
    pub(super) fn lose_early(&mut self, packet: &SimPacket, reason: Reason) {
        let row = self.report.row_mut(packet);
        row.offered += 1;
        row.losses.add(reason, 1);
    }

    fn steps(&mut self, now: u64) {
        while let Some((at, change)) = self.scenario.steps.get(self.next_step).copied()
            && at.ns <= now
        {
            self.next_step += 1;
            self.end_phase(now);
            match change {
                Change::Port(port, settings) => {
                    // A port that is gone gets its old settings when it returns.
                    let _ = self.engine.set_port(now, PortId(port as u16), &settings);
                }
                Change::Scheduler(settings) => self.engine.set_scheduler(now, settings),
            }
        }
    }

    fn receive(&mut self, now: u64, port: usize) {
        for _ in 0..BURST {
            let packet = self.devices.get_mut(port).and_then(|device| device.rx.pop_front());
            let Some(packet) = packet else { break };
            self.cut(now, PortId(packet.to as u16), packet);
        }
    }

    /// Cuts superframes into pieces where the link requires it; each further piece counts as a copy.
    fn cut(&mut self, now: u64, to: PortId, packet: SimPacket) {
        let most = self.engine.piece_bytes(to).max(1);
        let mut left = packet.len;
        while left > most {
            left -= most;
            self.report.copies += 1;
            self.offer(now, to, SimPacket { len: most, ..packet.clone() });
        }
        self.offer(now, to, SimPacket { len: left, ..packet });
    }

    fn offer(&mut self, now: u64, to: PortId, mut packet: SimPacket) {
        let row = self.report.row_mut(&packet);
        row.offered += 1;
        row.next_seq += 1;
        packet.seq = row.next_seq;
        if let Err((packet, reason)) =
            self.engine.offer(now, PortId(packet.from as u16), to, packet)
        {
            self.report.row_mut(&packet).losses.add(reason, 1);
        }
    }

    fn send(&mut self, now: u64) {
        for egress in self.engine.backlogged() {
            let Some(device) = self.devices.get_mut(egress.index()) else { continue };
            'link: while device.tx.len() < device.spec.device_packets
                && let Next::Container(mut container) = self.engine.next(now, egress)
            {
                while let Some(packet) = container.pop() {
                    if device.tx.len() >= device.spec.device_packets {
                        container.unpop(packet);
                        let returned = self.engine.put_back(now, egress, container);
                        if let Err((container, reason)) = returned {
                            for packet in container.iter() {
                                self.report.row_mut(packet).losses.add(reason, 1);
                            }
                        }
                        break 'link;
                    }
                    let wait_ns = now - packet.arrived_ns;
                    let row = self.report.row_mut(&packet);
                    row.wait_sum_ns += wait_ns;
                    row.wait_max_ns = row.wait_max_ns.max(wait_ns);
                    row.handed_over += 1;
                    device.tx.push_back(packet);
                }
                self.engine.recycle(container);
            }
        }
    }
}
