//! Compares the flow table with a map that remembers every packet. Which flows have a row is up to the table.
//! The test checks that nothing is lost, counted twice, or counted in the wrong place.

use std::collections::HashMap;

use hdrhistogram::{Counter, Histogram};
use proptest::prelude::*;
use weir_core::{
    Bin, FlowConfig, FlowCounts, FlowKey, FlowRef, FlowRow, FlowTable, PackedKey, PortId, Reason,
    latency,
};

const SOURCES: u16 = 3;
const IDLE_NS: u64 = 5_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Op {
    /// A packet of a source's flow arrives.
    Send(u16, u8, u32, u8),
    /// A packet comes from another worker, which has counted it.
    TakeOver(u16, u8),
    /// The packet in flight at this index is delivered and stays in flight, as when it is cut.
    Copy(usize, u64),
    Deliver(usize, u64),
    Lose(usize, usize),
    Wait(u64),
    Age(usize),
    Forget,
    AddPort(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let packet = (0..SOURCES, 0u8..12);
    let residence = || prop_oneof![1u64..1_000, 1_000u64..100_000, 1..u64::MAX];
    prop_oneof![
        40 => (packet.clone(), 60u32..70_000, any::<u8>())
            .prop_map(|((source, flow), bytes, flags)| Op::Send(source, flow, bytes, flags)),
        4 => packet.prop_map(|(source, flow)| Op::TakeOver(source, flow)),
        8 => (any::<usize>(), residence()).prop_map(|(at, ns)| Op::Copy(at, ns)),
        30 => (any::<usize>(), residence()).prop_map(|(at, ns)| Op::Deliver(at, ns)),
        8 => (any::<usize>(), 0..Reason::COUNT).prop_map(|(at, reason)| Op::Lose(at, reason)),
        6 => prop_oneof![1u64..1_000_000, 1_000_000u64..3_000_000_000].prop_map(Op::Wait),
        6 => prop_oneof![0usize..6, Just(usize::MAX)].prop_map(Op::Age),
        1 => Just(Op::Forget),
        1 => (0..SOURCES).prop_map(Op::AddPort),
    ]
}

fn key(source: u16, flow: u8) -> FlowKey {
    FlowKey { src_port: u16::from(flow), ethertype: 0x0800, ingress: source, ..FlowKey::default() }
}

/// The expected contents of one row or one sum.
#[derive(Clone, Default)]
struct Record {
    counts: FlowCounts,
    residences: Vec<u64>,
    jitter: f64,
}

impl Record {
    fn saw(&mut self, now_ns: u64) {
        if self.counts.first_ns == 0 {
            self.counts.first_ns = now_ns;
        }
        self.counts.last_ns = now_ns;
    }

    fn arrived(&mut self, now_ns: u64, bytes: u32, flags: u8) {
        self.saw(now_ns);
        self.counts.frames += 1;
        self.counts.bytes += u64::from(bytes);
        self.counts.tcp_flags |= flags;
    }

    fn delivered(&mut self, bytes: u32, ns: u64) {
        self.counts.delivered += 1;
        self.counts.delivered_bytes += u64::from(bytes);
        if let Some(before) = self.residences.last() {
            let change = ns.min(latency::LONGEST_NS).abs_diff((*before).min(latency::LONGEST_NS));
            self.jitter += (change as f64 - self.jitter) / 16.0;
        }
        self.residences.push(ns);
    }

    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.residences.extend(&other.residences);
    }

    fn histogram<C: Counter>(&self) -> Histogram<C> {
        let mut all = latency::histogram();
        self.residences.iter().for_each(|ns| all.saturating_record(*ns));
        all
    }
}

#[derive(Clone, Copy)]
struct InFlight {
    source: u16,
    flow: FlowRef,
    bytes: u32,
}

#[derive(Default)]
struct Model {
    /// Each flow from its row's beginning to its end; the latest of each flow comes last.
    lives: Vec<(FlowKey, FlowRef, Record)>,
    other: HashMap<u16, Record>,
    /// Packets of flows that were forgotten meanwhile.
    late: HashMap<u16, Record>,
}

impl Model {
    fn found(&mut self, now_ns: u64, key: FlowKey, flow: FlowRef) {
        if flow == FlowRef(0) {
            return;
        }
        let at = self.lives.iter().position(|(_, named, _)| *named == flow);
        let at = at.unwrap_or_else(|| {
            self.lives.push((key, flow, Record::default()));
            self.lives.len() - 1
        });
        let (of, _, record) = &mut self.lives[at];
        assert_eq!(*of, key, "one name for two flows");
        record.saw(now_ns);
    }

    fn record(&mut self, source: u16, flow: FlowRef) -> &mut Record {
        if flow == FlowRef(0) {
            return self.other.entry(source).or_default();
        }
        match self.lives.iter_mut().find(|(_, named, _)| *named == flow) {
            Some((_, _, record)) => record,
            None => self.late.entry(source).or_default(),
        }
    }

