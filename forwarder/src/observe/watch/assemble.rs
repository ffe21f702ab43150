//! Traces: the events of each followed packet, collected from its arrival to its end.
//!
//! Invariant: a packet is reported once: when all of its pieces have ended, or when no event of it came
//! for too long. Then its mark is free for another packet.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;

use weir_abi::{Bytes as _, Counter, meta_flags};
use weir_core::{Mac, PortId, Reason};
use weir_port::reason_of;

use super::merge::Observation;
use crate::worker::{Event, Facts, MARKS, Step, Watched};
use weir_api::{TraceEnd, TraceEvent, TraceLine, TraceOutcome, TraceStep, TracedPacket, VERSION};

/// A packet without events for this long is reported as it is.
const PATIENCE_NS: u64 = 3_000_000_000;

#[derive(Debug, Default)]
struct OpenTrace {
    /// The worker that received it; known once its arrival was seen.
    begun: Option<(usize, TracedPacket)>,
    steps: Vec<TraceStep>,
    /// The number of its pieces beyond the packet itself.
    more: usize,
    delivered: usize,
    lost: usize,
    seen_ns: u64,
}

/// All packets that are followed, with their events.
#[derive(Debug)]
pub(crate) struct TraceAssembler {
    /// By mark and arrival: a mark that an earlier trace left on a packet matches none here.
    open: HashMap<(u8, u64), OpenTrace>,
    /// Free marks, by worker.
    free: Vec<Vec<u8>>,
    cores: Vec<usize>,
    names: HashMap<PortId, String>,
    epoch_ns: u64,
    /// The number of packets to report, and how many of them have begun.
    wanted: u64,
    begun: u64,
    finished: u64,
}

impl OpenTrace {
    /// Whether all of its pieces have ended.
    fn has_ended(&self) -> bool {
        self.delivered + self.lost > self.more
    }
}

impl TraceAssembler {
    /// `cores`: the workers' cores, in the workers' order.
    pub(crate) fn new(cores: Vec<usize>, epoch_ns: u64, wanted: u64) -> Self {
        let share = MARKS / cores.len().max(1);
        let marks =
            |worker: usize| (0..share).map(|nth| (worker * share + nth + 1) as u8).collect();
        Self {
            open: HashMap::new(),
            free: (0..cores.len()).map(marks).collect(),
            cores,
            names: HashMap::new(),
            epoch_ns,
            wanted,
            begun: 0,
            finished: 0,
        }
    }

    pub(crate) fn name(&mut self, port: PortId, name: &str) {
        self.names.insert(port, name.to_owned());
    }

