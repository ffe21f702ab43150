use hdrhistogram::Histogram;

use super::*;
use crate::FlowCounts;

const MS: u64 = 1_000_000;
const S: u64 = 1_000 * MS;
const IDLE_NS: u64 = 60 * S;
const A: PortId = PortId(3);
const B: PortId = PortId(7);

/// The `n`th flow of a source.
fn key(ingress: PortId, n: u32) -> FlowKey {
    let [a, b, c, d] = n.to_be_bytes();
    FlowKey {
        src: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d],
        ethertype: 0x0800,
        proto: 6,
        ingress: ingress.0,
        ..FlowKey::default()
    }
}

fn table(capacity: u32) -> FlowTable {
    let mut table = FlowTable::new(FlowConfig { capacity, idle_ns: IDLE_NS, seed: 0x1234_5678 });
    table.add_port(A);
    table.add_port(B);
    table
}

fn packed(ingress: PortId, n: u32) -> PackedKey {
    PackedKey::from(&key(ingress, n))
}

/// Receives a packet of the `n`th flow.
fn send(table: &mut FlowTable, now_ns: u64, ingress: PortId, n: u32) -> FlowRef {
    table.arrived(now_ns, n, &packed(ingress, n), 100, 0x02)
}

fn rows(table: &FlowTable) -> Vec<FlowRow> {
    let mut rows = Vec::with_capacity(100_000);
    let mut from = Some(0);
    while let Some(at) = from {
        from = table.copy_rows(at, true, &mut rows);
    }
    rows
}

fn row(table: &FlowTable, ingress: PortId, n: u32) -> Option<FlowRow> {
    rows(table).into_iter().find(|row| row.key == key(ingress, n))
}

fn sums(table: &FlowTable, ingress: PortId) -> FlowSum {
    table.sums().into_iter().find(|sum| sum.ingress == ingress).unwrap()
}

/// Makes a flow established, so that it is not treated as part of a flood.
fn establish(table: &mut FlowTable, now_ns: u64, ingress: PortId, n: u32) -> FlowRef {
    (0..3).map(|_| send(table, now_ns, ingress, n)).last().unwrap()
}

#[test]
fn a_flow_is_counted_in_its_row() {
    let mut table = table(16);
    let flow = send(&mut table, 10, A, 1);
    assert_eq!(table.arrived(30, 1, &packed(A, 1), 60, 0x10), flow);
    table.delivered(A, flow, 100, 5_000, Bin::of(5_000));
    table.lost(A, flow, Reason::QueueFull);
    let row = row(&table, A, 1).unwrap();
    let mut counts = FlowCounts {
        frames: 2,
        bytes: 160,
        delivered: 1,
        delivered_bytes: 100,
        first_ns: 10,
        last_ns: 30,
        tcp_flags: 0x12,
        ..FlowCounts::default()
    };
    counts.losses.add(Reason::QueueFull, 1);
    assert_eq!(row.counts, counts);
    assert_eq!(row.latency.unwrap().len(), 1);
    assert_eq!((table.len(), sums(&table, A).ended_flows), (1, 0));
    assert_eq!(sums(&table, A).other.0, FlowCounts::default());
}

#[test]
fn a_flow_that_came_from_another_worker_is_not_idle_while_it_is_delivered() {
    let mut table = table(16);
    for second in 1..100 {
        let flow = table.find(second * S, 1, &packed(A, 1));
        table.delivered(A, flow, 100, 5_000, Bin::of(5_000));
        table.age(second * S, 16);
    }
    let counts = row(&table, A, 1).unwrap().counts;
    assert_eq!((counts.frames, counts.delivered), (0, 99));
    assert_eq!((counts.first_ns, counts.last_ns), (S, 99 * S));
}

