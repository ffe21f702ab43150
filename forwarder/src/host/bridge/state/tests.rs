use proptest::prelude::*;

use super::super::testing::{BRIDGE, PORT, recorded};
use super::*;

fn key(last: u8, vid: u16) -> AddressKey {
    AddressKey { mac: [2, 0, 0, 0, 0, last], vid }
}

/// The state, and the changes, after all commands up to and including the first with this beginning.
fn after(command: &str) -> (BridgeState, Vec<Change>) {
    let mut state = BridgeState::new(BRIDGE);
    for step in recorded() {
        let changes: Vec<_> = step.messages().flat_map(|news| state.apply(news)).collect();
        if step.command.starts_with(command) {
            return (state, changes);
        }
    }
    panic!("no such step: {command}")
}

#[test]
fn a_bridge_comes_to_be_and_goes() {
    let (state, changes) = after("ip link set v1 master br0");
    assert!(changes.contains(&Change::PortChanged { ifindex: PORT }));
    assert_eq!(state.ports().map(|(ifindex, _)| ifindex).collect::<Vec<_>>(), [PORT]);
    assert_eq!(state.port(PORT).unwrap().vlans.pvid(), Some(1));
    let local = state.address(key(1, 1)).unwrap();
    assert_eq!((local.kind, local.ifindex), (AddressKind::Local, PORT));
    assert_eq!(state.address(key(0xb0, 0)).unwrap().ifindex, BRIDGE);

    let (state, changes) = after("ip link set v1 nomaster");
    assert!(changes.contains(&Change::PortChanged { ifindex: PORT }), "{changes:?}");
    assert_eq!(state.ports().count(), 0);
    assert!(state.addresses().all(|seen| seen.address.ifindex == BRIDGE));

    let (state, changes) = after("ip link del br0");
    assert_eq!(changes.last(), Some(&Change::BridgeRemoved));
    assert_eq!(state, BridgeState::new(BRIDGE));
}

#[test]
fn vlans_follow() {
    let (state, changes) = after("bridge vlan add dev v1 vid 7 pvid untagged");
    assert!(changes.contains(&Change::PortChanged { ifindex: PORT }));
    let vlans = &state.port(PORT).unwrap().vlans;
    assert_eq!(vlans.pvid(), Some(7));
    assert_eq!(vlans.spans(|_| true), [(1, 1), (7, 7), (100, 110)]);

    let (state, _) = after("bridge vlan del dev v1 vid 104-106");
    let vlans = &state.port(PORT).unwrap().vlans;
    assert_eq!(vlans.spans(|_| true), [(1, 1), (7, 7), (100, 103), (107, 110)]);
    let blocked = vlans.spans(|flags| flags.state == StpState::BLOCKING);
    assert_eq!(blocked, [(102, 102)], "the list that followed says nothing of states");
}

#[test]
fn the_table_follows() {
    let (state, changes) = after("bridge fdb add 02:00:00:00:00:77");
    let address = *state.address(key(0x77, 100)).unwrap();
    assert_eq!(changes, [Change::AddressSet { address, before: None }]);
    let (state, changes) = after("bridge fdb del 02:00:00:00:00:77");
    assert_eq!(changes, [Change::AddressRemoved { address }]);
    assert_eq!(state.address(key(0x77, 100)), None);
    let (_, changes) = after("ip link set br0 promisc on");
    assert!(changes.contains(&Change::SettingsChanged));
}

#[test]
fn a_message_of_another_bridge_changes_nothing() {
    let mut state = BridgeState::new(99);
    for step in recorded() {
        for news in step.messages() {
            assert_eq!(state.apply(news), []);
        }
    }
    assert_eq!(state, BridgeState::new(99));
}

#[test]
fn a_late_farewell_does_not_remove_what_has_moved() {
    let mut state = BridgeState::new(1);
    let at = |ifindex| Message::Address { bridge: 1, seen: seen(5, ifindex) };
    let gone = |ifindex| Message::AddressGone { bridge: 1, key: key(5, 0), ifindex };
    state.apply(at(7));
    let moved = seen(5, 8).address;
    assert_eq!(state.apply(at(8)), [Change::AddressSet { address: moved, before: Some(7) }]);
    assert_eq!(state.apply(gone(7)), []);
    assert_eq!(state.apply(gone(8)), [Change::AddressRemoved { address: moved }]);
}