    /// Lets each worker follow as many packets as are still wanted.
    pub(crate) fn follow(&mut self, workers: &mut [Watched]) {
        for (worker, watched) in workers.iter_mut().enumerate() {
            let of_worker = |(begun, _): &&(usize, TracedPacket)| *begun == worker;
            let begun = self.open.values().filter_map(|s| s.begun.as_ref()).filter(of_worker);
            let given = MARKS / self.cores.len().max(1) - self.free.get(worker).map_or(0, Vec::len);
            let waiting = given.saturating_sub(begun.count());
            let more = self.wanted.saturating_sub(self.begun).saturating_sub(waiting as u64);
            for _ in 0..more {
                let Some(mark) = self.free.get_mut(worker).and_then(Vec::pop) else { break };
                watched.follow(mark);
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.finished >= self.wanted
    }

    fn named(&self, port: PortId) -> String {
        self.names.get(&port).cloned().unwrap_or_else(|| format!("#{}", port.0))
    }

    /// Takes an observation in; returns the traces that are complete.
    pub(crate) fn observe(&mut self, seen: &Observation, bytes: &[u8]) -> Option<TraceLine> {
        match seen {
            Observation::Worker(worker, event) => {
                self.step(*worker, event, bytes);
                let key = (event.mark, event.ingress_ns);
                let trace = self.open.get(&key)?;
                if trace.begun.is_some() && trace.has_ended() { self.finish(key) } else { None }
            }
            Observation::Program { outcome, port, at_ns, len, facts } => {
                if self.begun >= self.wanted {
                    return None;
                }
                self.begun += 1;
                self.finished += 1;
                let mut packet = self.packet(*port, *at_ns, *len, facts, bytes);
                let (outcome, what) = refused(*outcome);
                packet.outcome = outcome;
                packet.steps = vec![TraceStep { at_ns: 0, what }];
                Some(TraceLine::Packet(Box::new(packet)))
            }
        }
    }

    fn step(&mut self, worker: usize, event: &Event, bytes: &[u8]) {
        let key = (event.mark, event.ingress_ns);
        let arrival = matches!(event.step, Step::Arrived { .. });
        if arrival && self.begun >= self.wanted {
            // Another worker was faster.
            self.free_mark(worker, event.mark);
            return;
        }
        let since = |ns: u64| ns.saturating_sub(event.ingress_ns);
        let mut trace = self.open.remove(&key).unwrap_or_default();
        let mut step = |ns: u64, what| trace.steps.push(TraceStep { at_ns: since(ns), what });
        match event.step {
            Step::Arrived { taken_ns } => {
                self.begun += 1;
                let port = event.ingress;
                let packet = self.packet(port, event.ingress_ns, event.len, &event.facts, bytes);
                let core = self.cores.get(worker).map_or(0, |core| *core as u64);
                step(event.ingress_ns, TraceEvent::Steered);
                step(taken_ns, TraceEvent::Taken { core, waited_ns: since(taken_ns) });
                trace.begun = Some((worker, packet));
            }
            Step::Decided(egress) => {
                step(event.at_ns, TraceEvent::Decided { to: self.named(egress) });
            }
            Step::Cut { egress, pieces } => {
                trace.more += usize::from(pieces).saturating_sub(1);
                let (to, pieces) = (self.named(egress), pieces.into());
                step(event.at_ns, TraceEvent::Cut { to, pieces });
            }
            Step::Settled { egress, taken_ns, released_ns, sent_ns } => {
                let to = self.named(egress);
                let released_ns = released_ns.max(taken_ns);
                let container_ns = released_ns - taken_ns;
                let queue_ns = sent_ns.saturating_sub(released_ns);
                let tx_ns = event.at_ns.saturating_sub(sent_ns);
                let residence_ns = since(event.at_ns);
                step(released_ns, TraceEvent::Released { to: to.clone(), container_ns });
                step(sent_ns, TraceEvent::Sent { to: to.clone(), queue_ns });
                step(event.at_ns, TraceEvent::Delivered { to, tx_ns, residence_ns });
                trace.delivered += 1;
            }
            Step::Lost(reason) => {
                step(event.at_ns, lost_under(reason));
                trace.lost += 1;
            }
            Step::Sent(_) => {}
        }
        trace.seen_ns = event.at_ns;
        self.open.insert(key, trace);
    }

    /// The packet that has begun last.
    fn packet(
        &self,
        port: PortId,
        ingress_ns: u64,
        len: u32,
        facts: &Facts,
        bytes: &[u8],
    ) -> TracedPacket {
        let names = meta_flags::NAMES.iter().filter(|(flag, _)| facts.has(*flag));
        TracedPacket {
            version: VERSION,
            number: self.begun,
            port: self.named(port),
            ingress_unix_ns: ingress_ns.wrapping_add(self.epoch_ns),
            length: len.into(),
            vlan: facts.vlan.into(),
            segment: facts.gso_size.into(),
            flags: names.map(|(_, name)| (*name).to_owned()).collect(),
            summary: summary(facts, bytes),
            outcome: TraceOutcome::Unfinished,
            steps: Vec::new(),
        }
    }

    /// Ends a trace; `None` if its beginning was never seen.
    fn finish(&mut self, key: (u8, u64)) -> Option<TraceLine> {
        let mut trace = self.open.remove(&key)?;
        let (worker, mut packet) = trace.begun.take()?;
        self.free_mark(worker, key.0);
        packet.outcome = match (trace.delivered, trace.lost) {
            _ if !trace.has_ended() => TraceOutcome::Unfinished,
            (_, 0) => TraceOutcome::Delivered,
            (0, _) => TraceOutcome::Lost,
            (_, _) => TraceOutcome::Partly,
        };
        packet.steps = trace.steps;
        packet.steps.sort_by_key(|step| step.at_ns);
        self.finished += 1;
        Some(TraceLine::Packet(Box::new(packet)))
    }

    fn free_mark(&mut self, worker: usize, mark: u8) {
        if let Some(free) = self.free.get_mut(worker) {
            free.push(mark);
        }
    }

    /// Reports packets without recent events; with `last`, all that have begun.
    pub(crate) fn end_stale(&mut self, now_ns: u64, last: bool) -> Vec<TraceLine> {
        let stale = |trace: &OpenTrace| last || now_ns.saturating_sub(trace.seen_ns) > PATIENCE_NS;
        let mut keys: Vec<(u8, u64)> =
            self.open.iter().filter(|(_, trace)| stale(trace)).map(|(key, _)| *key).collect();
        keys.sort_unstable_by_key(|(_, ingress_ns)| *ingress_ns);
        keys.into_iter().filter_map(|key| self.finish(key)).collect()
    }

    pub(crate) fn end(&self, missed: u64) -> TraceLine {
        TraceLine::End(TraceEnd { version: VERSION, packets: self.finished, missed })
    }
}

fn lost_under(reason: Reason) -> TraceEvent {
    TraceEvent::Lost { reason: reason.name().to_owned(), means: reason.describe().to_owned() }
}

/// The outcome of a frame that the program did not steer.
fn refused(outcome: Counter) -> (TraceOutcome, TraceEvent) {
    match reason_of(outcome) {
        Some(reason) => (TraceOutcome::Lost, lost_under(reason)),
        None => {
            let (outcome, means) = (outcome.name().to_owned(), outcome.describe().to_owned());
            (TraceOutcome::Passed, TraceEvent::Refused { outcome, means })
        }
    }
}

/// A packet's addresses in one line; what is absent is left out.
fn summary(facts: &Facts, head: &[u8]) -> String {
    let mut text = String::new();
    if let (Some(dst), Some(src)) = (head.mac(0), head.mac(6)) {
        let _ = write!(text, "{} > {}", Mac::new(src), Mac::new(dst));
    }
    let name = match () {
        () if facts.has(meta_flags::IPV4) => "IPv4",
        () if facts.has(meta_flags::IPV6) => "IPv6",
        () if facts.has(meta_flags::ARP) => "ARP",
        () => {
            let kind = head.be16(12).map(|kind| format!(", EtherType 0x{kind:04x}"));
            text.push_str(&kind.unwrap_or_default());
            return text;
        }
    };
    let above = [
        (meta_flags::FRAGMENT, " fragment"),
        (meta_flags::TCP, " TCP"),
        (meta_flags::UDP, " UDP"),
        (meta_flags::ICMP, " ICMP"),
    ];
    let above = above.iter().find(|(flag, _)| facts.has(*flag)).map_or("", |(_, name)| name);
    let _ = write!(text, ", {name}{above}");
    let [Some(src), Some(dst)] = facts.addresses(head) else { return text };
    let _ = match facts.ports(head) {
        [Some(from), Some(to)] => {
            write!(text, " {} > {}", SocketAddr::new(src, from), SocketAddr::new(dst, to))
        }
        _ => write!(text, " {src} > {dst}"),
    };
    text
}

#[cfg(test)]
mod tests;