#[test]
fn what_meets_in_one_bucket_is_told_apart_and_the_ninth_finds_no_room() {
    let mut table = table(64);
    let home = table.index.home(&packed(A, 0)).bucket;
    let meet = |n: &u32| table.index.home(&packed(A, *n)).bucket == home;
    let all: Vec<_> = (0..).filter(meet).take(9).collect();
    // Equal hashes make no difference.
    let flows: Vec<_> = all.iter().map(|n| table.find(1, 77, &packed(A, *n))).collect();
    assert_eq!(table.len(), 8);
    assert!(flows[..8].iter().all(|flow| *flow != FlowRef(0)));
    assert_eq!(flows[8], FlowRef(0));
    for _ in 0..2 {
        for (n, flow) in all.iter().zip(&flows).take(8) {
            assert_eq!(table.arrived(2, 77, &packed(A, *n), *n, 0), *flow);
        }
    }
    assert_eq!(table.arrived(2, 77, &packed(A, all[8]), 5, 0), FlowRef(0));
    assert_eq!(sums(&table, A).other.0.bytes, 5);
    for n in &all[..8] {
        assert_eq!(row(&table, A, *n).unwrap().counts.bytes, 2 * u64::from(*n));
    }
    // All flows are established, so chance cannot free a row; the idle time can.
    assert!((0..1_000).all(|_| table.find(3, 77, &packed(A, all[8])) == FlowRef(0)));
    assert_ne!(table.find(2 + IDLE_NS, 77, &packed(A, all[8])), FlowRef(0));
    assert_eq!((table.len(), sums(&table, A).ended_flows), (8, 1));
}

#[test]
fn as_many_flows_as_there_are_rows_find_one() {
    for capacity in [1, 3, 100, 1_000, 10_000] {
        let mut table = table(capacity);
        for n in 0..capacity {
            assert_ne!(send(&mut table, 1, A, n), FlowRef(0), "{n} of {capacity}");
        }
        for n in 0..capacity {
            establish(&mut table, 1, A, n);
        }
        assert_eq!(send(&mut table, 2, A, capacity), FlowRef(0));
        assert_eq!((table.len(), table.rows.len()), (capacity as usize, capacity as usize));
        assert_eq!(sums(&table, A).other.0.frames, 1);
    }
}

#[test]
fn idle_flows_end_after_their_time_and_not_before() {
    let mut table = table(16);
    establish(&mut table, S, A, 1);
    send(&mut table, S, A, 2);
    table.age(S + EMBRYO_NS - 1, 16);
    assert_eq!(table.len(), 2);
    table.age(S + EMBRYO_NS, 16);
    assert!(row(&table, A, 2).is_none() && row(&table, A, 1).is_some());
    table.age(S + IDLE_NS - 1, 16);
    assert_eq!(table.len(), 1);
    table.age(S + IDLE_NS, 16);
    assert!(table.is_empty());
    let sums = sums(&table, A);
    assert_eq!((sums.ended_flows, sums.ended.0.frames, sums.ended.0.bytes), (2, 4, 400));
    assert_eq!((sums.ended.0.first_ns, sums.ended.0.last_ns), (S, S));
}

#[test]
fn ageing_looks_at_as_many_rows_as_it_may_and_goes_on_there() {
    let mut table = table(64);
    for n in 0..60 {
        send(&mut table, 1, A, n);
    }
    for left in (0..6).rev() {
        table.age(S * 10, 10);
        assert_eq!(table.len(), left * 10);
    }
}

#[test]
fn ageing_adds_up_few_histograms_at_once() {
    let mut table = table(64);
    for n in 0..10 {
        let flow = establish(&mut table, 1, A, n);
        (0..6).for_each(|_| table.delivered(A, flow, 64, 1_000, Bin::of(1_000)));
    }
    for left in [6, 2, 0] {
        table.age(IDLE_NS + 1, usize::MAX);
        assert_eq!(table.len(), left);
    }
    assert_eq!(sums(&table, A).ended.1.len(), 60);
}

