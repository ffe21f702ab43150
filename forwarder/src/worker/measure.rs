//! Measurements of every packet: its flow, its times by stage, its events for a watcher, and the gate's count
//! of its end.
//!
//! Invariant: a packet that came in is counted in one row of the flow table or one sum. When the kernel has
//! taken it, its residence is recorded once, and its stages add up to its residence. Nothing here allocates
//! for a packet, except at the first time of each magnitude. The gate's count of ends never exceeds the frames
//! that came, and equals them once none is left.
//!
//! The packets of a container nearly always share all stages but the first, so those stages are recorded for
//! a batch of packets at once.

use std::sync::atomic::Ordering;

use weir_abi::gate::home;
use weir_core::{
    Bin, Container, FlowConfig, FlowRef, FlowTable, MAX_PORTS, PortId, PortSet, Reason, Stage,
    VifLatency, broken,
};
use weir_port::{Cells, Packet, Pool, Port};

use super::headers::flow_key;
use super::lanes::Lane;
use super::sent::{Sent, SentLog, Times};
use super::tap::{Step, Watcher};

/// Rows of the flow table examined for their age per round of chores.
const AGED_PER_ROUND: usize = 64;

#[derive(Debug)]
pub(super) struct Measure {
    latency: bool,
    /// The recorded times of each source's packets.
    vifs: Box<[Option<Box<VifLatency>>]>,
    /// Sources that are gone, whose records are still to be taken.
    gone: PortSet,
    pub(super) flows: FlowTable,
    keeps_flows: bool,
    /// The map `GIVEN_BACK`.
    pub(super) home: Cells,
    pub(super) watcher: Option<Box<Watcher>>,
}

impl Measure {
    pub(super) fn new(latency: bool, flows: FlowConfig, home: Cells) -> Self {
        Self {
            latency,
            vifs: std::iter::repeat_with(|| None).take(MAX_PORTS).collect(),
            gone: PortSet::EMPTY,
            keeps_flows: flows.capacity > 0,
            flows: FlowTable::new(flows),
            home,
            watcher: None,
        }
    }

    pub(super) fn add_port(&mut self, id: PortId) {
        if self.latency
            && let Some(vif) = self.vifs.get_mut(id.index())
        {
            vif.get_or_insert_default();
        }
        self.gone.remove(id);
        if self.keeps_flows {
            self.flows.add_port(id);
        }
    }

    /// Marks a source as gone: no more packets come from it.
    pub(super) fn remove_port(&mut self, id: PortId) {
        self.gone.insert(id);
    }

    /// Records packets from a receive ring. The whole burst is processed before anything else is done with
    /// it, so that the memory of one packet is fetched while the previous one is processed.
    #[inline]
    pub(super) fn arrived(&mut self, now_ns: u64, burst: &mut [Packet], pool: &Pool) {
        for packet in &mut *burst {
            // The clock was read before the turn: a packet that arrived since then counts as taken when it
            // arrived.
            packet.taken_ns = now_ns.max(packet.ingress_ns);
            if !self.keeps_flows {
                continue;
            }
            let (key, tcp_flags) = flow_key(packet, pool.head(packet));
            let hash = packet.flow_hash;
            let flow = self.flows.arrived(now_ns, hash, &key, packet.len(), tcp_flags);
            packet.flow = flow.0;
        }
        if let Some(watcher) = &mut self.watcher {
            burst.iter_mut().for_each(|packet| watcher.arrived(packet, pool));
        }
    }

    /// Records a packet from another worker, which has counted it already.
    #[inline]
    pub(super) fn taken_over(&mut self, now_ns: u64, packet: &mut Packet, pool: &Pool) {
        if self.keeps_flows {
            let (key, _) = flow_key(packet, pool.head(packet));
            packet.flow = self.flows.find(now_ns, packet.flow_hash, &key).0;
        }
    }

    /// A superframe of the source continues as this many packets.
    #[inline]
    pub(super) fn cut(&mut self, source: PortId, pieces: u64) {
        // Before any of them ends: that many more will end than came.
        self.ended(source, pieces.saturating_sub(1).wrapping_neg());
    }

    /// Releases a packet that is lost.
    #[cold]
    pub(super) fn lose(&mut self, pool: &mut Pool, now_ns: u64, packet: Packet, reason: Reason) {
        self.lost(packet.ingress, packet.flow, reason);
        if let Some(watcher) = &mut self.watcher {
            watcher.lost(now_ns, &packet, pool, reason);
        }
        pool.release(packet);
    }

