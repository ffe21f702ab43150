//! Ports that come and go, and what they leave behind. Cold.
//! Invariant: a pair is live exactly while both its ports are there, and holds nothing otherwise.

use std::fmt;

use super::{Egress, Engine, Pair, PortRole};
use crate::container::Spares;
use crate::sched::{RoundRobin, Scheduler};
use crate::{Container, Packet, PortId, PortSet};

impl<P: Packet> Engine<P> {
    /// Adds a port; `queue_bytes` bounds what packets from it may have waiting for each link. False
    /// when the slot is out of range or taken. Cold.
    pub fn add_port(&mut self, port: PortId, role: PortRole, queue_bytes: u64) -> bool {
        let bounds: Vec<u64> = self
            .egress
            .iter()
            .map(|other| other.as_ref().map_or(0, |other| other.queue_bytes))
            .collect();
        let present = self.ports;
        let Some(slot) = self.egress.get_mut(port.index()).filter(|slot| slot.is_none()) else {
            return false;
        };
        let pair = |(ingress, bound): (usize, u64)| Pair {
            open: None,
            bytes: 0,
            packets: 0,
            bound,
            live: present.contains(PortId(ingress as u16)),
        };
        *slot = Some(Box::new(Egress {
            scheduler: RoundRobin::new(),
            pairs: bounds.into_iter().enumerate().map(pair).collect(),
            role,
            queue_bytes,
        }));
        for other in present {
            if let Some(pair) = pair_mut(&mut self.egress, port, other) {
                pair.live = true;
                pair.bound = queue_bytes;
            }
        }
        self.ports.insert(port);
        self.open.reserve(self.ports.len() * self.ports.len());
        // Whom to flood to has changed, and static entries may point here already.
        self.fdb.invalidate();
        true
    }

    /// Takes a port away with all it learned; what waited for it or came from it is returned, in
    /// order per pair, for the caller to account for and free. Cold.
    #[must_use]
    pub fn remove_port(&mut self, port: PortId) -> Vec<P> {
        let mut out = Vec::new();
        if !self.ports.remove(port) {
            return out;
        }
        self.fdb.remove_port(port);
        self.fdb.invalidate();
        self.open.retain(|&(ingress, egress)| ingress != port && egress != port);
        if let Some(mut gone) = self.egress.get_mut(port.index()).and_then(Option::take) {
            while let Some(container) = gone.scheduler.drain() {
                empty(container, &mut out, &mut self.spares);
            }
            for container in gone.pairs.iter_mut().filter_map(|pair| pair.open.take()) {
                empty(container, &mut out, &mut self.spares);
            }
        }
        self.backlogged.remove(port);
        for other in self.ports {
            let Some(egress) = self.egress.get_mut(other.index()).and_then(Option::as_mut) else {
                continue;
            };
            while let Some(container) = egress.scheduler.take(port) {
                empty(container, &mut out, &mut self.spares);
            }
            if let Some(pair) = egress.pairs.get_mut(port.index()) {
                if let Some(container) = pair.open.take() {
                    empty(container, &mut out, &mut self.spares);
                }
                *pair = Pair { open: None, bytes: 0, packets: 0, bound: 0, live: false };
            }
            if egress.scheduler.backlog_packets() == 0 {
                self.backlogged.remove(other);
            }
        }
        self.held_packets -= out.len() as u64;
        self.held_bytes -= out.iter().map(|packet| u64::from(packet.len())).sum::<u64>();
        out
    }

    /// Everything that is held, for a forwarder that stops. The ports stay. Cold.
    #[must_use]
    pub fn drain(&mut self) -> Vec<P> {
        let mut out = Vec::new();
        for egress in self.egress.iter_mut().flatten() {
            while let Some(container) = egress.scheduler.drain() {
                empty(container, &mut out, &mut self.spares);
            }
            for pair in &mut egress.pairs {
                if let Some(container) = pair.open.take() {
                    empty(container, &mut out, &mut self.spares);
                }
                pair.bytes = 0;
                pair.packets = 0;
            }
        }
        self.open.clear();
        self.backlogged = PortSet::EMPTY;
        self.held_packets = 0;
        self.held_bytes = 0;
        out
    }
}

fn pair_mut<P>(
    egress: &mut [Option<Box<Egress<P>>>],
    ingress: PortId,
    to: PortId,
) -> Option<&mut Pair<P>> {
    egress.get_mut(to.index())?.as_mut()?.pairs.get_mut(ingress.index())
}

fn empty<P: Packet>(mut container: Container<P>, out: &mut Vec<P>, spares: &mut Spares<P>) {
    while let Some(packet) = container.pop() {
        out.push(packet);
    }
    spares.put(container);
}

impl<P: Packet> fmt::Debug for Engine<P> {
    /// The ports, and the pairs where something waits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Engine");
        out.field("ports", &self.ports)
            .field("backlogged", &self.backlogged)
            .field("held_packets", &self.held_packets)
            .field("held_bytes", &self.held_bytes);
        for to in self.ports {
            for from in self.ports {
                let (bytes, packets) = self.port_depth(to, from);
                if packets != 0 {
                    out.field(
                        &format!("{from} -> {to}"),
                        &format_args!("{packets} packets, {bytes} bytes"),
                    );
                }
            }
        }
        out.finish()
    }
}
