//! Documents, patches, and the reports of changes.

mod random;

use serde_json::{Value, json};

use weir_core::{ByteSize, Fallback, Lane, Mac, Mode, Policy, Release, Role, Span};

use crate::*;

const FILE: &str = r#"
[container]
bytes = "2KiB"
[[port]]
name = "nic0"
role = "uplink"
rate = "100Mbit"
[[port]]
name = "v2"
mode = "native"
fallback = "drop"
worker = 1
[[port]]
name = "v1"
weight = 4
min-rate = "20Mbit"
lane = "scheduled"
storm = 500
ip-lock = ["10.0.0.1"]
"#;

fn listed() -> Plan {
    parse(FILE, "weir.toml", &Host { cores: vec![0, 1] }).unwrap()
}

#[track_caller]
fn refused(plan: &Plan, patch: Value, status: u16, error: &str) {
    let refused = plan.patch(&patch, &["tap7".into()]).expect_err("accepted");
    assert_eq!((status_of(&refused), refused.to_string().as_str()), (status, error));
}

/// The error's HTTP status.
fn status_of(error: &PatchError) -> u16 {
    match error {
        PatchError::NoSuchPort(_) => 404,
        PatchError::Invalid(_) => 422,
    }
}

fn bridge() -> Plan {
    Plan::for_bridge("br0", &["nic0".into()], 1)
}

#[test]
fn a_change_is_said_key_by_key() {
    let (old, mut new) = (bridge(), bridge());
    assert_eq!(old.differences(&new), []);
    new.forwarder.workers = vec![0, 1];
    new.scheduler.policy = Policy::Wrr;
    new.forwarder.metrics = Some(([127, 0, 0, 1], 9477).into());
    new.measure = MeasurePlan { latency: false, flows: 0, flow_idle: Span::new(5_000_000_000) };
    new.ports[0].release = Some(Release::Fixed);
    new.ports[0].mac_lock = vec![Mac::new([2, 0, 0, 0, 0, 1])];
    let mut joined = new.port_named("tap7");
    joined.weight = 4;
    new.ports.push(joined);
    new.ports.push(new.defaults.port("v9", Role::Vif));
    let said = |from: &Plan, to: &Plan| -> Vec<String> {
        from.differences(to).iter().map(ToString::to_string).collect()
    };
    let expected = [
        "forwarder.workers 1 -> 0,1 (needs a restart)",
        "forwarder.metrics none -> 127.0.0.1:9477 (needs a restart)",
        "scheduler.policy drr -> wrr",
        "measure.latency true -> false (needs a restart)",
        "measure.flows 4096 -> 0 (needs a restart)",
        "measure.flow-idle 60s -> 5s (needs a restart)",
        "port nic0: release default -> fixed",
        "port nic0: mac-lock none -> 02:00:00:00:00:01 (the port is taken out and in again)",
        "port tap7: weight 1 -> 4",
        "port v9: added",
    ];
    assert_eq!(said(&old, &new), expected);
    assert_eq!(old.differences(&new)[8].port.as_deref(), Some("tap7"));
    let back = said(&new, &old);
    assert_eq!(back[8..], ["port tap7: weight 4 -> 1", "port v9: removed"]);
}

/// Keys of a port that a patch can change.
fn changeable() -> Vec<&'static str> {
    let settings = PortPlan::SETTINGS.iter().map(|row| &row.about);
    settings.filter(|setting| setting.effect.by_patch()).map(|setting| setting.key).collect()
}

#[test]
fn the_document_is_the_one_promised() {
    // Every changeable setting, with the values that differ from the defaults.
    let port = |changed: Value| {
        let by_patch = |setting: &Declaration| setting.effect.by_patch();
        let mut port = crate::document::section(&PortPlan::default(), by_patch);
        for (key, value) in changed.as_object().unwrap() {
            assert!(port.get(key).is_some_and(|default| default != value), "{key}");
            port[key] = value.clone();
        }
        port
    };
    let expected = json!({
        "scheduler": {"policy": "drr", "inactive-after": "10ms"},
        "container": {
            "release": "eager", "timeout": "200us", "alpha": 0.99, "work-conserving": true,
        },
        "ports": {
            "nic0": port(json!({"role": "uplink", "rate": "100Mbit"})),
            "v1": port(json!({
                "weight": 4, "min-rate": "20Mbit", "lane": "scheduled", "storm": 500,
                "ip-lock": ["10.0.0.1"],
            })),
            "v2": port(json!({})),
        },
    });
    let kept = ["name", "mode", "worker", "fallback"];
    let all = PortPlan::SETTINGS.iter().map(|row| row.about.key);
    let told: Vec<&str> = all.filter(|key| !kept.contains(key)).collect();
    assert_eq!(changeable(), told);
    assert_eq!(listed().document(&["another".into()]), expected);
}

