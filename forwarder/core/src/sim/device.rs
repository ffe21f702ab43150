//! What is around the engine: machines that send, devices that take, and what happens to both.
//! Invariant: every packet that is made is counted as received, whatever becomes of it.

use std::collections::VecDeque;

use super::source::{Pattern, Random};
use super::world::{World, plus};
use super::{Fault, SimPort};
use crate::{Packet, PortId, Reason};

#[derive(Clone, Debug)]
pub(super) struct SimPacket {
    pub(super) len: u32,
    pub(super) arrived_ns: u64,
    pub(super) from: usize,
    pub(super) to: usize,
    /// Its place among those of this way.
    pub(super) seq: u64,
    /// Which source made it, or asked for it.
    pub(super) source: usize,
    pub(super) leg: Leg,
}

/// What is expected of whom it reaches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leg {
    Only,
    /// To be answered with so many bytes.
    Request {
        answer: u32,
    },
    Answer,
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
    present: bool,
    stalled: bool,
    pub(super) rx: VecDeque<SimPacket>,
    pub(super) tx: VecDeque<SimPacket>,
    /// When the link will have sent what it is sending.
    free_ns: u64,
    random: Random,
}

impl<'a> Device<'a> {
    pub(super) fn new(spec: &'a SimPort, seed: u64, stream: u64) -> Self {
        Self {
            spec,
            present: false,
            stalled: false,
            rx: VecDeque::new(),
            tx: VecDeque::new(),
            free_ns: 0,
            random: Random::new(seed, 1000 + stream),
        }
    }

    /// The next packet that its link has sent by `now`, with the time.
    fn sent(&mut self, now: u64) -> Option<(u64, SimPacket)> {
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
            self.losses(&packet).add(Reason::PortGone, 1);
        }
    }

    fn plug(&mut self, now: u64, at: usize) {
        let Some(device) = self.devices.get_mut(at) else { return };
        device.present = true;
        device.free_ns = now;
        let port = PortId(at as u16);
        let past = self.engine.container_stats(port);
        if self.engine.add_port(now, port, &device.spec.settings)
            && let Some(sum) = self.past.get_mut(at)
        {
            *sum = plus(sum, &past);
        }
    }

    pub(super) fn generate(&mut self, now: u64) {
        let Self { devices, sources, rows, ledger, phases, shed, .. } = self;
        for (nth, running) in sources.iter_mut().enumerate() {
            let from = running.source.from;
            let Some(device) = devices.get_mut(from) else { continue };
            let room = device.spec.rx_packets.saturating_sub(device.rx.len());
            running.due(now, room, |running, at_ns| {
                // A machine that is gone sends nothing; its clock goes on.
                if !device.present {
                    return;
                }
                let to = running.source.to;
                let leg = match running.source.pattern {
                    Pattern::Requests { answer, .. } => Leg::Request { answer },
                    _ => Leg::Only,
                };
                let len = running.size();
                ledger.received += 1;
                phases.now.entry((from, to)).or_default().generated += u64::from(len);
                let lost = if shed.contains(&(from, to)) {
                    Reason::Shed
                } else if device.rx.len() >= device.spec.rx_packets {
                    Reason::RxRingFull
                } else {
                    let packet =
                        SimPacket { len, arrived_ns: at_ns, from, to, seq: 0, source: nth, leg };
                    return device.rx.push_back(packet);
                };
                let row = rows.entry((from, to)).or_default();
                row.offered += 1;
                row.losses.add(lost, 1);
            });
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
                let row = self.rows.entry((packet.from, packet.to)).or_default();
                if dropped {
                    row.losses.add(Reason::TxBusy, 1);
                    continue;
                }
                row.delivered += 1;
                if now < self.scenario.span.ns {
                    let bytes = u64::from(packet.len);
                    row.bytes_in_span += bytes;
                    let way = (packet.from, packet.to);
                    self.phases.now.entry(way).or_default().delivered += bytes;
                }
                if packet.seq <= row.last_seq {
                    row.misordered += 1;
                }
                row.last_seq = row.last_seq.max(packet.seq);
                self.arrived(sent_ns, &packet);
            }
            if let Some(device) = self.devices.get_mut(at).filter(|device| device.tx.is_empty()) {
                // What is handed over later cannot have begun earlier.
                device.free_ns = device.free_ns.max(now);
            }
        }
    }
}
