use super::super::decode::Message;
use super::super::state::{VlanRange, VlanSet};
use super::*;

const BRIDGE: u32 = 10;

/// A rule of the host.
fn rule() -> WhyNot {
    WhyNot { found: "a rule".to_owned(), to_do: "remove it".to_owned(), is_foreign: true }
}

fn range(first: u16, last: u16, pvid: bool, untagged: bool) -> VlanRange {
    VlanRange { first, last, flags: VlanFlags::new(pvid, untagged) }
}

/// A bridge with the ports 1 and 2, both members of VLAN 1 (untagged) and 10 to 19 (tagged).
fn bed(
    bridge: impl FnOnce(&mut Settings),
    port: impl FnOnce(&mut PortSettings, &mut VlanSet),
) -> BridgeState {
    let mut state = BridgeState::new(BRIDGE);
    let mut settings = Settings { name: "br0".to_owned(), up: true, ..Settings::default() };
    bridge(&mut settings);
    state.apply(Message::Bridge { ifindex: BRIDGE, settings });
    let plain = || {
        let vlans = VlanSet::from_iter([range(1, 1, true, true), range(10, 19, false, false)]);
        (PortSettings { name: "v1".to_owned(), ..PortSettings::default() }, vlans)
    };
    let (mut settings, mut vlans) = plain();
    port(&mut settings, &mut vlans);
    let add = |state: &mut BridgeState, ifindex, settings, vlans: VlanSet| {
        state.apply(Message::Port { bridge: BRIDGE, ifindex, settings, vlans: None });
        let single = |(vid, flags)| VlanRange { first: vid, last: vid, flags };
        let ranges = vlans.iter().map(single).collect();
        state.apply(Message::Vlans { ifindex, ranges, gone: false });
    };
    add(&mut state, 1, settings, vlans);
    let (settings, vlans) = plain();
    add(&mut state, 2, settings, vlans);
    state
}

fn ports(state: &BridgeState) -> (PortView, PortView) {
    (view(state, 1, Vec::new()).unwrap(), view(state, 2, Vec::new()).unwrap())
}

#[test]
fn a_plain_port_is_the_gates() {
    let state = bed(|_| {}, |_, _| {});
    let (one, two) = ports(&state);
    assert_eq!(one.why_not, []);
    assert_eq!(two.why_not, []);
    assert_eq!(view(&state, 3, Vec::new()), None);
    assert_eq!(view(&BridgeState::new(BRIDGE), 1, Vec::new()), None);
}

/// Each setting by itself keeps a port, or a bridge, from the gate, and says so.
#[test]
fn what_is_not_understood_is_the_bridges() {
    type Set = fn(&mut Settings, &mut PortSettings, &mut VlanSet);
    let cases: [(Set, &str, &str); 15] = [
        (|b, _, _| b.up = false, "`br0` is down", "br0 up"),
        (|b, _, _| b.promiscuous = true, "promiscuous", "promisc off"),
        (|b, _, _| b.vlan_protocol = 0x88a8, "0x88a8", "vlan_protocol 802.1Q"),
        (|b, _, _| b.vlan_statistics = true, "counts", "vlan_stats_enabled 0"),
        (|b, _, _| b.mst = true, "MST", "mst_enabled 0"),
        (|_, p, _| p.stp_state = StpState::BLOCKING, "STP state blocking", "state 3"),
        (|_, p, _| p.stp_state = StpState::DISABLED, "disabled", "v1 up"),
        (|_, p, _| p.neigh_suppress = true, "neigh_suppress", "neigh_suppress off"),
        (|_, p, _| p.proxy_arp = true, "proxy_arp", "proxy_arp off"),
        (|_, p, _| p.proxy_arp_wifi = true, "proxy_arp_wifi", "proxy_arp_wifi off"),
        (|_, p, _| p.vlan_tunnel = true, "vlan_tunnel", "vlan_tunnel off"),
        (|_, p, _| p.mab = true, "mab", "mab off"),
        (|_, p, _| p.backup_port = Some(9), "backup port", "nobackup_port"),
        (
            |_, _, vlans| {
                let mut blocked = range(12, 13, false, false);
                blocked.flags.state = StpState::BLOCKING;
                vlans.set(blocked);
            },
            "VLAN 12 of `v1` is in the state blocking",
            "vid 12 state forwarding",
        ),
        (
            |_, _, vlans| {
                let mut quiet = range(15, 15, false, false);
                quiet.flags.neigh_suppress = true;
                vlans.set(quiet);
            },
            "neigh_suppress on in VLAN 15",
            "vid 15 neigh_suppress off",
        ),
    ];
    for (set, found, to_do) in cases {
        let state = bed(
            |bridge| {
                bridge.vlan_filtering = true;
                set(bridge, &mut PortSettings::default(), &mut VlanSet::default());
            },
            |port, vlans| set(&mut Settings::default(), port, vlans),
        );
        let (one, _) = ports(&state);
        let reasons = one.why_not.clone();
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].found.contains(found), "{reasons:?}");
        assert!(reasons[0].to_do.contains(to_do), "{reasons:?}");
    }
}

