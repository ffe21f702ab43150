//! What is measured of every packet: its flow, and where its time went.
//!
//! Invariant: a packet that came in is counted in one row of the flow table or one sum, and when
//! the kernel has taken it its residence is recorded once; its stages add up to its residence.
//! Nothing here allocates on a packet's way.
//!
//! Packets of a container share all stages but the first, nearly always, so those are recorded for
//! a run of packets at once.

use weir_core::{
    FlowConfig, FlowRef, FlowRow, FlowSum, FlowTable, MAX_PORTS, PortId, Reason, Stage, VifLatency,
};
use weir_port::{Packet, Pool};

use super::headers::flow_key;
use super::sent::Sent;

/// Rows of the flow table looked at for their age per round of chores.
const AGED_PER_ROUND: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureSettings {
    /// Histograms by source and stage.
    pub latency: bool,
    pub flows: FlowConfig,
}

#[derive(Debug)]
pub(super) struct Measure {
    latency: bool,
    /// By source, where the times of its packets are kept.
    vifs: Box<[Option<Box<VifLatency>>]>,
    run: Run,
    flows: FlowTable,
    keeps_flows: bool,
}

/// Packets one after the other that spent the same time in the same stages.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    ingress: u8,
    packets: u32,
    container_ns: u64,
    queue_ns: u64,
    tx_ns: u64,
}

impl Run {
    #[inline]
    fn is_like(&self, other: &Self) -> bool {
        self.ingress == other.ingress
            && self.container_ns == other.container_ns
            && self.queue_ns == other.queue_ns
            && self.tx_ns == other.tx_ns
    }
}

impl Measure {
    pub(super) fn new(settings: MeasureSettings) -> Self {
        Self {
            latency: settings.latency,
            vifs: std::iter::repeat_with(|| None).take(MAX_PORTS).collect(),
            run: Run::default(),
            keeps_flows: settings.flows.capacity > 0,
            flows: FlowTable::new(settings.flows),
        }
    }

    /// Whether anybody wants to know about sent packets.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.latency || self.keeps_flows
    }

    pub(super) fn add_port(&mut self, id: PortId) {
        if self.latency
            && let Some(vif) = self.vifs.get_mut(id.index())
        {
            vif.get_or_insert_default();
        }
        if self.keeps_flows {
            self.flows.add_port(id);
        }
    }

    /// Packets came out of a receive ring. All of a burst in a row, before anything else is done
    /// with them: so the memory that one needs is fetched while the one before it is looked at.
    #[inline]
    pub(super) fn arrived(&mut self, now_ns: u64, burst: &mut [Packet], pool: &Pool) {
        if !self.keeps_flows {
            for packet in burst {
                packet.set_taken_ns(now_ns);
            }
            return;
        }
        for packet in burst {
            packet.set_taken_ns(now_ns);
            let (key, tcp_flags) = flow_key(packet, pool.head(packet));
            let hash = packet.flow_hash();
            let flow = self.flows.arrived(now_ns, hash, &key, packet.len(), tcp_flags);
            packet.set_flow(flow.0);
        }
    }

    /// A packet came from another worker, which has counted it.
    #[inline]
    pub(super) fn taken_over(&mut self, now_ns: u64, packet: &mut Packet, pool: &Pool) {
        if self.keeps_flows {
            let (key, _) = flow_key(packet, pool.head(packet));
            packet.set_flow(self.flows.find(now_ns, packet.flow_hash(), &key).0);
        }
    }

    #[cold]
    pub(super) fn lost(&mut self, packet: &Packet, reason: Reason) {
        if self.keeps_flows {
            self.flows.lost(packet.ingress(), FlowRef(packet.flow()), reason);
        }
    }

    /// The kernel has taken a packet, at `after_ns`. Call [`Self::settled`] after the last.
    #[inline]
    pub(super) fn sent(&mut self, sent: &Sent, after_ns: u64) {
        // A turn's clock is read before it, so a packet may have come a little later than it was
        // taken; each time is at least the one before.
        let taken_ns = sent.taken_ns.max(sent.ingress_ns);
        let released_ns = sent.released_ns.max(taken_ns);
        let sent_ns = sent.sent_ns.max(released_ns);
        let after_ns = after_ns.max(sent_ns);
        let residence_ns = after_ns - sent.ingress_ns;
        if self.keeps_flows {
            self.flows.delivered(sent.ingress(), FlowRef(sent.flow), sent.len, residence_ns);
        }
        if !self.latency {
            return;
        }
        let run = Run {
            ingress: sent.ingress,
            packets: 0,
            container_ns: released_ns - taken_ns,
            queue_ns: sent_ns - released_ns,
            tx_ns: after_ns - sent_ns,
        };
        if !self.run.is_like(&run) {
            self.settled();
            self.run = run;
        }
        self.run.packets += 1;
        if let Some(Some(vif)) = self.vifs.get_mut(usize::from(sent.ingress)) {
            vif.record(Stage::Steer, taken_ns - sent.ingress_ns, 1);
            vif.record_residence(residence_ns);
        }
    }

    /// Writes down what was gathered: nothing is kept back between two turns.
    #[inline]
    pub(super) fn settled(&mut self) {
        let packets = u64::from(std::mem::take(&mut self.run.packets));
        if packets == 0 {
            return;
        }
        if let Some(Some(vif)) = self.vifs.get_mut(usize::from(self.run.ingress)) {
            vif.record(Stage::Container, self.run.container_ns, packets);
            vif.record(Stage::Queue, self.run.queue_ns, packets);
            vif.record(Stage::Tx, self.run.tx_ns, packets);
        }
    }

    /// Gives what was recorded of a source for an empty set.
    pub(super) fn swap_latency(&mut self, id: PortId, fresh: Box<VifLatency>) -> Box<VifLatency> {
        match self.vifs.get_mut(id.index()) {
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

    /// What is not done for every packet.
    pub(super) fn chores(&mut self, now_ns: u64) {
        if self.keeps_flows {
            self.flows.age(now_ns, AGED_PER_ROUND);
        }
    }
}