#[test]
fn a_flood_takes_what_is_free_and_keeps_nobody_out_for_long() {
    let mut table = table(256);
    let polite = establish(&mut table, S, A, 1);
    let room = (table.rows.capacity(), table.free.capacity());
    let mut now_ns = S;
    for n in 0..100_000 {
        now_ns += 1_000;
        send(&mut table, now_ns, A, 1_000 + n);
        if n % 1_000 == 0 {
            assert_eq!(send(&mut table, now_ns, A, 1), polite);
        }
        assert!(table.len() <= 256);
    }
    let sum = sums(&table, A);
    let in_rows: u64 = rows(&table).iter().map(|row| row.counts.frames).sum();
    assert_eq!(sum.other.0.frames + sum.ended.0.frames + in_rows, 100_000 + 100 + 3);
    // The flood goes on. A new flow of the same source gets a row before long, and keeps it.
    let mut kept = 0;
    for n in 0..1_000_000 {
        now_ns += 1_000;
        send(&mut table, now_ns, A, 200_000 + n);
        if n % 1_000 == 0 {
            let flow = send(&mut table, now_ns, A, 2);
            kept = if flow == FlowRef(0) { 0 } else { kept + 1 };
        }
    }
    assert!(kept > 500, "{kept}");
    assert_eq!(send(&mut table, now_ns, A, 1), polite);
    assert_eq!((table.rows.capacity(), table.free.capacity()), room);
    assert_eq!(table.bins.touched, 0, "no histogram was needed");
}

#[test]
fn a_source_below_its_share_gets_rows_of_one_above() {
    let mut table = table(64);
    for n in 0..64 {
        establish(&mut table, S, A, n);
    }
    for n in 0..64 {
        let flow = establish(&mut table, S + 1, B, n);
        assert_eq!(flow != FlowRef(0), n < 32, "{n}");
    }
    // Neither source gets more than half of the rows from the other.
    assert_eq!(send(&mut table, S + 2, A, 100), FlowRef(0));
    let of = |source| rows(&table).iter().filter(|row| row.key.ingress() == source).count();
    assert_eq!((of(A), of(B)), (32, 32));
    assert_eq!(sums(&table, A).ended_flows, 32);
}

#[test]
fn what_comes_late_for_a_row_that_was_given_away_has_ended() {
    let mut table = table(1);
    let old = send(&mut table, S, A, 1);
    let new = send(&mut table, S + EMBRYO_NS, A, 2);
    assert!(new != old && new.0 & 0xffff == old.0 & 0xffff);
    table.delivered(A, old, 100, 7_000, Bin::of(7_000));
    table.lost(A, old, Reason::TxError);
    table.delivered(A, new, 50, 3_000, Bin::of(3_000));
    let row = row(&table, A, 2).unwrap();
    assert_eq!((row.counts.delivered, row.counts.losses.total()), (1, 0));
    let sums = sums(&table, A);
    assert_eq!((sums.ended.0.frames, sums.ended.0.delivered_bytes), (1, 100));
    assert_eq!(sums.ended.0.losses.get(Reason::TxError), 1);
    assert_eq!((sums.ended.1.len(), sums.ended_flows), (1, 1));
    assert_eq!(sums.other.0, FlowCounts::default());
}

#[test]
fn what_is_forgotten_is_gone_and_late_packets_are_still_counted() {
    let mut table = table(4);
    let flows: Vec<_> = (0..5).map(|n| establish(&mut table, S, A, n)).collect();
    for flow in &flows {
        (0..6).for_each(|_| table.delivered(A, *flow, 64, 1_000, Bin::of(1_000)));
    }
    assert_eq!(sums(&table, A).other.0.delivered, 6);
    table.forget();
    assert!(table.is_empty() && rows(&table).is_empty());
    let (other, ended) = (sums(&table, A).other, sums(&table, A).ended);
    assert_eq!((other.0, ended.0), (FlowCounts::default(), FlowCounts::default()));
    assert!(other.1.is_empty() && ended.1.is_empty());

    table.delivered(A, flows[0], 64, 1_000, Bin::of(1_000));
    table.delivered(A, flows[4], 64, 1_000, Bin::of(1_000));
    assert_eq!(sums(&table, A).ended.0.delivered, 1);
    assert_eq!(sums(&table, A).other.0.delivered, 1);

    // All rows can be taken again at once, with counts that start at zero.
    for n in 0..4 {
        let flow = send(&mut table, S + 1, A, n);
        assert!(flow != FlowRef(0) && !flows.contains(&flow));
        (0..6).for_each(|_| table.delivered(A, flow, 64, 2_000, Bin::of(2_000)));
    }
    assert_eq!(table.len(), 4);
    for row in rows(&table) {
        assert_eq!((row.counts.frames, row.counts.delivered), (1, 6));
        assert_eq!(row.latency.unwrap().len(), 6);
    }
    assert_eq!(sums(&table, A).ended_flows, 0, "nothing of the time before was added");
}

