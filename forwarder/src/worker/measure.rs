//! Measurements of every packet: its flow, and its times by stage.
//!
//! Invariant: a packet that came in is counted in one row of the flow table or one sum. When the kernel has
//! taken it, its residence is recorded once, and its stages add up to its residence. Nothing here allocates
//! for a packet, except at the first time of each magnitude.
//!
//! The packets of a container nearly always share all stages but the first, so those stages are recorded for
//! a batch of packets at once.

use weir_core::{
    Bin, FlowConfig, FlowRef, FlowRow, FlowSum, FlowTable, MAX_PORTS, PortId, PortSet, Reason,
    Stage, VifLatency,
};
use weir_port::{Packet, Pool};

use super::ended::Ended;
use super::headers::flow_key;
use super::sent::{Sent, Times};

/// Rows of the flow table examined for their age per round of chores.
const AGED_PER_ROUND: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureSettings {
    /// Whether to keep histograms by source and stage.
    pub latency: bool,
    pub flows: FlowConfig,
}

#[derive(Debug)]
pub(super) struct Measure {
    latency: bool,
    /// The recorded times of each source's packets.
    vifs: Box<[Option<Box<VifLatency>>]>,
    /// Sources that are gone, whose records are still to be taken.
    gone: PortSet,
    flows: FlowTable,
    keeps_flows: bool,
    ended: Ended,
}

impl Measure {
    pub(super) fn new(settings: MeasureSettings, ended: Ended) -> Self {
        Self {
            latency: settings.latency,
            vifs: std::iter::repeat_with(|| None).take(MAX_PORTS).collect(),
            gone: PortSet::EMPTY,
            keeps_flows: settings.flows.capacity > 0,
            flows: FlowTable::new(settings.flows),
            ended,
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
        for packet in burst {
            // The clock was read before the turn: a packet that arrived since then counts as taken when it
            // arrived.
            packet.set_taken_ns(now_ns.max(packet.ingress_ns()));
            if !self.keeps_flows {
                continue;
            }
            let (key, tcp_flags) = flow_key(packet, pool.head(packet));
            let hash = packet.flow_hash();
            let flow = self.flows.arrived(now_ns, hash, &key, packet.len(), tcp_flags);
            packet.set_flow(flow.0);
        }
    }

    /// Records a packet from another worker, which has counted it already.
    #[inline]
    pub(super) fn taken_over(&mut self, now_ns: u64, packet: &mut Packet, pool: &Pool) {
        if self.keeps_flows {
            let (key, _) = flow_key(packet, pool.head(packet));
            packet.set_flow(self.flows.find(now_ns, packet.flow_hash(), &key).0);
        }
    }

    /// A superframe of the source continues as this many packets.
    #[inline]
    pub(super) fn cut(&mut self, source: PortId, pieces: u64) {
        self.ended.expect(source, pieces.saturating_sub(1));
    }

    #[cold]
    pub(super) fn lost(&mut self, packet: &Packet, reason: Reason) {
        self.ended.add(packet.ingress(), 1);
        if self.keeps_flows {
            self.flows.lost(packet.ingress(), FlowRef(packet.flow()), reason);
        }
    }

    /// Records a packet that was handed to a port, taken back from there, and lost.
    #[cold]
    pub(super) fn recalled(&mut self, times: &Times, sent: &Sent, reason: Reason) {
        self.ended.add(times.ingress, 1);
        if self.keeps_flows {
            self.flows.lost(times.ingress, FlowRef(sent.flow), reason);
        }
    }

    /// Records that the kernel has taken these packets, at `after_ns`.
    #[inline]
    pub(super) fn sent(&mut self, times: &Times, packets: &[Sent], after_ns: u64) {
        self.ended.add(times.ingress, packets.len() as u64);
        if !self.latency && !self.keeps_flows {
            return;
        }
        let after_ns = after_ns.max(times.sent_ns);
        let mut vif = match self.vifs.get_mut(times.ingress.index()) {
            Some(Some(vif)) if self.latency => Some(vif),
            _ => None,
        };
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

    pub(super) fn copy_flows(
        &self,
        from: u32,
        latency: bool,
        rows: &mut Vec<FlowRow>,
    ) -> Option<u32> {
        self.flows.copy_rows(from, latency, rows)
    }

    pub(super) fn flow_sums(&self) -> Vec<FlowSum> {
        self.flows.sums()
    }

    pub(super) fn forget_flows(&mut self) {
        self.flows.forget();
    }

    /// Does the work that is not done for every packet.
    pub(super) fn chores(&mut self, now_ns: u64) {
        if self.keeps_flows {
            self.flows.age(now_ns, AGED_PER_ROUND);
        }
    }
}
