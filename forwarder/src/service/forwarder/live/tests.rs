use super::*;
use weir_core::{Lane, Release, Role};

fn plan() -> Plan {
    let mut plan = Plan::for_bridge("br0", &["nic0".into()], 1);
    plan.bridge = None;
    plan.ports.push(plan.defaults.port("v1", Role::Vif));
    plan
}

#[test]
fn a_change_is_sorted_by_what_it_asks_for() {
    let (old, mut new) = (plan(), plan());
    new.ports[0].mac_lock = vec![weir_core::Mac::new([2, 0, 0, 0, 0, 1])];
    new.ports[0].weight = 3;
    new.ports[1] = new.defaults.port("v2", Role::Vif);
    new.container.timeout = weir_core::Span::new(7);
    let differences = old.differences(&new);
    let changes = Changes::of(&differences);
    let expected =
        Changes { added: ["v2"].into(), removed: ["v1"].into(), renewed: ["nic0"].into() };
    assert_eq!(changes, expected);
}

#[test]
fn the_gate_hears_of_each_change_of_a_port_and_of_those_for_all() {
    let (old, mut new) = (plan(), plan());
    new.ports[1].max_rate = Some(weir_core::Rate::new(7));
    let differences = old.differences(&new);
    assert_eq!(changed_ports(&differences), Some(["v1"].into()));
    new.ports[0].rate = new.ports[1].max_rate;
    new.ports[1] = PortPlan { lane: Lane::Scheduled, ..old.ports[1].clone() };
    let differences = old.differences(&new);
    assert_eq!(changed_ports(&differences), Some(["nic0", "v1"].into()));
    new.container.release = Release::Fixed;
    assert_eq!(changed_ports(&old.differences(&new)), None);
    assert_eq!(changed_ports(&[]), Some(BTreeSet::new()));
}

#[test]
fn only_what_is_not_there_is_not_found() {
    let port = plan().ports[1].clone();
    let missing = GuardError::Missing { name: "v1".into(), candidates: vec![] };
    let default = GuardError::DefaultRoute { name: "v1".into() };
    let both = vec![(port.clone(), missing.clone()), (port.clone(), default)];
    let why = |wrong| Refused::from(ApplyError::Ports(wrong)).why;
    assert_eq!(why(vec![(port, missing)]), StatusCode::NOT_FOUND);
    assert_eq!(why(both), StatusCode::UNPROCESSABLE_ENTITY);
}