#[test]
fn a_port_in_anothers_place_begins_at_nothing() {
    let mut table = table(16);
    send(&mut table, S, A, 1);
    send(&mut table, S, B, 1);
    table.add_port(A);
    assert!(row(&table, A, 1).is_none() && row(&table, B, 1).is_some());
    assert_eq!(table.len(), 1);
    assert_ne!(send(&mut table, S, A, 1), FlowRef(0));
    assert_eq!((table.len(), row(&table, A, 1).unwrap().counts.frames), (2, 1));
}

#[test]
fn only_long_flows_need_bins_and_flows_to_come_use_the_same_ones() {
    let mut table = table(64);
    for round in 1..20 {
        for n in 0..8 {
            let flow = establish(&mut table, round * 100 * S, A, n);
            let times = if n < 2 { 9 } else { 4 };
            for ns in (0..times).map(|at| 1_000 + at * 100) {
                table.delivered(A, flow, 64, ns, Bin::of(ns));
            }
        }
        for n in 0..8 {
            let row = row(&table, A, n).unwrap();
            let mut expected: Histogram<u32> = crate::latency::histogram();
            (0..row.counts.delivered).for_each(|at| expected.saturating_record(1_000 + at * 100));
            assert!(row.latency.unwrap() == expected);
        }
        (0..8).for_each(|_| table.age(round * 100 * S + IDLE_NS, 64));
        assert!(table.is_empty());
    }
    assert_eq!(table.bins.touched, 2);
    assert_eq!(sums(&table, A).ended.1.len(), 19 * (2 * 9 + 6 * 4));
}

#[test]
fn a_bin_that_is_full_is_not_lost() {
    let mut table = table(4);
    let flow = establish(&mut table, S, A, 1);
    (0..5).for_each(|_| table.delivered(A, flow, 64, 1_000, Bin::of(1_000)));
    let part = table.named(A, flow).unwrap().part.unwrap();
    table.bins.set(part, Bin::of(1_000).0, u32::MAX);
    (0..3).for_each(|_| table.delivered(A, flow, 64, 1_000, Bin::of(1_000)));
    assert_eq!(row(&table, A, 1).unwrap().latency.unwrap().len(), 2);
    assert_eq!(sums(&table, A).ended.1.len(), u64::from(u32::MAX) + 1);
    assert_eq!(row(&table, A, 1).unwrap().counts.delivered, 8);
}

#[test]
fn rows_are_copied_in_pages() {
    let mut table = table(100);
    for n in 0..100 {
        send(&mut table, S, A, n);
    }
    let (mut all, mut from) = (Vec::new(), Some(0));
    while let Some(at) = from {
        let mut page = Vec::with_capacity(7);
        from = table.copy_rows(at, false, &mut page);
        assert!(page.capacity() == 7 && page.iter().all(|row| row.latency.is_none()));
        all.extend(page.into_iter().map(|row| row.key.src));
    }
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 100);
}

#[test]
fn a_table_that_is_off_and_a_source_that_nobody_added_count_nothing() {
    let mut off = table(0);
    let flow = send(&mut off, S, A, 1);
    off.delivered(A, flow, 64, 1_000, Bin::of(1_000));
    off.lost(A, flow, Reason::TxError);
    off.age(S, 100);
    off.forget();
    assert_eq!((flow, off.len()), (FlowRef(0), 0));
    assert!(off.sums().is_empty() && rows(&off).is_empty());

    let mut table = table(4);
    for ingress in [PortId(9), PortId(u16::MAX)] {
        let flow = send(&mut table, S, ingress, 1);
        table.delivered(ingress, flow, 64, 1_000, Bin::of(1_000));
        assert_eq!(flow, FlowRef(0));
    }
    table.add_port(PortId(u16::MAX));
    assert!(table.is_empty() && table.sums().len() == 2);
}

#[test]
fn no_more_rows_than_can_be_named() {
    let config = FlowConfig { capacity: u32::MAX, idle_ns: IDLE_NS, seed: 1 };
    assert_eq!(FlowTable::new(config).config.capacity, FlowConfig::MOST);
}
