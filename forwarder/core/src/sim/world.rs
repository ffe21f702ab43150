//! The loop: what the worker does in a turn, with everything around it played.
//! Invariant: a packet is in one receive ring, in the engine, in one device, or counted.

use std::collections::{BTreeMap, VecDeque};

use super::source::{Random, Running};
use super::{Fault, Report, Row, Scenario, SimPort, mac_of};
use crate::{
    Decision, Engine, EngineConfig, Key, Ledger, Losses, Mac, Packet, PortId, Reason, ReleaseReason,
};

/// Packets taken from one port in a turn.
const BURST: usize = 64;

#[derive(Clone, Debug)]
struct SimPacket {
    len: u32,
    arrived_ns: u64,
    from: usize,
    dst: Mac,
    /// Where it goes, once that is decided, and its place in that row.
    to: usize,
    seq: u64,
}

impl Packet for SimPacket {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }
}

struct Device<'a> {
    spec: &'a SimPort,
    present: bool,
    stalled: bool,
    rx: VecDeque<SimPacket>,
    tx: VecDeque<SimPacket>,
    /// When the link will have sent what it is sending.
    free_ns: u64,
    random: Random,
}

pub(super) struct World<'a> {
    scenario: &'a Scenario,
    engine: Engine<SimPacket>,
    devices: Vec<Device<'a>>,
    sources: Vec<Running>,
    rows: BTreeMap<(usize, Option<usize>), Row>,
    ledger: Ledger,
    peak: (u64, u64),
}

