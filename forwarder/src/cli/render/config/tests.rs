use serde_json::json;

use super::*;
use weir_schema::{Host, Plan, parse};

fn plan(text: &str) -> Plan {
    parse(text, "f", &Host { cores: vec![0] }).unwrap()
}

const FILE: &str = r#"
[[port]]
name = "v1"
weight = 4
max-rate = "20Mbit"
work-conserving = false
storm = 500
mac-lock = ["02:00:00:00:00:01"]
[[port]]
name = "e\"1\\"
role = "uplink"
"#;

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let plan = plan(FILE);
    let text = config(&plan.document(&[]));
    let expected = r#"# What can be changed while weir runs, as it is now. What is set at its start
# (workers, idle, mode and so on) is not shown.

[container]
alpha = 0.99
release = "eager"
timeout = "200us"
work-conserving = true

[scheduler]
inactive-after = "10ms"
policy = "drr"

[[port]]
name = "e\"1\\"
role = "uplink"
weight = 1
burst = "64KiB"
queue = "512KiB"
lane = "auto"
foreign-rules = "bridge"

[[port]]
name = "v1"
role = "vif"
weight = 4
max-rate = "20Mbit"
burst = "64KiB"
queue = "512KiB"
work-conserving = false
lane = "auto"
storm = 500
foreign-rules = "bridge"
mac-lock = ["02:00:00:00:00:01"]
"#;
    assert_eq!(text, expected);
    assert_eq!(self::plan(&text).document(&[]), plan.document(&[]));
}

#[test]
fn what_changed_is_said_as_weirs_log_says_it() {
    let old = plan(FILE);
    let patch = json!({
        "scheduler": {"policy": "wrr"},
        "ports": {
            "v1": {"max-rate": null, "work-conserving": null, "min-rate": "1Mbit", "storm": null,
                   "reserved": "pass"},
            "v2": {"role": "vif"},
        },
    });
    let new = old.patch(&patch, &[]).unwrap();
    let documents = (old.document(&[]), new.document(&[]));
    let said = changes(&documents.0, &documents.1);
    let logged = old.differences(&new);
    assert_eq!(said, logged.iter().map(|change| format!("{change}\n")).collect::<String>());
    assert_eq!(said.lines().count(), 7);
    let back = changes(&documents.1, &documents.0);
    assert!(back.ends_with("port v1: reserved pass -> default\nport v2: removed\n"));
    assert_eq!(changes(&documents.0, &documents.0), "no change\n");
}