#[test]
fn vlans_count_only_where_they_are_filtered() {
    let odd = |b: &mut Settings| {
        b.vlan_protocol = 0x88a8;
        b.vlan_statistics = true;
    };
    let (one, _) = ports(&bed(odd, |_, vlans| vlans.remove(0, 4095)));
    assert_eq!(one.why_not, []);
    assert!(!one.vlan_aware);
}

#[test]
fn a_ports_vlans_are_shown() {
    let state = bed(|b| b.vlan_filtering = true, |_, vlans| vlans.remove(15, 19));
    let (one, two) = ports(&state);
    let members = |view: &PortView| view.port.vlans.spans(|_| true);
    assert_eq!((one.port.vlans.pvid(), members(&one)), (Some(1), vec![(1, 1), (10, 14)]));
    assert_eq!(one.port.vlans.spans(|flags| flags.untagged), [(1, 1)]);
    assert_eq!(members(&two), [(1, 1), (10, 19)]);
    let (untagged, _) = ports(&bed(|b| b.vlan_filtering = true, |_, vlans| vlans.remove(1, 1)));
    assert_eq!(untagged.port.vlans.pvid(), None);
}

#[test]
fn what_the_gate_carries_out_is_no_reason() {
    let (one, _) = ports(&bed(
        |_| {},
        |port, _| {
            port.isolated = true;
            port.locked = true;
            port.learning = false;
        },
    ));
    assert_eq!(one.why_not, []);
    let settings = one.port.settings;
    assert!(settings.isolated && settings.locked && !settings.learning);
}

#[test]
fn a_reason_from_outside_counts_as_one_from_inside() {
    let why = rule();
    let view = view(&bed(|_| {}, |_, _| {}), 1, vec![why.clone()]).unwrap();
    assert_eq!(view.why_not, [rule()]);
    assert!(why.to_string().starts_with("a rule; its frames go by the bridge"));
}

#[test]
fn rules_of_the_host_can_be_ignored_and_nothing_else() {
    use ForeignRules::{Bridge, Ignore};
    let why = rule();
    let of = |state: BridgeState| view(&state, 1, vec![why.clone()]).unwrap();
    let ruled = of(bed(|_| {}, |_, _| {}));
    assert!(!ruled.is_decided(Bridge) && ruled.is_decided(Ignore));
    let said = ruled.remark(Bridge).unwrap();
    assert_eq!(said, format!("left to the bridge: {why}"));
    assert_eq!(ruled.remark(Ignore).unwrap(), "ignored, as it is told: a rule");
    let blocked = of(bed(|_| {}, |port, _| port.mab = true));
    assert!(!blocked.is_decided(Ignore));
    let said = blocked.remark(Ignore).unwrap();
    assert!(said.starts_with("left to the bridge: `v1` has mab on"), "{said}");
    assert!(said.ends_with("; ignored, as it is told: a rule"), "{said}");
    let (plain, _) = ports(&bed(|_| {}, |_, _| {}));
    assert!(plain.is_decided(Bridge) && plain.remark(Bridge).is_none());
}
