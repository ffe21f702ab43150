use super::super::decode::Message;
use super::super::state::{AddressKind, PortSettings, Seen, Settings, VlanFlags, VlanRange};
use super::*;

const BRIDGE: u32 = 1;
const SECOND: u64 = 1_000_000_000;

fn key(vid: u16) -> AddressKey {
    AddressKey { mac: [2, 0, 0, 0, 0, 7], vid }
}

fn address(vid: u16, ifindex: u32) -> Address {
    Address {
        key: key(vid),
        ifindex,
        kind: AddressKind::Learned,
        extern_learned: false,
        locked: false,
    }
}

/// A bridge with an ageing time of 100 s and the address at port 10.
fn bed(
    settings: impl FnOnce(&mut Settings),
    port: impl FnOnce(&mut PortSettings),
    entry: impl FnOnce(&mut Address),
) -> BridgeState {
    let mut state = BridgeState::new(BRIDGE);
    let mut bridge = Settings { ageing: Duration::from_secs(100), ..Settings::default() };
    settings(&mut bridge);
    let vid = if bridge.vlan_filtering { 5 } else { 0 };
    state.apply(Message::Bridge { ifindex: BRIDGE, settings: bridge });
    let mut plain = PortSettings::default();
    port(&mut plain);
    let add = |ifindex, settings| Message::Port { bridge: BRIDGE, ifindex, settings, vlans: None };
    state.apply(add(10, plain));
    state.apply(add(11, PortSettings::default()));
    let flags = VlanFlags::new(true, true);
    let ranges = vec![VlanRange { first: 5, last: 5, flags }];
    state.apply(Message::Vlans { ifindex: 10, ranges, gone: false });
    let mut address = address(vid, 10);
    entry(&mut address);
    state.apply(Message::Address { bridge: BRIDGE, seen: Seen { address, at_ns: 980 * SECOND } });
    state
}

/// The number of refreshes due `after` seconds, if the gate saw the address at `seen`; the bridge saw it
/// 20 s before the start at 1000 s.
fn count(state: &BridgeState, after: u64, seen: Option<u64>) -> usize {
    due(state, (1000 + after) * SECOND, |_| seen.map(|at| (1000 + at) * SECOND)).len()
}

#[test]
fn an_address_is_refreshed_when_it_is_soon_forgotten_and_was_seen() {
    let mut state = bed(|_| {}, |_| {}, |_| {});
    assert_eq!(count(&state, 54, Some(50)), 0, "it is young");
    assert_eq!(count(&state, 56, Some(50)), 1);
    assert_eq!(count(&state, 56, None), 0, "no gate has seen it");
    let at = |seconds| move |_: &Address| Some(seconds * SECOND);
    assert_eq!(due(&state, 1060 * SECOND, at(979)), [], "the bridge last of it later");
    let [refresh] = due(&state, 1060 * SECOND, at(1001))[..] else { panic!() };
    assert_eq!(refresh, Refresh { key: key(0), ifindex: 10 });
    state.refreshed(key(0), 1060 * SECOND);
    assert_eq!(due(&state, 1061 * SECOND, at(1060)), []);
    assert_eq!(due(&state, 1140 * SECOND, at(1059)), [], "not seen since");
    assert_eq!(due(&state, 1140 * SECOND, at(1061)), [refresh]);
    assert!(period(&state) < Duration::from_secs(100) / 4);
}

