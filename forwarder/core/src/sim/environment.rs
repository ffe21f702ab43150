//! The surroundings of the engine: machines that send, devices that take packets, and faults of both.
//! Invariants: every packet that is made is counted as received, whatever becomes of it; packets leave a
//! device at its rate, in the order in which they were handed to it.

use std::collections::VecDeque;

use super::source::{Pattern, Random, SEED, Source};
use super::world::World;
use super::{Fault, SimPort};
use crate::{Packet, PortId, Reason};

#[derive(Clone, Debug)]
pub(super) struct SimPacket {
    pub(super) len: u32,
    pub(super) arrived_ns: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    /// Its sequence number within its pair.
    pub(super) seq: u64,
    /// The source that made it, or that requested it.
    pub(super) source: usize,
}

impl Packet for SimPacket {
    fn len(&self) -> u32 {
        self.len
    }
    fn arrived_ns(&self) -> u64 {
        self.arrived_ns
    }
}

pub(super) struct Device<'a> {
    pub(super) spec: &'a SimPort,
    pub(super) present: bool,
    pub(super) stalled: bool,
    pub(super) rx: VecDeque<SimPacket>,
    pub(super) tx: VecDeque<SimPacket>,
    /// When the link will have sent the current packet.
    pub(super) free_ns: u64,
    pub(super) random: Random,
}

impl<'a> Device<'a> {
    pub(super) fn new(spec: &'a SimPort, stream: u64) -> Self {
        Self {
            spec,
            present: false,
            stalled: false,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            free_ns: 0,
            random: Random::new(SEED, 1000 + stream),
        }
    }

    /// The next packet that the link has sent by `now`, with its time.
    pub(super) fn sent(&mut self, now: u64) -> Option<(u64, SimPacket)> {
        let packet = self.tx.front()?;
        let on_link_ns = self.spec.device_rate.map_or(0, |rate| rate.time_ns(packet.len.into()));
        let sent_ns = self.free_ns.saturating_add(on_link_ns);
        if sent_ns > now {
            return None;
        }
        self.free_ns = sent_ns;
        self.tx.pop_front().map(|packet| (sent_ns, packet))
    }
}

impl World<'_> {
    pub(super) fn faults(&mut self, now: u64) {
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
                self.unplug(at);
            } else if !gone && !device.present {
                self.plug(now, at);
            }
        }
    }

    fn unplug(&mut self, at: usize) {
        let Some(device) = self.devices.get_mut(at) else { return };
        device.present = false;
        let received: Vec<_> = device.rx.drain(..).collect();
        let waiting: Vec<_> = device.tx.drain(..).collect();
        for packet in received {
            self.lose_early(&packet, Reason::PortGone);
        }
        for packet in waiting.into_iter().chain(self.engine.remove_port(PortId(at as u16))) {
            self.report.row_mut(&packet).losses.add(Reason::PortGone, 1);
        }
    }

    fn plug(&mut self, now: u64, at: usize) {
        let Some(device) = self.devices.get_mut(at) else { return };
        device.present = true;
        device.free_ns = now;
        let port = PortId(at as u16);
        let past = self.engine.container_stats(port);
        if self.engine.add_port(now, port, &device.spec.settings)
            && let Some(sum) = self.report.containers.get_mut(at)
        {
            *sum += past;
        }
    }

    pub(super) fn generate(&mut self, now: u64) {
        let mut sources = std::mem::take(&mut self.sources);
        for (source, running) in sources.iter_mut().enumerate() {
            let Source { from, to, .. } = running.source;
            let Some(device) = self.devices.get(from) else { continue };
            let present = device.present;
            let room = device.spec.rx_packets.saturating_sub(device.rx.len());
            running.due(now, room, |running, arrived_ns| {
                // A machine that is gone sends nothing, but its clock goes on.
                if !present {
                    return;
                }
                let packet =
                    SimPacket { len: running.size(), arrived_ns, from, to, seq: 0, source };
                self.report.row_mut(&packet).generated_bytes += u64::from(packet.len);
                if self.shed.contains(&(from, to)) {
                    self.report.received += 1;
                    self.lose_early(&packet, Reason::Shed);
                } else {
                    self.enter(packet);
                }
            });
        }
        self.sources = sources;
    }

    /// A packet comes to the receive ring of its port.
    fn enter(&mut self, packet: SimPacket) {
        self.report.received += 1;
        match self.devices.get_mut(packet.from) {
            Some(device) if device.rx.len() < device.spec.rx_packets => device.rx.push_back(packet),
            _ => self.lose_early(&packet, Reason::RxRingFull),
        }
    }

    pub(super) fn transmit(&mut self, now: u64) {
        for at in 0..self.devices.len() {
            let Some(device) = self.devices.get_mut(at).filter(|device| device.present) else {
                continue;
            };
            if device.stalled {
                device.free_ns = now;
                continue;
            }
            while let Some(device) = self.devices.get_mut(at)
                && let Some((sent_ns, packet)) = device.sent(now)
            {
                let dropped = device.random.below(1_000_000) < device.spec.device_drops_ppm.into();
                let row = self.report.row_mut(&packet);
                if dropped {
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
                self.respond(sent_ns, &packet);
            }
            if let Some(device) = self.devices.get_mut(at).filter(|device| device.tx.is_empty()) {
                // A packet handed over later cannot have been sent earlier.
                device.free_ns = device.free_ns.max(now);
            }
        }
    }

    /// The response of the machine behind the port to a packet that reached it.
    fn respond(&mut self, at_ns: u64, packet: &SimPacket) {
        let Some(running) = self.sources.get_mut(packet.source) else { return };
        let Pattern::Requests { answer, think } = running.source.pattern else { return };
        if packet.to == running.source.from {
            return running.wait(at_ns, think);
        }
        let (from, to, source) = (packet.to, packet.from, packet.source);
        self.enter(SimPacket { len: answer, arrived_ns: at_ns, from, to, seq: 0, source });
    }
}