impl<'a> World<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let device = |(at, spec): (usize, &'a SimPort)| Device {
            spec,
            present: false,
            stalled: false,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            free_ns: 0,
            random: Random::new(scenario.seed, 1000 + at as u64),
        };
        let running =
            |(at, source): (usize, &super::Source)| Running::new(*source, scenario.seed, at as u64);
        Self {
            scenario,
            engine: Engine::new(EngineConfig {
                container_bytes: scenario.container.bytes as u32,
                fdb_seed: scenario.seed,
                ..EngineConfig::default()
            }),
            devices: scenario.ports.iter().enumerate().map(device).collect(),
            sources: scenario.sources.iter().enumerate().map(running).collect(),
            rows: BTreeMap::new(),
            ledger: Ledger::default(),
            peak: (0, 0),
        }
    }

    pub(super) fn run(mut self) -> Report {
        let turn_ns = self.scenario.turn.ns.max(1);
        let stop_ns = self.scenario.span.ns;
        let end_ns = stop_ns + self.scenario.drain.ns;
        let mut now = 0;
        while now < stop_ns || (now < end_ns && self.in_flight() != 0) {
            self.faults(now);
            self.transmit(now);
            if now < stop_ns {
                self.generate(now);
            }
            for port in 0..self.devices.len() {
                self.receive(now, port);
            }
            self.peak.0 = self.peak.0.max(self.engine.held_packets());
            self.peak.1 = self.peak.1.max(self.engine.held_bytes());
            self.send(now);
            now += turn_ns;
        }
        self.ledger.in_flight = self.in_flight();
        for row in self.rows.values() {
            self.ledger.delivered += row.delivered;
            self.ledger.lost.merge(&row.losses);
        }
        let released = |&reason: &ReleaseReason| (reason, self.engine.released(reason));
        Report {
            name: self.scenario.name,
            port_names: self.scenario.ports.iter().map(|port| port.name).collect(),
            ledger: self.ledger,
            span_ns: stop_ns,
            held_peak_packets: self.peak.0,
            held_peak_bytes: self.peak.1,
            releases: ReleaseReason::ALL.iter().map(released).filter(|(_, n)| *n != 0).collect(),
            rows: self.rows,
        }
    }

    /// Counted where they are, so that a packet that vanished shows in the ledger.
    fn in_flight(&self) -> u64 {
        let around: usize =
            self.devices.iter().map(|device| device.rx.len() + device.tx.len()).sum();
        around as u64 + self.engine.held_packets()
    }

    fn losses(&mut self, from: usize, to: Option<usize>) -> &mut Losses {
        &mut self.rows.entry((from, to)).or_default().losses
    }

    fn faults(&mut self, now: u64) {
        for at in 0..self.devices.len() {
            let within = |from: u64, to: u64| (from..to).contains(&now);
            let (mut gone, mut stalled) = (false, false);
            for fault in &self.scenario.faults {
                match *fault {
                    Fault::Gone { port, from, to } if port == at => gone |= within(from.ns, to.ns),
                    Fault::Stalled { port, from, to } if port == at => {
                        stalled |= within(from.ns, to.ns);
                    }
                    _ => {}
                }
            }
            let Some(device) = self.devices.get_mut(at) else { continue };
            device.stalled = stalled;
            if gone && device.present {
                device.present = false;
                let received: Vec<_> = device.rx.drain(..).collect();
                let waiting: Vec<_> = device.tx.drain(..).collect();
                for packet in received {
                    self.losses(packet.from, None).add(Reason::PortGone, 1);
                }
                for packet in waiting.into_iter().chain(self.engine.remove_port(PortId(at as u16)))
                {
                    self.losses(packet.from, Some(packet.to)).add(Reason::PortGone, 1);
                }
            } else if !gone && !device.present {
                device.present = true;
                device.free_ns = now;
                let port = PortId(at as u16);
                if self.engine.add_port(port, device.spec.role, device.spec.queue.bytes) {
                    // A machine that comes up announces itself, as ARP does.
                    let hello = Key { dst: Mac::BROADCAST, src: mac_of(at), vlan: 0 };
                    let _ = self.engine.decide(now, port, &hello);
                }
            }
        }
    }

    fn generate(&mut self, now: u64) {
        let Self { devices, sources, rows, ledger, .. } = self;
        for running in sources {
            let from = running.source.from;
            let Some(device) = devices.get_mut(from) else { continue };
            let room = device.spec.rx_packets.saturating_sub(device.rx.len());
            running.due(now, room, |running, at_ns| {
                // A machine that is gone sends nothing; its clock goes on.
                if !device.present {
                    return;
                }
                let dst = running.source.to.mac();
                let packet =
                    SimPacket { len: running.size(), arrived_ns: at_ns, from, dst, to: 0, seq: 0 };
                ledger.received += 1;
                if device.rx.len() < device.spec.rx_packets {
                    device.rx.push_back(packet);
                } else {
                    rows.entry((from, None)).or_default().losses.add(Reason::RxRingFull, 1);
                }
            });
        }
    }

    fn receive(&mut self, now: u64, port: usize) {
        for _ in 0..BURST {
            let packet = self.devices.get_mut(port).and_then(|device| device.rx.pop_front());
            let Some(packet) = packet else { break };
            let key = Key { dst: packet.dst, src: mac_of(port), vlan: 0 };
            match self.engine.decide(now, PortId(port as u16), &key) {
                Decision::To(to) => self.offer(now, to, packet),
                Decision::Drop(reason) => self.losses(port, None).add(reason, 1),
                Decision::Flood(to) => {
                    self.ledger.copies += to.len() as u64 - 1;
                    for to in to {
                        self.offer(now, to, packet.clone());
                    }
                }
            }
        }
        self.engine.end_of_burst(now);
    }

    fn offer(&mut self, now: u64, to: PortId, mut packet: SimPacket) {
        let row = self.rows.entry((packet.from, Some(to.index()))).or_default();
        row.offered += 1;
        row.next_seq += 1;
        packet.to = to.index();
        packet.seq = row.next_seq;
        if let Err((packet, reason)) =
            self.engine.offer(now, PortId(packet.from as u16), to, packet)
        {
            self.losses(packet.from, Some(packet.to)).add(reason, 1);
        }
    }

    fn send(&mut self, now: u64) {
        for egress in self.engine.backlogged() {
            let Some(device) = self.devices.get_mut(egress.index()) else { continue };
            'link: while let Some(mut container) = self.engine.next(now, egress) {
                while let Some(packet) = container.pop() {
                    if device.tx.len() >= device.spec.device_packets {
                        container.unpop(packet);
                        if let Err((container, reason)) = self.engine.put_back(egress, container) {
                            for packet in container.iter() {
                                let row = self.rows.entry((packet.from, Some(packet.to)));
                                row.or_default().losses.add(reason, 1);
                            }
                        }
                        break 'link;
                    }
                    let wait_ns = now - packet.arrived_ns;
                    let row = self.rows.entry((packet.from, Some(packet.to))).or_default();
                    row.wait_sum_ns += wait_ns;
                    row.wait_max_ns = row.wait_max_ns.max(wait_ns);
                    row.handed_over += 1;
                    device.tx.push_back(packet);
                }
                self.engine.recycle(container);
            }
        }
    }

    fn transmit(&mut self, now: u64) {
        for device in self.devices.iter_mut().filter(|device| device.present) {
            if device.stalled {
                device.free_ns = now;
                continue;
            }
            while let Some(packet) = device.tx.front() {
                let on_link_ns = device.spec.rate.map_or(0, |rate| rate.time_ns(packet.len.into()));
                let sent_ns = device.free_ns.saturating_add(on_link_ns);
                if sent_ns > now {
                    break;
                }
                device.free_ns = sent_ns;
                let Some(packet) = device.tx.pop_front() else { break };
                let row = self.rows.entry((packet.from, Some(packet.to))).or_default();
                if device.random.below(1_000_000) < u64::from(device.spec.device_drops_ppm) {
                    row.losses.add(Reason::TxBusy, 1);
                    continue;
                }
                row.delivered += 1;
                if now < self.scenario.span.ns {
                    row.bytes_in_span += u64::from(packet.len);
                }
                if packet.seq <= row.last_seq {
                    row.misordered += 1;
                }
                row.last_seq = row.last_seq.max(packet.seq);
            }
            if device.tx.is_empty() {
                // What is handed over later cannot have begun earlier.
                device.free_ns = device.free_ns.max(now);
            }
        }
    }
}