#[test]
fn a_patch_changes_what_it_names_and_keeps_what_it_cannot_tell() {
    let old = listed();
    let patch = json!({
        "scheduler": {"policy": "fifo"},
        "container": {"alpha": 0.5, "timeout": null},
        "ports": {
            "v1": {"weight": null, "max-rate": "30Mbit", "lane": null, "storm": null,
                   "ip-lock": null},
            "v2": {"release": "adaptive", "timeout": "1ms", "work-conserving": false,
                   "lane": "scheduled", "storm": 0, "reserved": "drop", "foreign-rules": "ignore"},
            "v3": {"role": "vif", "min-rate": "80Mbit"},
        },
    });
    let new = old.patch(&patch, &[]).unwrap();
    let said: Vec<String> = old.differences(&new).iter().map(ToString::to_string).collect();
    let expected = [
        "container.alpha 0.99 -> 0.5",
        "scheduler.policy drr -> fifo",
        "port v1: weight 4 -> 1",
        "port v1: max-rate none -> 30Mbit",
        "port v1: lane scheduled -> auto",
        "port v1: storm 500 -> default",
        "port v1: ip-lock 10.0.0.1 -> none (the port is taken out and in again)",
        "port v2: release default -> adaptive",
        "port v2: timeout default -> 1ms",
        "port v2: work-conserving default -> false",
        "port v2: lane auto -> scheduled",
        "port v2: storm default -> 0",
        "port v2: reserved default -> drop",
        "port v2: foreign-rules bridge -> ignore",
        "port v3: added",
    ];
    assert_eq!(said, expected);
    assert_eq!(new.container.bytes.bytes, 2048);
    let v2 = new.port_named("v2");
    assert_eq!((v2.mode, v2.fallback, v2.worker), (Mode::Native, Fallback::Drop, Some(1)));
    assert_eq!(v2.at, old.port_named("v2").at);
    assert_eq!(
        new.container,
        ContainerPlan { bytes: old.container.bytes, alpha: 0.5, ..Default::default() }
    );

    let gone = new.patch(&json!({"ports": {"v2": null, "v1": {"min-rate": null}}}), &[]).unwrap();
    let names: Vec<&str> = gone.ports.iter().map(|port| port.name.as_str()).collect();
    assert_eq!(names, ["nic0", "v1", "v3"]);
}

#[test]
fn a_port_of_the_bridge_is_planned_while_it_is_promised_more_than_the_others() {
    let (plan, known) = (bridge(), ["tap7".to_owned()]);
    assert_eq!(plan.document(&known)["ports"]["tap7"]["weight"], 1);
    let patched = plan.patch(&json!({"ports": {"tap7": {"weight": 4}}}), &known).unwrap();
    let tap7 = patched.port_named("tap7");
    assert_eq!((tap7.weight, tap7.of_bridge), (4, true));
    // Another vif gets a promise while this one is away.
    let other = patched.patch(&json!({"ports": {"tap8": {"weight": 2}}}), &["tap8".into()]);
    let names: Vec<String> = other.unwrap().ports.into_iter().map(|port| port.name).collect();
    assert_eq!(names, ["nic0", "tap7", "tap8"]);
    let back = patched.patch(&json!({"ports": {"tap7": {"weight": 1}}}), &known).unwrap();
    assert_eq!(back, plan);
    let added = plan.patch(&json!({"ports": {"v9": {"role": "vif"}}}), &known).unwrap();
    assert!(added.lists("v9") && !added.port_named("v9").of_bridge);
}

#[test]
fn the_lane_of_the_command_line_is_what_a_port_goes_back_to() {
    for mut plan in [listed(), bridge()] {
        plan.every_port().for_each(|port| port.lane = Lane::Scheduled);
        let known = ["tap7".to_owned()];
        let patch = json!({"ports": {"nic0": {"lane": "auto"}, "v9": {"role": "vif"}}});
        let lanes = |plan: &Plan| ["nic0", "tap7", "v9"].map(|name| plan.port_named(name).lane);
        let changed = plan.patch(&patch, &known).unwrap();
        assert_eq!(lanes(&changed), [Lane::Auto, Lane::Scheduled, Lane::Scheduled]);
        let back = changed.patch(&json!({"ports": {"nic0": {"lane": null}}}), &known).unwrap();
        assert_eq!(lanes(&back), [Lane::Scheduled; 3]);
    }
}

