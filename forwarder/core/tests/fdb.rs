//! The FDB against a map that does the same slowly.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_core::{Fdb, FdbChange, Learned, Mac, PortId};

const AGEING_NS: u64 = 100;

fn mac(n: u16) -> Mac {
    let [high, low] = n.to_be_bytes();
    Mac::new([2, 0, 0, 0, high, low])
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Learn(u16, u16, u16),
    Pin(u16, u16, u16),
    Remove(u16, u16),
    RemovePort(u16),
    Wait(u64),
    Age(usize),
    Take,
}

fn op(macs: u16) -> impl Strategy<Value = Op> {
    let (mac, vlan, port) = (0..macs, 0u16..2, 0u16..4);
    prop_oneof![
        12 => (mac.clone(), vlan.clone(), port.clone()).prop_map(|(m, v, p)| Op::Learn(m, v, p)),
        2 => (mac.clone(), vlan.clone(), port.clone()).prop_map(|(m, v, p)| Op::Pin(m, v, p)),
        3 => (mac, vlan).prop_map(|(m, v)| Op::Remove(m, v)),
        1 => port.prop_map(Op::RemovePort),
        3 => (0u64..60).prop_map(Op::Wait),
        3 => prop_oneof![0usize..20, Just(usize::MAX)].prop_map(Op::Age),
        4 => Just(Op::Take),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Entry {
    port: u16,
    pinned: bool,
    seen_ns: u64,
}

impl Entry {
    fn live(&self, now: u64) -> bool {
        self.pinned || now < self.seen_ns + AGEING_NS
    }
}

/// What somebody holds who only hears of changes: the port, and when it was said last.
#[derive(Default)]
struct Copy {
    rows: BTreeMap<(Mac, u16), (PortId, u64)>,
    heard: Vec<FdbChange>,
}

impl Copy {
    fn take(&mut self, now: u64, fdb: &mut Fdb) -> bool {
        self.heard.clear();
        let whole = fdb.take_changes(&mut self.heard);
        if whole {
            self.rows.clear();
        }
        for change in &self.heard {
            match *change {
                FdbChange::Known { mac, vlan, port } => {
                    self.rows.insert((mac, vlan), (port, now));
                }
                FdbChange::Forgotten { mac, vlan } => _ = self.rows.remove(&(mac, vlan)),
            }
        }
        whole
    }

    fn agrees(&self, fdb: &Fdb) -> Result<(), TestCaseError> {
        let table: BTreeMap<_, _> = fdb.iter().map(|row| ((row.mac, row.vlan), row.port)).collect();
        let copy: BTreeMap<_, _> = self.rows.iter().map(|(key, (port, _))| (*key, *port)).collect();
        prop_assert_eq!(copy, table);
        Ok(())
    }
}

type Model = BTreeMap<(u16, u16), Entry>;

fn learned(model: &mut Model, now: u64, key: (u16, u16), port: u16, capacity: usize) -> Learned {
    let size = model.len();
    match model.get_mut(&key) {
        Some(entry) if entry.pinned && entry.port == port => Learned::Known,
        Some(entry) if entry.pinned => Learned::Ignored,
        Some(entry) => {
            let before = *entry;
            *entry = Entry { port, pinned: false, seen_ns: now };
            match before.live(now) {
                false => Learned::New,
                true if before.port == port => Learned::Known,
                true => Learned::Moved { from: PortId(before.port) },
            }
        }
        None if size < capacity => {
            model.insert(key, Entry { port, pinned: false, seen_ns: now });
            Learned::New
        }
        None => Learned::Full,
    }
}

fn answers(fdb: &Fdb, now: u64, macs: u16) -> Vec<Option<PortId>> {
    (0..macs)
        .flat_map(|m| (0..2).map(move |v| (m, v)))
        .map(|(m, v)| fdb.lookup(now, mac(m), v))
        .collect()
}

fn check(ops: Vec<Op>, capacity: usize, macs: u16, seed: u64) -> Result<(), TestCaseError> {
    let (mut fdb, mut model, mut now) = (Fdb::new(capacity, AGEING_NS, seed), Model::new(), 1_000);
    let slots = (capacity * 2).next_power_of_two();
    let mut copy = Copy::default();
    for op in ops {
        let before = (answers(&fdb, now, macs), fdb.generation());
        let at = now;
        match op {
            Op::Learn(m, v, p) => {
                let expected = learned(&mut model, now, (m, v), p, capacity);
                prop_assert_eq!(fdb.learn(now, mac(m), v, PortId(p)), expected);
            }
            Op::Pin(m, v, p) => {
                let room = model.contains_key(&(m, v)) || model.len() < slots / 4 * 3;
                prop_assert_eq!(fdb.insert_static(mac(m), v, PortId(p)), room);
                if room {
                    model.insert((m, v), Entry { port: p, pinned: true, seen_ns: 0 });
                }
            }
            Op::Remove(m, v) => {
                prop_assert_eq!(fdb.remove(mac(m), v), model.remove(&(m, v)).is_some());
            }
            Op::RemovePort(p) => {
                let size = model.len();
                model.retain(|_, entry| entry.port != p);
                prop_assert_eq!(fdb.remove_port(PortId(p)), size - model.len());
            }
            Op::Wait(ns) => now += ns,
            Op::Take => {
                copy.take(now, &mut fdb);
                copy.agrees(&fdb)?;
            }
            Op::Age(budget) => {
                let collected = fdb.age(now, budget);
                let left: Vec<_> = fdb.iter().map(|entry| (entry.mac, entry.vlan)).collect();
                let size = model.len();
                model.retain(|&(m, v), entry| entry.live(now) || left.contains(&(mac(m), v)));
                prop_assert_eq!(collected, size - model.len());
                if budget == usize::MAX {
                    prop_assert!(model.values().all(|entry| entry.live(now)));
                }
            }
        }
        if answers(&fdb, at, macs) != before.0 {
            prop_assert_ne!(fdb.generation(), before.1);
        }
        for m in 0..macs {
            for v in 0..2 {
                let live = model.get(&(m, v)).filter(|entry| entry.live(now));
                prop_assert_eq!(fdb.lookup(now, mac(m), v), live.map(|entry| PortId(entry.port)));
            }
        }
        prop_assert_eq!(fdb.len(), model.len());
        let rows: BTreeMap<_, _> = fdb
            .iter()
            .map(|row| {
                let entry = Entry { port: row.port.0, pinned: row.is_static, seen_ns: row.seen_ns };
                ((row.mac, row.vlan), entry)
            })
            .collect();
        prop_assert_eq!(rows.len(), model.len());
        prop_assert!(model.iter().all(|(&(m, v), entry)| rows.get(&(mac(m), v)) == Some(entry)));
    }
    Ok(())
}

proptest! {
    #[test]
    fn small_and_crowded(ops in prop::collection::vec(op(11), 0..150), seed: u64) {
        check(ops, 8, 10, seed)?;
    }

    #[test]
    fn larger(ops in prop::collection::vec(op(80), 0..300), seed: u64) {
        check(ops, 64, 80, seed)?;
    }
}

proptest! {
    #[test]
    fn a_copy_that_is_kept_fresh_never_forgets_what_the_table_knows(
        steps in prop::collection::vec((0u16..4, 0u16..2, 0u64..40), 1..300)
    ) {
        let (mut fdb, mut copy, mut now) = (Fdb::new(16, AGEING_NS, 3), Copy::default(), 0);
        for (m, port, wait_ns) in steps {
            now += wait_ns;
            fdb.learn(now, mac(m), 0, PortId(port));
            prop_assert!(!copy.take(now, &mut fdb));
            copy.agrees(&fdb)?;
            for row in fdb.iter() {
                let (_, told_ns) = copy.rows[&(row.mac, row.vlan)];
                prop_assert!(row.seen_ns - told_ns <= AGEING_NS / 4);
            }
        }
    }
}

#[test]
fn more_changes_than_can_be_noted_give_the_whole_table() {
    let (mut fdb, mut copy) = (Fdb::new(4096, AGEING_NS, 5), Copy::default());
    fdb.learn(0, mac(60_000), 0, PortId(1));
    assert!(!copy.take(0, &mut fdb));
    for n in 0..Fdb::JOURNAL as u16 {
        fdb.learn(1, mac(n), 0, PortId(2));
    }
    assert!(!copy.take(1, &mut fdb), "as many as fit are told one by one");
    fdb.remove(mac(60_000), 0);
    for n in 0..Fdb::JOURNAL as u16 {
        fdb.learn(2, mac(n), 0, PortId(3));
    }
    assert!(copy.take(2, &mut fdb));
    copy.agrees(&fdb).unwrap();
    fdb.learn(3, mac(7), 0, PortId(1));
    assert!(!copy.take(3, &mut fdb));
    assert_eq!(copy.heard.len(), 1);
    copy.agrees(&fdb).unwrap();
    assert_eq!(fdb.remove_port(PortId(3)), Fdb::JOURNAL - 1);
    assert!(!copy.take(4, &mut fdb));
    copy.agrees(&fdb).unwrap();
}

#[test]
fn an_address_that_two_ports_quarrel_over_is_one_change() {
    let mut fdb = Fdb::new(16, AGEING_NS, 1);
    for n in 0..10_000 {
        fdb.learn(1, mac(1), 0, PortId(n % 2));
    }
    let mut changes = Vec::new();
    assert!(!fdb.take_changes(&mut changes));
    assert_eq!(changes, [FdbChange::Known { mac: mac(1), vlan: 0, port: PortId(1) }]);
    fdb.learn(2, mac(1), 0, PortId(1));
    changes.clear();
    assert!(!fdb.take_changes(&mut changes));
    assert!(changes.is_empty(), "nothing new");
}

#[test]
fn group_and_zero_addresses_are_never_learned() {
    let mut fdb = Fdb::new(16, AGEING_NS, 1);
    for address in [Mac::BROADCAST, Mac::new([1, 0, 0x5e, 0, 0, 1]), Mac::ZERO] {
        assert_eq!(fdb.learn(0, address, 0, PortId(1)), Learned::Ignored);
    }
    assert!(fdb.is_empty());
}

#[test]
fn only_the_vlan_id_counts() {
    let mut fdb = Fdb::new(16, AGEING_NS, 1);
    fdb.learn(0, mac(1), 0xe005, PortId(1));
    assert_eq!(fdb.lookup(0, mac(1), 0x0005), Some(PortId(1)));
    assert_eq!(fdb.lookup(0, mac(1), 0), None);
}

#[test]
fn the_default_size_fills_to_its_bound() {
    for seed in [0, 1, 0xdead_beef_dead_beef] {
        let mut fdb = Fdb::new(Fdb::DEFAULT_CAPACITY, Fdb::DEFAULT_AGEING_NS, seed);
        for n in 0..Fdb::DEFAULT_CAPACITY as u16 {
            assert_eq!(fdb.learn(0, mac(n), 0, PortId(n % 8)), Learned::New, "{n}");
        }
        assert_eq!(fdb.learn(0, mac(0xfff0), 0, PortId(1)), Learned::Full);
        assert!(
            (0..Fdb::DEFAULT_CAPACITY as u16)
                .all(|n| fdb.lookup(1, mac(n), 0) == Some(PortId(n % 8)))
        );
        assert_eq!(fdb.age(Fdb::DEFAULT_AGEING_NS, usize::MAX), Fdb::DEFAULT_CAPACITY);
        assert!(fdb.is_empty());
    }
}
