use std::collections::BTreeMap;

use allocation_counter::measure;

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn it_is_a_map(ops in prop::collection::vec((0u8..4, 0u16..40, any::<u32>()), 0..300)) {
        let (mut table, mut model) = (ByPort::default(), BTreeMap::new());
        for (op, id, value) in ops {
            // The range covers the first and the last ports, and some beyond.
            let port = PortId(if id < 20 { id } else { id + MAX_PORTS as u16 - 35 });
            let fits = port.index() < MAX_PORTS;
            match op {
                0 => prop_assert_eq!(table.remove(port), model.remove(&port)),
                1 => {
                    if let Some(at) = table.get_mut(port) {
                        *at = value;
                    }
                    model.entry(port).and_modify(|at| *at = value);
                }
                _ if fits => prop_assert_eq!(table.insert(port, value), model.insert(port, value)),
                _ => prop_assert_eq!(table.insert(port, value), Some(value)),
            }
            prop_assert_eq!(table.get(port), model.get(&port));
            prop_assert_eq!(table.contains(port), model.contains_key(&port));
            prop_assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
        }
        let all: Vec<_> = table.iter().map(|(port, value)| (port, *value)).collect();
        let again = table.iter_mut().map(|(port, value)| (port, *value));
        prop_assert_eq!(&all, &again.collect::<Vec<_>>());
        prop_assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn memory_is_taken_for_who_is_there() {
    let mut table = ByPort::default();
    let ports = || (0..MAX_PORTS as u16).map(PortId);
    let stay = [3, 5, 1000].map(PortId);
    let all = measure(|| ports().for_each(|id| assert!(table.insert(id, [0_u64; 8]).is_none())));
    let group = all.bytes_current / GROUPS as i64;
    assert!(group >= (GROUP * 64) as i64);
    let mut gone = |ports: &mut dyn Iterator<Item = PortId>| {
        let freed = measure(|| ports.for_each(|id| assert!(table.remove(id).is_some())));
        (table.len(), -freed.bytes_current)
    };
    let most = gone(&mut ports().filter(|id| !stay.contains(id)));
    assert_eq!(most, (3, (GROUPS as i64 - 2) * group));
    assert_eq!(gone(&mut stay.into_iter()), (0, 2 * group));
}
