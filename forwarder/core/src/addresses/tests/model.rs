//! Compares any sequence of calls with a plain map.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Learn(u32, Location),
    Forget(u32),
    RemovePort(u16),
    Clear,
    Pin(u32, u16),
    Seen(u32),
}

fn location() -> impl Strategy<Value = Location> {
    prop_oneof![
        8 => (0u16..4).prop_map(port),
        1 => Just(Location::Elsewhere),
        1 => Just(Location::Host),
    ]
}

fn op(addresses: u32) -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => (0..addresses, location()).prop_map(|(n, at)| Op::Learn(n, at)),
        4 => (0..addresses).prop_map(Op::Forget),
        1 => (0u16..4).prop_map(Op::RemovePort),
        1 => Just(Op::Clear),
        3 => (0..addresses, 0u16..4).prop_map(|(n, port)| Op::Pin(n, port)),
        3 => (0..addresses).prop_map(Op::Seen),
    ]
}

/// The place of each address and of each lock, without bounds and without damping.
#[derive(Default)]
struct Model {
    at: HashMap<u32, Location>,
    pins: HashMap<u32, u16>,
}

impl Model {
    fn pin(&self, n: u32) -> Option<Location> {
        self.pins.get(&n).copied().map(port)
    }

    /// Moves an address to the place of its lock, or removes it if there is none.
    fn fall_back(&mut self, n: u32) {
        match self.pin(n) {
            Some(pin) => self.at.insert(n, pin),
            None => self.at.remove(&n),
        };
    }

    fn apply(&mut self, op: &Op) {
        let all: Vec<u32> = self.at.keys().copied().collect();
        match *op {
            Op::Learn(n, Location::Host) => {
                self.at.insert(n, Location::Host);
            }
            Op::Learn(n, at) => {
                self.at.insert(n, self.pin(n).unwrap_or(at));
            }
            Op::Forget(n) => self.fall_back(n),
            Op::Clear => all.into_iter().for_each(|n| self.fall_back(n)),
            Op::RemovePort(p) => {
                self.pins.retain(|_, of| *of != p);
                self.at.retain(|_, at| *at != port(p));
            }
            Op::Pin(n, p) => {
                if *self.pins.entry(n).or_insert(p) == p && self.at.get(&n) != Some(&Location::Host)
                {
                    self.at.insert(n, port(p));
                }
            }
            Op::Seen(_) => {}
        }
    }
}

fn apply(table: &mut Table, now: u64, op: &Op) {
    match *op {
        Op::Learn(n, at) => table.learn(now, address(n), at),
        Op::Forget(n) => table.forget(address(n)),
        Op::RemovePort(n) => table.remove_port(PortId(n)),
        Op::Clear => table.clear(),
        Op::Pin(n, port) => {
            let _refused = table.pin(now, address(n), PortId(port));
        }
        Op::Seen(n) => {
            if table.view(address(n)).is_some() {
                table.gate_sees(now, address(n));
            }
        }
    }
}

/// Whether `a` uses a larger part of its quota than `b`.
fn fuller(a: PortAddresses, more_a: u32, b: PortAddresses, more_b: u32) -> bool {
    u64::from(a.entries + more_a) * u64::from(b.quota)
        > u64::from(b.entries + more_b) * u64::from(a.quota)
}

