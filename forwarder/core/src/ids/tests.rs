use super::*;
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn mac_text() {
    let mac: Mac = "02:00:5E:10:00:ff".parse().unwrap();
    assert_eq!(mac.octets(), [2, 0, 0x5e, 0x10, 0, 0xff]);
    assert_eq!(mac.to_string(), "02:00:5e:10:00:ff");
    for wrong in [
        "",
        "02",
        "02:00:00:00:00",
        "02:00:00:00:00:00:00",
        "02:00:00:00:00:0g",
        "+2:00:00:00:00:01",
    ] {
        let error = wrong.parse::<Mac>().unwrap_err().to_string();
        assert!(error.contains("02:00:00:00:00:01"), "{error}");
    }
}

#[test]
fn mac_group() {
    assert!(Mac::new([0xff; 6]).is_multicast());
    assert!(Mac::new([1, 0, 0x5e, 0, 0, 1]).is_multicast());
    assert!(!Mac::new([2, 1, 1, 1, 1, 1]).is_multicast());
}

/// Some ids close together, as slots are, and some anywhere, including beyond the last slot.
fn ids() -> impl Strategy<Value = u16> {
    prop_oneof![0u16..70, 960u16..1100, 0u16..1024]
}

proptest! {
    #[test]
    fn mac_round_trips(octets: [u8; 6]) {
        let mac = Mac::new(octets);
        prop_assert_eq!(mac.octets(), octets);
        prop_assert_eq!(mac.to_string().parse::<Mac>().unwrap(), mac);
    }

    #[test]
    fn port_set_is_a_set(ops in prop::collection::vec((any::<bool>(), ids()), 0..200), start in 0u16..1024) {
        let (mut set, mut model) = (PortSet::EMPTY, HashSet::new());
        for (insert, id) in ops {
            if insert {
                prop_assert_eq!(set.insert(PortId(id)), id < 1024 && model.insert(id));
            } else {
                prop_assert_eq!(set.remove(PortId(id)), model.remove(&id));
            }
            prop_assert_eq!(set.contains(PortId(id)), model.contains(&id));
        }
        let mut sorted: Vec<u16> = model.iter().copied().collect();
        sorted.sort_unstable();
        prop_assert_eq!(set.iter().map(|port| port.0).collect::<Vec<_>>(), sorted.clone());
        prop_assert_eq!(set.into_iter().map(|port| port.0).collect::<Vec<_>>(), sorted.clone());
        prop_assert_eq!(set.first().map(|port| port.0), sorted.first().copied());
        prop_assert_eq!(set.len(), model.len());
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(set, sorted.iter().map(|&id| PortId(id)).collect::<PortSet>());
        let around = sorted.iter().find(|&&id| id >= start).or(sorted.first()).map(|&id| PortId(id));
        prop_assert_eq!(set.next_from(PortId(start)), around);
    }
}