#[test]
fn only_what_the_bridge_would_learn_itself() {
    let never = [
        bed(|_| {}, |port| port.locked = true, |_| {}),
        bed(|_| {}, |port| port.learning = false, |_| {}),
        bed(|_| {}, |port| port.stp_state = StpState::BLOCKING, |_| {}),
        bed(|_| {}, |_| {}, |address| address.kind = AddressKind::Static),
        bed(|_| {}, |_| {}, |address| address.kind = AddressKind::Local),
        bed(|_| {}, |_| {}, |address| address.extern_learned = true),
        bed(|_| {}, |_| {}, |address| address.locked = true),
        bed(|_| {}, |_| {}, |address| address.ifindex = BRIDGE),
        bed(|_| {}, |_| {}, |address| address.key.vid = 5),
        bed(|bridge| bridge.ageing = Duration::ZERO, |_| {}, |_| {}),
        bed(|bridge| bridge.vlan_filtering = true, |_| {}, |address| address.key.vid = 6),
        bed(|bridge| bridge.vlan_filtering = true, |_| {}, |address| address.key.vid = 0),
    ];
    for state in never {
        assert_eq!(count(&state, 60, Some(59)), 0, "{state:?}");
    }
    assert_eq!(count(&bed(|bridge| bridge.vlan_filtering = true, |_| {}, |_| {}), 60, Some(59)), 1);
}

#[test]
fn a_changing_topology_forgets_sooner() {
    let changing = |bridge: &mut Settings| {
        bridge.topology_change = true;
        bridge.forward_delay = Duration::from_secs(40);
    };
    assert_eq!(count(&bed(changing, |_| {}, |_| {}), 9, Some(5)), 0);
    assert_eq!(count(&bed(changing, |_| {}, |_| {}), 10, Some(5)), 1);
}

#[test]
fn one_that_moved_or_went_is_not_due() {
    let mut state = bed(|_| {}, |_| {}, |_| {});
    let seen = Seen { address: address(0, 11), at_ns: 1060 * SECOND };
    state.apply(Message::Address { bridge: BRIDGE, seen });
    let due = |state: &BridgeState, at: u64| due(state, at * SECOND, |_| Some((at - 1) * SECOND));
    assert_eq!(due(&state, 1060), []);
    assert_eq!(due(&state, 1134), []);
    assert_eq!(due(&state, 1135), [Refresh { key: key(0), ifindex: 11 }]);
    state.apply(Message::AddressGone { bridge: BRIDGE, key: key(0), ifindex: 11 });
    assert_eq!(due(&state, 1140), []);
}

fn added(vid: u16, ifindex: u32) -> Change {
    Change::AddressSet { address: address(vid, ifindex), before: None }
}

fn moved(from: u32, to: u32) -> Change {
    Change::AddressSet { address: address(0, to), before: Some(from) }
}

fn removed(ifindex: u32) -> Change {
    Change::AddressRemoved { address: address(0, ifindex) }
}

#[test]
fn what_happened_at_the_same_moment_is_put_back() {
    let refresh = Refresh { key: key(0), ifindex: 10 };
    let elsewhere = Repair::MoveBack(Refresh { key: key(0), ifindex: 11 });
    let remove = Repair::Remove(Refresh { key: key(0), ifindex: 10 });
    let cases: [(&[Change], &[Repair]); 9] = [
        (&[], &[]),
        (&[Change::SettingsChanged, Change::PortChanged { ifindex: 10 }], &[]),
        // It moved after the write.
        (&[moved(10, 11)], &[]),
        // It moved before the write, which took it back.
        (&[moved(10, 11), moved(11, 10)], &[elsewhere]),
        // And moved again after it.
        (&[moved(10, 11), moved(11, 10), moved(10, 12)], &[]),
        (&[removed(10)], &[]),
        (&[removed(10), added(0, 10)], &[remove]),
        (&[removed(10), added(0, 10), removed(10)], &[]),
        (&[removed(10), added(0, 11)], &[]),
    ];
    for (told, wanted) in cases {
        assert_eq!(repairs(&refresh, told), wanted, "{told:?}");
    }
}

#[test]
fn vlans_that_the_kernel_enters_unasked_are_taken_out() {
    let unasked = Repair::Remove(Refresh { key: key(1), ifindex: 10 });
    let told = [added(1, 10)];
    assert_eq!(repairs(&Refresh { key: key(0), ifindex: 10 }, &told), [unasked]);
    assert_eq!(repairs(&Refresh { key: key(5), ifindex: 10 }, &told), []);
    assert_eq!(repairs(&Refresh { key: key(0), ifindex: 10 }, &[added(1, 11)]), []);
}
