//! Random patches: a document has everything that a patch can change, and no patch half-changes a plan.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_core::{Choice as _, Policy};

use super::{bridge, listed};

fn some_port() -> impl Strategy<Value = Value> {
    let rate = |from: u64, to: u64| {
        proptest::option::of((from..to).prop_map(|k| format!("{}", weir_core::Rate::new(k * 1000))))
    };
    let all = (
        proptest::option::of(1u32..=1000),
        rate(1, 10_000),
        rate(10_000, 1_000_000),
        proptest::option::of(sample(&["2KiB", "64KiB", "1.5MiB"])),
        rate(100_000, 1_000_000),
        proptest::option::of(sample(&["eager", "fixed", "adaptive"])),
        proptest::option::of((1_000u64..1_000_000_000).prop_map(|ns| format!("{ns}ns"))),
        proptest::option::of(any::<bool>()),
        (
            proptest::option::of(0u32..=10_000_000),
            proptest::option::of(sample(&["drop", "pass"])),
            sample(&["bridge", "ignore"]),
            sample(&["auto", "scheduled"]),
        ),
        proptest::collection::vec(sample(&["02:00:00:00:00:01", "02:00:00:00:00:02"]), 0..3),
    );
    all.prop_map(|(weight, min, max, burst, rate, release, timeout, conserving, gate, macs)| {
        let (storm, reserved, foreign, lane) = gate;
        json!({
            "role": "vif", "weight": weight, "min-rate": min, "max-rate": max, "burst": burst,
            "rate": rate, "release": release, "timeout": timeout, "work-conserving": conserving,
            "storm": storm, "reserved": reserved, "foreign-rules": foreign, "lane": lane,
            "mac-lock": macs,
        })
    })
}

fn sample(of: &'static [&'static str]) -> impl Strategy<Value = &'static str> + Clone {
    proptest::sample::select(of)
}

fn some_patch() -> impl Strategy<Value = Value> {
    let ports = proptest::collection::btree_map(sample(&["v1", "v2", "v3"]), some_port(), 0..3);
    (ports, 1..1000u32, proptest::sample::select(Policy::ALL)).prop_map(|(ports, alpha, policy)| {
        let alpha = f64::from(alpha) / 1000.0;
        json!({"ports": ports, "container": {"alpha": alpha}, "scheduler": {"policy": policy}})
    })
}

proptest! {
    #[test]
    fn a_document_says_all_that_a_patch_can_change(
        first in some_patch(), second in some_patch(), bridged: bool
    ) {
        let known = ["v1", "v2", "v4"].map(String::from);
        let start = if bridged { bridge() } else { listed() };
        let plan = start.patch(&first, &known).unwrap();
        let document = plan.document(&known);
        prop_assert_eq!(&plan.patch(&document, &known).unwrap(), &plan, "its own document");
        let other = plan.patch(&second, &known).unwrap();
        // Back again: a document that names only the present ports removes the others.
        let mut back = plan.document(&known);
        for port in other.ports.iter().filter(|port| !plan.lists(&port.name) && !port.of_bridge) {
            back["ports"][&port.name] = Value::Null;
        }
        let returned = other.patch(&back, &known).unwrap();
        prop_assert_eq!(returned.document(&known), document);
        prop_assert!(plan.differences(&returned).is_empty());
        let text = serde_json::to_string(&plan.document(&known)).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(plan.differences(&plan.patch(&read, &known).unwrap()).is_empty());
    }

    #[test]
    fn no_patch_panics_or_half_changes(patch in some_json()) {
        let plan = listed();
        if let Ok(new) = plan.patch(&patch, &[]) {
            let document = new.document(&[]);
            prop_assert_eq!(new.patch(&document, &[]).unwrap(), new);
        }
    }
}

fn some_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        sample(&["vif", "uplink", "10Mbit", "4KiB", "drr", "", "ü"]).prop_map(Value::from),
    ];
    let key = sample(&[
        "scheduler",
        "container",
        "ports",
        "nic0",
        "v1",
        "role",
        "weight",
        "policy",
        "rate",
        "min-rate",
        "mac-lock",
        "alpha",
        "forwarder",
        "x",
    ]);
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(key.clone(), inner, 0..4).prop_map(|map| {
                Value::Object(map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
            }),
        ]
    })
}