/// Checks that an evicted entry was one of the fullest port, which used more of its quota than the winner.
fn check_eviction(
    table: &Table,
    op: &Op,
    bucket: &[AddressEntry],
    before: &dyn Fn(Location) -> PortAddresses,
) {
    let Op::Learn(n, to) = *op else { return };
    let losers: Vec<_> = bucket
        .iter()
        .filter(|entry| table.port(entry.location).evicted > before(entry.location).evicted)
        .collect();
    let Some(loser) = losers.first() else { return };
    assert!(losers.iter().all(|other| other.location == loser.location));
    let winner = table.pins.get(&address(n)).map_or(to, |pin| Location::Port(*pin));
    for entry in bucket.iter().filter(|e| !e.pinned && e.location != Location::Host) {
        assert!(
            !fuller(before(entry.location), 0, before(loser.location), 0),
            "{entry:?} {loser:?}"
        );
    }
    if winner == to && to != Location::Host && !table.pins.contains_key(&address(n)) {
        assert!(fuller(before(loser.location), 0, before(to), 1), "{loser:?} for {to:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// With room for all addresses and time between moves, the gate sees what the map says.
    #[test]
    fn the_gate_sees_what_the_bridge_says(ops in prop::collection::vec(op(20), 1..200)) {
        let (mut table, mut model) = (table(256), Model::default());
        for (step, op) in ops.iter().enumerate() {
            let now = (step as u64 + 1) * (SETTLED_NS + SECOND);
            apply(&mut table, now, op);
            model.apply(op);
            prop_assert_eq!(table.retried(now), []);
            for n in 0..20 {
                prop_assert_eq!(table.view(address(n)), model.at.get(&n).copied(), "{} after {:?}", n, op);
                prop_assert_eq!(table.location(address(n)), model.at.get(&n).copied());
            }
        }
        table.check();
    }

    /// Without enough room and without time between moves, the bounds on what a reader sees still hold.
    #[test]
    fn bounds_hold_under_pressure(
        ops in prop::collection::vec((op(60), 0u64..4 * SECOND), 1..400),
        quotas in prop::collection::vec(0u32..9, 4),
    ) {
        let (mut table, mut now) = (table(2), 1000 * SECOND);
        let mut bridge = HashMap::<u32, Location>::new();
        let set_quota = |table: &mut Table, n: u16| table.set_quota(port(n), quotas[usize::from(n)]);
        (0..4).for_each(|n| set_quota(&mut table, n));
        for (mut op, wait) in ops {
            now += wait;
            // Few enough host addresses and locks that each has a place in every bucket.
            match &mut op {
                Op::Learn(n, at) if *at == Location::Host => *n %= 4,
                Op::Pin(n, _) => *n = 4 + *n % 4,
                _ => {}
            }
            let bucket: Vec<_> = match op {
                Op::Learn(n, _) => table.iter().filter(|e| table.words.bucket(e.address) == table.words.bucket(address(n))).collect(),
                _ => Vec::new(),
            };
            let places: Vec<_> = (0..4).map(port).chain([Location::Elsewhere, Location::Host]).collect();
            let ports: HashMap<_, _> = places.iter().map(|at| (*at, table.port(*at))).collect();
            apply(&mut table, now, &op);
            check_eviction(&table, &op, &bucket, &|at| ports[&at]);
            for at in places {
                let port = table.port(at);
                let pins = matches!(op, Op::Pin(..)) || table.pins.values().any(|pin| Location::Port(*pin) == at);
                prop_assert!(pins || port.entries <= port.quota.max(ports[&at].entries), "{:?} {:?}", at, port);
            }
            match op {
                Op::Learn(n, at) => drop(bridge.insert(n, at)),
                Op::Forget(n) => drop(bridge.remove(&n)),
                Op::Clear => bridge.clear(),
                Op::RemovePort(p) => {
                    bridge.retain(|_, at| *at != port(p));
                    set_quota(&mut table, p);
                }
                Op::Pin(..) | Op::Seen(_) => {}
            }
            for asked in table.retried(now) {
                match (0..60).find(|n| address(*n) == asked).and_then(|n| bridge.get(&n)) {
                    Some(&at) => table.learn(now, asked, at),
                    None => table.forget(asked),
                }
            }
            table.check();
            for n in 0..60 {
                let view = table.view(address(n));
                if bridge.get(&n) == Some(&Location::Host) {
                    prop_assert_eq!(view, Some(Location::Host));
                } else if let Some(pin) = table.pins.get(&address(n)) {
                    prop_assert_eq!(view, Some(Location::Port(*pin)), "{} is locked", n);
                }
            }
            for entry in table.iter().filter(|entry| !entry.damped && !entry.pinned && entry.seen_ns == 0) {
                let n = (0..60).find(|n| address(*n) == entry.address).unwrap();
                prop_assert_eq!(bridge.get(&n), Some(&entry.location), "{:?} after {:?}", entry, op);
            }
            prop_assert!(table.waiting() <= 6 * REFUSED_PER_PORT);
        }
        // After a quiet time nothing is damped any more.
        for _ in 0..3 {
            now += SETTLED_NS;
            for asked in table.retried(now) {
                let n = (0..60).find(|n| address(*n) == asked).unwrap();
                match bridge.get(&n) {
                    Some(&at) => table.learn(now, asked, at),
                    None => table.forget(asked),
                }
            }
        }
        prop_assert!(table.iter().all(|entry| !entry.damped));
        prop_assert!(table.calendar.len() <= table.iter().count());
    }
}