    fn forget(&mut self, is_one: impl Fn(u16) -> bool) {
        self.lives.retain(|(key, ..)| !is_one(key.ingress));
        self.other.retain(|source, _| !is_one(*source));
        self.late.retain(|source, _| !is_one(*source));
    }
}

fn rows(table: &FlowTable) -> Vec<FlowRow> {
    let (mut all, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let mut page = Vec::with_capacity(5);
        from = table.copy_rows(at, true, &mut page);
        all.append(&mut page);
    }
    all
}

fn check(table: &FlowTable, capacity: u32, model: &Model) {
    let rows = rows(table);
    assert_eq!(rows.len(), table.len());
    assert!(rows.len() <= capacity as usize);
    let mut ended: Vec<_> = model.lives.iter().collect();
    for row in &rows {
        let at = ended.iter().rposition(|(key, ..)| *key == row.key);
        assert!(at.is_some(), "a row that was never handed out, or a second one: {:?}", row.key);
        let (_, _, expected) = ended.remove(at.unwrap_or_default());
        assert_eq!(FlowCounts { jitter_ns: 0, ..row.counts }, expected.counts);
        assert!((row.counts.jitter_ns as f64 - expected.jitter).abs() < 2.0);
        let latency = row.latency.as_ref();
        assert!(latency == Some(&expected.histogram()), "{:?}", expected.residences);
    }
    for sum in table.sums() {
        let source = sum.ingress.0;
        let other = model.other.get(&source).cloned().unwrap_or_default();
        assert_eq!(sum.other.0, other.counts);
        assert!(sum.other.1 == other.histogram::<u64>(), "other: {:?}", other.residences);
        let ended: Vec<_> = ended.iter().filter(|(key, ..)| key.ingress == source).collect();
        assert_eq!(sum.ended_flows, ended.len() as u64);
        let mut all = model.late.get(&source).cloned().unwrap_or_default();
        ended.iter().for_each(|(_, _, record)| all.merge(record));
        assert_eq!(sum.ended.0, all.counts);
        assert!(sum.ended.1 == all.histogram::<u64>(), "ended: {:?}", all.residences);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn rows_and_sums_are_what_was_recorded(
        capacity in 1u32..24,
        seed in any::<u64>(),
        ops in prop::collection::vec(op(), 1..400),
    ) {
        let mut table = FlowTable::new(FlowConfig { capacity, idle_ns: IDLE_NS, seed });
        (0..SOURCES).for_each(|source| table.add_port(PortId(source)));
        let mut model = Model::default();
        let mut in_flight = Vec::<InFlight>::new();
        let mut now_ns = 1;
        for op in ops {
            match op {
                Op::Send(source, n, bytes, flags) => {
                    let key = key(source, n);
                    let flow = table.arrived(now_ns, u32::from(n / 2), &PackedKey::from(&key), bytes, flags);
                    model.found(now_ns, key, flow);
                    model.record(source, flow).arrived(now_ns, bytes, flags);
                    in_flight.push(InFlight { source, flow, bytes });
                }
                Op::TakeOver(source, n) => {
                    let key = key(source, n);
                    let flow = table.find(now_ns, u32::from(n / 2), &PackedKey::from(&key));
                    model.found(now_ns, key, flow);
                    in_flight.push(InFlight { source, flow, bytes: 64 });
                }
                Op::Copy(at, ns) if !in_flight.is_empty() => {
                    let InFlight { source, flow, bytes } = in_flight[at % in_flight.len()];
                    table.delivered(PortId(source), flow, bytes, ns, Bin::of(ns));
                    model.record(source, flow).delivered(bytes, ns);
                }
                Op::Deliver(at, ns) if !in_flight.is_empty() => {
                    let at = at % in_flight.len();
                    let InFlight { source, flow, bytes } = in_flight.swap_remove(at);
                    table.delivered(PortId(source), flow, bytes, ns, Bin::of(ns));
                    model.record(source, flow).delivered(bytes, ns);
                }
                Op::Lose(at, reason) if !in_flight.is_empty() => {
                    let at = at % in_flight.len();
                    let InFlight { source, flow, .. } = in_flight.swap_remove(at);
                    table.lost(PortId(source), flow, Reason::ALL[reason]);
                    model.record(source, flow).counts.losses.add(Reason::ALL[reason], 1);
                }
                Op::Copy(..) | Op::Deliver(..) | Op::Lose(..) => {}
                Op::Wait(ns) => now_ns += ns,
                Op::Age(most) => table.age(now_ns, most),
                Op::Forget => {
                    check(&table, capacity, &model);
                    table.forget();
                    model.forget(|_| true);
                    check(&table, capacity, &model);
                }
                Op::AddPort(source) => {
                    table.add_port(PortId(source));
                    model.forget(|of| of == source);
                    check(&table, capacity, &model);
                }
            }
        }
        check(&table, capacity, &model);
    }
}