#[test]
fn what_would_be_no_valid_configuration_is_refused_in_the_words_of_the_file() {
    let plan = listed();
    let port = |name: &str, patch: Value| json!({"ports": {name: patch}});
    refused(
        &plan,
        port(
            "v1",
            json!({"weight": 0, "queue": "512KB", "min-rate": "2Mbit", "max-rate": "1Mbit"}),
        ),
        422,
        "ports.v1.weight: 0 is out of range; valid: a whole number from 1 to 1000\n\
         ports.v1.min-rate: 2Mbit is above max-rate, 1Mbit; valid: at most 1Mbit\n\
         ports.v1.queue: \"512KB\" is not a size; valid: a number and B, KiB, MiB or GiB, from \
         \"4KiB\" to \"1GiB\"",
    );
    refused(
        &plan,
        port("v2", json!({"min-rate": "80.001Mbit"})),
        422,
        "ports.nic0.rate: 100Mbit is less than the sum of the other ports' min-rate, 100.001Mbit; \
         valid: at least 100.001Mbit",
    );
    refused(
        &plan,
        port("v2", json!({"wieght": 2})),
        422,
        &format!(
            "ports.v2.wieght: unknown key; did you mean `weight`?; valid: {}",
            changeable().join(", ")
        ),
    );
    refused(
        &plan,
        json!({"container": {"bytes": "4KiB"}}),
        422,
        "container.bytes: cannot be changed while weir runs; valid: release, timeout, alpha, \
         work-conserving",
    );
    refused(
        &plan,
        json!({"measure": {"latency": false}}),
        422,
        "measure: cannot be changed while weir runs; valid: scheduler, container, ports",
    );
    refused(
        &plan,
        port("nic0", Value::Null),
        422,
        "ports: no port is an uplink; valid: at least one port with role = \"uplink\", the way \
         out of the host",
    );
    refused(
        &plan,
        port("a b", json!({"role": "vif"})),
        422,
        "ports.a b: \"a b\" cannot be an interface's name; valid: an interface's name, such as \
         \"eth1\": 1 to 15 characters without spaces, slashes and colons",
    );
    refused(&plan, json!({"ports": null}), 422, "ports: 0 ports are listed; valid: 1 to 1024");
    refused(
        &plan,
        json!([1]),
        422,
        "patch: is no JSON object; valid: what is to change, such as {\"ports\": {\"v1\": \
         {\"weight\": 4}}}",
    );
    refused(
        &plan,
        json!({"scheduler": 3}),
        422,
        "scheduler: 3 is not a section; valid: one section [scheduler]",
    );
}

#[test]
fn a_port_that_there_is_not_is_no_new_one_unless_it_is_given_a_role() {
    let (plan, bridge) = (listed(), bridge());
    let error = "ports.tap7: there is no such port; valid: a port that `weir port list` shows, or \
                 a role for a new one";
    refused(&plan, json!({"ports": {"tap7": {"weight": 4}}}), 404, error);
    refused(&plan, json!({"ports": {"tap7": null}}), 404, error);
    let error = "ports.tap7: cannot be deleted while it is a port of the bridge br0; valid: take \
                 it out of the bridge (ip link set dev tap7 nomaster)";
    refused(&bridge, json!({"ports": {"tap7": null}}), 422, error);
    // The promises of a bridge's port are forgotten once it is gone.
    let promised = bridge.patch(&json!({"ports": {"tap7": {"weight": 4}}}), &["tap7".into()]);
    let forgotten = promised.unwrap().patch(&json!({"ports": {"tap7": null}}), &[]).unwrap();
    assert_eq!(forgotten, bridge);
}

#[test]
fn what_needs_a_restart_stays_as_it_is() {
    let (old, mut new) = (listed(), listed());
    new.forwarder.workers = vec![0, 1];
    new.forwarder.metrics = Some(([127, 0, 0, 1], 9477).into());
    new.measure.flows = 0;
    new.container.bytes = ByteSize::new(8192);
    new.ports[2].worker = Some(0);
    new.ports[2].weight = 9;
    let real = new.without_restart(&old);
    assert_eq!((&real.forwarder, real.container.bytes), (&old.forwarder, old.container.bytes));
    assert_eq!(real.measure, old.measure);
    assert_eq!((real.ports[2].worker, real.ports[2].weight), (None, 9));
    let left: Vec<String> = old.differences(&real).iter().map(ToString::to_string).collect();
    assert_eq!(left, ["port v1: weight 4 -> 9"]);
}
