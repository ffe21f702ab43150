//! The surroundings of the engine: machines that send, devices that take packets, and faults of both.
//! Invariant: every packet that is made is counted as received, whatever becomes of it.

use super::Fault;
use super::device::{Leg, SimPacket};
use super::source::Pattern;
use super::world::World;
use crate::{PortId, Reason};

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
            *sum += past;
        }
    }

    pub(super) fn generate(&mut self, now: u64) {
        let Self { devices, sources, rows, received, phases, shed, .. } = self;
        for (nth, running) in sources.iter_mut().enumerate() {
            let from = running.source.from;
            let Some(device) = devices.get_mut(from) else { continue };
            let room = device.spec.rx_packets.saturating_sub(device.rx.len());
            running.due(now, room, |running, at_ns| {
                // A machine that is gone sends nothing, but its clock goes on.
                if !device.present {
                    return;
                }
                let to = running.source.to;
                let leg = match running.source.pattern {
                    Pattern::Requests { answer, .. } => Leg::Request { answer },
                    _ => Leg::Only,
                };
                let len = running.size();
                *received += 1;
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
                // A packet handed over later cannot have been sent earlier.
                device.free_ns = device.free_ns.max(now);
            }
        }
    }

    /// The response of the machine behind the port to a packet that reached it.
    fn arrived(&mut self, at_ns: u64, packet: &SimPacket) {
        let source = packet.source;
        match packet.leg {
            Leg::Only => {}
            Leg::Request { answer } => {
                let Some(device) = self.devices.get_mut(packet.to) else { return };
                self.received += 1;
                let answer = SimPacket {
                    len: answer,
                    arrived_ns: at_ns,
                    from: packet.to,
                    to: packet.from,
                    seq: 0,
                    source,
                    leg: Leg::Answer,
                };
                if device.rx.len() < device.spec.rx_packets {
                    device.rx.push_back(answer);
                } else {
                    self.lose_early(&answer, Reason::RxRingFull);
                }
            }
            Leg::Answer => {
                if let Some(running) = self.sources.get_mut(source) {
                    running.answered(at_ns);
                }
            }
        }
    }
}