    /// Loses the packets of a container that can be neither sent nor kept. Returns their number.
    #[cold]
    pub(super) fn lose_all(
        &mut self,
        pool: &mut Pool,
        now_ns: u64,
        container: &mut Container<Packet>,
        reason: Reason,
    ) -> u64 {
        let lost = container.len() as u64;
        while let Some(packet) = container.pop() {
            self.lose(pool, now_ns, packet, reason);
        }
        lost
    }

    /// Records the loss of the last `count` packets handed to a port, or of all of them, that the kernel has
    /// not taken.
    #[cold]
    pub(super) fn recall(&mut self, log: &mut SentLog, count: usize, now_ns: u64, reason: Reason) {
        log.recall(count, |times, sent| {
            self.lost(times.ingress, sent.flow, reason);
            if sent.mark() != 0
                && let Some(watcher) = &mut self.watcher
            {
                watcher.end(times, sent, now_ns, Step::Lost(reason));
            }
        });
    }

    fn lost(&mut self, source: PortId, flow: u32, reason: Reason) {
        self.ended(source, 1);
        if self.keeps_flows {
            self.flows.lost(source, FlowRef(flow), reason);
        }
    }

    /// Tells the gate that packets of a source were delivered or lost: a source without any on their way may
    /// use the express lane. A packet can end at another worker than the one it came to, so any may add.
    #[inline]
    fn ended(&self, source: PortId, packets: u64) {
        let Some(done) = self.home.word(source.index(), home::DONE) else {
            return broken!("a source has no word for what has come to its end");
        };
        done.fetch_add(packets, Ordering::Release);
    }

    /// Records the times of packets handed to a port, as far as the kernel has taken them at `after_ns`.
    #[inline]
    pub(super) fn settle<P: Port>(&mut self, id: PortId, lane: &mut Lane<P>, after_ns: u64) {
        if lane.sent.is_empty() {
            return;
        }
        lane.sent.settle(lane.port.tx_waiting(), |times, packets| {
            self.sent(times, packets, after_ns);
            if let Some(watcher) = &mut self.watcher {
                for sent in packets.iter().filter(|sent| sent.mark() != 0) {
                    watcher.settled(id, times, sent, after_ns);
                }
            }
        });
    }

    #[inline]
    fn sent(&mut self, times: &Times, packets: &[Sent], after_ns: u64) {
        self.ended(times.ingress, packets.len() as u64);
        if !self.latency && !self.keeps_flows {
            return;
        }
        let after_ns = after_ns.max(times.sent_ns);
        let mut vif = self.vifs.get_mut(times.ingress.index()).and_then(Option::as_mut);
        for sent in packets {
            let residence_ns = after_ns.saturating_sub(sent.ingress_ns);
            let bin = Bin::of(residence_ns);
            if self.keeps_flows {
                let flow = FlowRef(sent.flow);
                self.flows.delivered(times.ingress, flow, sent.len(), residence_ns, bin);
            }
            if let Some(vif) = &mut vif {
                vif.record(Stage::Steer, times.taken_ns.saturating_sub(sent.ingress_ns), 1);
                vif.record_residence(bin);
            }
        }
        if let Some(vif) = vif {
            let count = packets.len() as u64;
            vif.record(Stage::Container, times.released_ns - times.taken_ns, count);
            vif.record(Stage::Queue, times.sent_ns - times.released_ns, count);
            vif.record(Stage::Tx, after_ns - times.sent_ns, count);
        }
    }

    /// Returns what was recorded of a source and replaces it by an empty set; a source that is gone does not
    /// need one.
    pub(super) fn swap_latency(&mut self, id: PortId, fresh: Box<VifLatency>) -> Box<VifLatency> {
        match self.vifs.get_mut(id.index()) {
            Some(vif) if self.gone.contains(id) => vif.take().unwrap_or(fresh),
            Some(Some(vif)) => std::mem::replace(vif, fresh),
            _ => fresh,
        }
    }

    /// Does the work that is not done for every packet.
    pub(super) fn chores(&mut self, now_ns: u64) {
        if self.keeps_flows {
            self.flows.age(now_ns, AGED_PER_ROUND);
        }
    }
}
