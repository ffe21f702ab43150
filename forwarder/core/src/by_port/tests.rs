use std::collections::BTreeMap;

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
    for id in 0..MAX_PORTS as u16 {
        assert!(table.insert(PortId(id), [0_u64; 8]).is_none());
    }
    let group = table.bytes() / GROUPS;
    assert!(group >= GROUP * 64);
    for id in (0..MAX_PORTS as u16).filter(|id| ![3, 5, 1000].contains(id)) {
        assert!(table.remove(PortId(id)).is_some());
    }
    assert_eq!((table.len(), table.bytes()), (3, 2 * group));
    for id in [3, 5, 1000] {
        assert!(table.remove(PortId(id)).is_some());
    }
    assert_eq!((table.len(), table.bytes()), (0, 0));
}
