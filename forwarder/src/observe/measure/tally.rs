//! Merges the rows of one flow.
//!
//! Invariant: the workers' counts of a flow add up. Of a histogram only the values present are kept:
//! ten thousand flows take some megabytes, not a hundred.

use hdrhistogram::{Counter, Histogram};
use weir_core::{FlowCounts, FlowKey};

use weir_api::{
    Amount, FlowNumbers, FlowReport, FlowSumReport, SumKind, Summary, histogram::encode,
};

const TCP_FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/// The counts of all workers for a flow, or for several.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) counts: FlowCounts,
    /// Values, and how often each was recorded.
    times: Vec<(u64, u64)>,
}

impl Tally {
    pub(super) fn of<C: Counter>(counts: FlowCounts, times: Option<&Histogram<C>>) -> Self {
        let recorded = times.into_iter().flat_map(Histogram::iter_recorded);
        let times = recorded.map(|at| (at.value_iterated_to(), at.count_at_value().as_u64()));
        Self { counts, times: times.collect() }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.times.extend(&other.times);
    }

    /// Adds traffic that was received and delivered at once, and not timed.
    pub(super) fn add_delivered(&mut self, amount: Amount) {
        let sum = &mut self.counts;
        sum.frames += amount.frames;
        sum.bytes += amount.bytes;
        sum.delivered += amount.frames;
        sum.delivered_bytes += amount.bytes;
    }

    pub(super) fn is_empty(&self) -> bool {
        let counts = &self.counts;
        counts.frames == 0 && counts.delivered == 0 && counts.losses.is_empty()
    }
}

/// Makes reports from tallies, reusing one histogram: making one costs more than filling it.
#[derive(Debug)]
pub(super) struct FlowReporter {
    now_ns: u64,
    histograms: bool,
    times: Histogram<u64>,
}

impl FlowReporter {
    pub(super) fn new(now_ns: u64, histograms: bool) -> Self {
        Self { now_ns, histograms, times: weir_core::latency::histogram() }
    }

    pub(super) fn flow(&mut self, vif: String, key: &FlowKey, tally: &Tally) -> FlowReport {
        let (counts, histogram) = self.numbers(tally);
        let addresses = key.addresses();
        let ports = (key.src_port != 0 || key.dst_port != 0)
            .then(|| (u64::from(key.src_port), u64::from(key.dst_port)));
        FlowReport {
            vif,
            proto: proto(key),
            src: addresses.map(|(src, _)| src.to_string()),
            dst: addresses.map(|(_, dst)| dst.to_string()),
            src_port: ports.map(|(src, _)| src),
            dst_port: ports.map(|(_, dst)| dst),
            vlan: (key.vlan != 0).then(|| u64::from(key.vlan)),
            age_ns: self.now_ns.saturating_sub(tally.counts.first_ns),
            idle_ns: self.now_ns.saturating_sub(tally.counts.last_ns),
            counts,
            histogram,
        }
    }

    pub(super) fn sum(
        &mut self,
        vif: String,
        kind: SumKind,
        flows: Option<u64>,
        tally: &Tally,
    ) -> FlowSumReport {
        let (counts, histogram) = self.numbers(tally);
        FlowSumReport { vif, kind, flows, express: 0, counts, histogram }
    }

    fn numbers(&mut self, tally: &Tally) -> (FlowNumbers, Option<String>) {
        self.times.reset();
        for (value, count) in &tally.times {
            self.times.saturating_record_n(*value, *count);
        }
        let counts = &tally.counts;
        let flags = TCP_FLAGS.iter().enumerate();
        let numbers = FlowNumbers {
            frames: counts.frames,
            bytes: counts.bytes,
            delivered: counts.delivered,
            delivered_bytes: counts.delivered_bytes,
            tcp_flags: flags
                .filter(|(bit, _)| counts.tcp_flags >> bit & 1 == 1)
                .map(|(_, name)| (*name).to_owned())
                .collect(),
            jitter_ns: counts.jitter_ns,
            losses: counts.losses.by_name(),
            residence: Summary::of(&self.times),
        };
        (numbers, self.histograms.then(|| encode(&self.times)))
    }
}

fn proto(key: &FlowKey) -> String {
    match (key.ethertype, key.proto) {
        (0x0800 | 0x86dd, proto) => match proto {
            1 => "icmp".to_owned(),
            6 => "tcp".to_owned(),
            17 => "udp".to_owned(),
            58 => "icmpv6".to_owned(),
            other => other.to_string(),
        },
        (0x0806, _) => "arp".to_owned(),
        (ethertype, _) => format!("0x{ethertype:04x}"),
    }
}

#[cfg(test)]
mod tests;
