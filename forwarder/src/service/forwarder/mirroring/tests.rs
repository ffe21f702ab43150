use super::*;
use crate::host::bridge::decode::Message;
use crate::host::bridge::offload::WhyNot;
use crate::host::bridge::state::Settings;
use crate::host::links::Method;
use weir_core::{ForeignRules, Reserved, Role};
use weir_schema::PortPlan;

fn told(plan: &PortPlan, view: Option<&PortView>) -> GatePort {
    gate_port(plan, 0, 7, 1, view, None).0
}

fn plan(role: Role) -> PortPlan {
    PortPlan::default().port("v1", role)
}

#[test]
fn a_limit_has_a_burst_with_it() {
    let words = |per_s| {
        let port = told(&PortPlan { storm: per_s, ..plan(Role::Vif) }, None);
        (port.storm as u32, port.storm >> 32)
    };
    assert_eq!(words(None), (100_000, 4096));
    assert_eq!(words(Some(0)), (0, 0));
    assert_eq!(words(Some(1)), (1_000_000_000, 64));
    assert_eq!(words(Some(1000)), (1_000_000, 409));
    assert_eq!(words(Some(10_000_000)), (100, 4_096_000));
    assert_eq!(told(&plan(Role::Uplink), None).storm, 0);
}

#[test]
fn frames_are_handed_to_a_port_only_in_a_way_that_is_known() {
    let port = |way| gate_port(&plan(Role::Vif), 0, 7, 1, None, way).0;
    assert_eq!((port(None).method_for(9), port(None).most()), (None, 0));
    let mac = Mac::new([2, 0, 0, 0, 0, 9]);
    let told = port(Some(&ExpressPath { method: Method::Peer { mac }, max_len: 1518 }));
    assert_eq!(told.method_for(mac.to_u64()), Some(weir_abi::Method::Peer));
    assert_eq!((told.most(), told.ifindex()), (1518, 7));
}

#[test]
fn reserved_groups_pass_where_the_role_or_the_port_says_so() {
    let passes = |role, reserved| {
        told(&PortPlan { reserved, ..plan(role) }, None).has(gate_flags::RESERVED_OK)
    };
    assert!(!passes(Role::Vif, None) && passes(Role::Uplink, None));
    assert!(passes(Role::Vif, Some(Reserved::Pass)));
    assert!(!passes(Role::Uplink, Some(Reserved::Drop)));
}

#[test]
fn rules_of_the_host_leave_a_port_to_the_bridge_unless_it_ignores_them() {
    let rule =
        WhyNot { found: "a rule".to_owned(), to_do: "remove it".to_owned(), is_foreign: true };
    let mut state = BridgeState::new(1);
    let settings = Settings { up: true, ..Settings::default() };
    state.apply(Message::Bridge { ifindex: 1, settings });
    let settings = Default::default();
    state.apply(Message::Port { bridge: 1, ifindex: 7, settings, vlans: None });
    let ruled = view(&state, 7, vec![rule]).unwrap();
    let is_gates = |foreign_rules| {
        let plan = PortPlan { foreign_rules, ..plan(Role::Vif) };
        told(&plan, Some(&ruled)).has(gate_flags::OFFLOAD)
    };
    assert!(!is_gates(ForeignRules::Bridge) && is_gates(ForeignRules::Ignore));
}

#[test]
fn a_driver_that_may_hide_tags_decides_nothing_where_vlans_count() {
    let decides = |mode, vlan_filtering| {
        let mut state = BridgeState::new(1);
        let settings =
            Settings { up: true, vlan_filtering, vlan_protocol: 0x8100, ..Settings::default() };
        state.apply(Message::Bridge { ifindex: 1, settings });
        let settings = Default::default();
        state.apply(Message::Port { bridge: 1, ifindex: 7, settings, vlans: None });
        let plan = PortPlan { mode, ..plan(Role::Vif) };
        told(&plan, view(&state, 7, Vec::new()).as_ref()).has(gate_flags::OFFLOAD)
    };
    assert!(decides(Mode::Native, false) && decides(Mode::Gate, true));
    assert!(!decides(Mode::Native, true));
}

fn ports<const N: usize>(ifindexes: [u32; N]) -> Ports {
    ifindexes.map(|ifindex| (ifindex, format!("v{ifindex}"))).into()
}

fn failed() -> Findings {
    Findings { unknown: vec!["nftables: Operation not permitted".to_owned()], ..Default::default() }
}

/// The number of reasons that leave each of three ports to the bridge.
fn reasons(found: &Findings) -> [usize; 3] {
    [1, 2, 3].map(|port| found.of_port(port).len())
}

#[test]
fn what_was_found_holds_for_a_while_if_rules_cannot_be_read_and_then_there_may_be_any() {
    let (began, mut rules) = (Instant::now(), HostRules::default());
    let after = |found_holds: f64| began + FOUND_HOLDS.mul_f64(found_holds);
    let at_first = rules.take(failed(), &ports([1, 2]), began);
    assert_eq!(reasons(&at_first), [1, 1, 0]);

    let mut complete = Findings::default();
    complete.ports.insert(1, at_first.of_port(1));
    rules.found = rules.take(complete, &ports([1, 2]), began);
    assert_eq!(reasons(&rules.found), [1, 0, 0]);
    let held = rules.take(failed(), &ports([1, 2, 3]), after(0.9));
    assert_eq!(reasons(&held), [1, 0, 1], "the third was not looked at before");
    let later = rules.take(failed(), &ports([1, 2, 3]), after(1.1));
    assert_eq!(reasons(&later), [1, 1, 1]);
}