fn seen(last: u8, ifindex: u32) -> Seen {
    let address = Address {
        key: key(last, 0),
        ifindex,
        kind: AddressKind::Learned,
        extern_learned: false,
        locked: false,
    };
    Seen { address, at_ns: 0 }
}

fn any_message() -> impl Strategy<Value = Message> {
    let port = 10..14_u32;
    let range = |vid, state: u8| {
        let flags = VlanFlags::new(vid == 3, vid % 2 == 0);
        let flags = VlanFlags { state: StpState(state), ..flags };
        VlanRange { first: vid, last: vid + 2, flags }
    };
    prop_oneof![
        any::<bool>().prop_map(|up| Message::Bridge {
            ifindex: 1,
            settings: Settings { up, ..Settings::default() },
        }),
        (port.clone(), any::<bool>(), any::<bool>()).prop_map(move |(ifindex, isolated, list)| {
            let settings = PortSettings { isolated, ..PortSettings::default() };
            let vlans = list.then(|| VlanSet::from_iter([range(3, 3)]));
            Message::Port { bridge: 1, ifindex, settings, vlans }
        }),
        (1..3_u32, port.clone())
            .prop_map(|(bridge, ifindex)| Message::NotAPort { bridge: Some(bridge), ifindex }),
        (port.clone(), 1..9_u16, 2..5_u8).prop_map(move |(ifindex, vid, state)| Message::Vlans {
            ifindex,
            ranges: vec![range(vid, state)],
            gone: false,
        }),
        (port.clone(), 1..9_u16).prop_map(move |(ifindex, vid)| Message::Vlans {
            ifindex,
            ranges: vec![range(vid, 3)],
            gone: true,
        }),
        (0..4_u8, port.clone())
            .prop_map(|(last, ifindex)| Message::Address { bridge: 1, seen: seen(last, ifindex) }),
        (0..4_u8, port).prop_map(|(last, ifindex)| Message::AddressGone {
            bridge: 1,
            key: key(last, 0),
            ifindex
        }),
    ]
}

fn built(messages: &[Message]) -> BridgeState {
    let mut state = BridgeState::new(1);
    for message in messages {
        state.apply(message.clone());
    }
    state
}

proptest! {
    /// Applying a message twice changes nothing more, and a change is reported exactly when the state
    /// changes.
    #[test]
    fn applying_twice_is_applying_once(messages in prop::collection::vec(any_message(), 0..40)) {
        let mut state = BridgeState::new(1);
        for message in messages {
            let before = state.clone();
            let changes = state.apply(message.clone());
            prop_assert_eq!(changes.is_empty(), before == state, "{:?} {:?}", message, changes);
            let after = state.clone();
            prop_assert_eq!(state.apply(message), []);
            prop_assert_eq!(state, after.clone());
            state = after;
        }
    }

    /// The difference between two readings names every port and entry that differs, and no other.
    #[test]
    fn differences_are_complete(
        old in prop::collection::vec(any_message(), 0..30),
        new in prop::collection::vec(any_message(), 0..30),
    ) {
        let (mut old, mut new) = (built(&old), built(&new));
        // The removal of a bridge is reported as that change alone.
        for state in [&mut old, &mut new] {
            let settings = Settings::default();
            state.apply(Message::Bridge { ifindex: 1, settings });
        }
        prop_assert_eq!(new.changes_to(&new), []);
        let changes = old.changes_to(&new);
        for last in 0..4 {
            let told = changes.iter().filter(|change| match change {
                Change::AddressSet { address, .. }
                | Change::AddressRemoved { address } => address.key == key(last, 0),
                _ => false,
            });
            let same = old.address(key(last, 0)) == new.address(key(last, 0));
            prop_assert_eq!(told.count(), usize::from(!same));
        }
        for port in 10..14 {
            let told = changes.contains(&Change::PortChanged { ifindex: port });
            prop_assert_eq!(told, old.port(port) != new.port(port));
        }
        let empty = changes.is_empty();
        prop_assert_eq!(empty, old == new);
    }
}
