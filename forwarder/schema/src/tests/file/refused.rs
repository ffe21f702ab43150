//! A table of invalid files, with the exact messages.

use super::*;

#[track_caller]
fn refused(text: &str, expected: &str) {
    let errors = parse(text, "weir.toml", &host()).expect_err("accepted");
    assert_eq!(errors.to_string(), expected.trim_matches('\n'), "\n{errors}\n");
}

/// The same with an uplink in the first three lines.
#[track_caller]
fn with_uplink(text: &str, expected: &str) {
    refused(&format!("{UPLINK}{text}"), expected);
}

#[test]
fn without_ports_or_without_an_uplink() {
    let wanted = "valid: a [[port]] for each interface, at least one with role = \"uplink\"";
    refused("", &format!("weir.toml:1:1: port: no port is listed; {wanted}\n    1 | \n      | ^"));
    refused(
        "port = 3",
        &format!("weir.toml:1:8: port: 3 is no port; {wanted}\n    1 | port = 3\n      |        ^"),
    );
    refused(
        "[port]\nname = \"a\"",
        "weir.toml:1:1: port: is written [port]; valid: [[port]]\n    1 | [port]\n      | ^^^^^^",
    );
    refused(
        "[[port]]\nname = \"v1\"\nrole = \"vif\"\n",
        r#"
weir.toml:2:8: port.role: no port is an uplink; valid: at least one port with role = "uplink", the way out of the host
    2 | name = "v1"
      |        ^^^^
"#,
    );
    with_uplink(
        "[[port]]\nrole = \"vif\"\n",
        r#"
weir.toml:4:1: port.name: is missing; valid: an interface's name, such as "eth1": 1 to 15 characters without spaces, slashes and colons
    4 | [[port]]
      | ^^^^^^^^
"#,
    );
}

#[test]
fn unknown_keys_and_sections() {
    let keys: Vec<&str> = PortPlan::SETTINGS.iter().map(|row| row.about.key).collect();
    with_uplink(
        "wieght = 2\ncolour = \"red\"\n[containr]\n",
        &r#"
weir.toml:4:1: port.wieght: unknown key; did you mean `weight`?; valid: KEYS
    4 | wieght = 2
      | ^^^^^^
weir.toml:5:1: port.colour: unknown key; valid: KEYS
    5 | colour = "red"
      | ^^^^^^
weir.toml:6:2: containr: unknown key; did you mean `container`?; valid: forwarder, container, scheduler, measure, port
    6 | [containr]
      |  ^^^^^^^^
"#
        .replace("KEYS", &keys.join(", ")),
    );
}

#[test]
fn every_problem_of_a_port_is_said_at_once() {
    with_uplink(
        r#"[[port]]
name = "eth1/0"
role = "viff"
mode = 3
weight = 0
queue = "512KB"
mac-lock = ["02:00:00:00:00", "01:00:00:00:00:00"]
ip-lock = "10.0.0.1/24"
[[port]]
name = "nic0"
fallback = "pas"
storm = "10000/s"
reserved = "forward"
foreign-rules = "bridg"
lane = "schedule"
[[port]]
name = "v2"
lane = true
"#,
        r#"
weir.toml:5:8: port.name: "eth1/0" cannot be an interface's name; valid: an interface's name, such as "eth1": 1 to 15 characters without spaces, slashes and colons
    5 | name = "eth1/0"
      |        ^^^^^^^^
weir.toml:6:8: port.role: unknown "viff"; did you mean "vif"?; valid: uplink | vif
    6 | role = "viff"
      |        ^^^^^^
weir.toml:7:8: port.mode: 3 is a bare number, not text in quotes; valid: gate | native
    7 | mode = 3
      |        ^
weir.toml:8:10: port.weight: 0 is out of range; valid: a whole number from 1 to 1000
    8 | weight = 0
      |          ^
weir.toml:9:9: port.queue: "512KB" is not a size; valid: a number and B, KiB, MiB or GiB, from "4KiB" to "1GiB"
    9 | queue = "512KB"
      |         ^^^^^^^
weir.toml:10:13: port.mac-lock: "02:00:00:00:00" is not a MAC address; valid: six pairs of hex digits, such as "02:00:00:00:00:01"
   10 | mac-lock = ["02:00:00:00:00", "01:00:00:00:00:00"]
      |             ^^^^^^^^^^^^^^^^
weir.toml:10:31: port.mac-lock: 01:00:00:00:00:00 cannot be a sender: it is a group's address, or none; valid: one interface's address (its first byte is even)
   10 | mac-lock = ["02:00:00:00:00", "01:00:00:00:00:00"]
      |                               ^^^^^^^^^^^^^^^^^^^
weir.toml:11:11: port.ip-lock: "10.0.0.1/24" is not a list; valid: a list of addresses, such as ["10.0.0.1", "fd00::1"]
   11 | ip-lock = "10.0.0.1/24"
      |           ^^^^^^^^^^^^^
weir.toml:13:8: port.name: "nic0" is listed twice, first in line 2; valid: each interface once
   13 | name = "nic0"
      |        ^^^^^^
weir.toml:14:12: port.fallback: unknown "pas"; did you mean "pass"?; valid: pass | drop
   14 | fallback = "pas"
      |            ^^^^^
weir.toml:15:9: port.storm: "10000/s" is not a whole number; valid: a whole number from 0 to 10000000
   15 | storm = "10000/s"
      |         ^^^^^^^^^
weir.toml:16:12: port.reserved: unknown "forward"; valid: drop | pass
   16 | reserved = "forward"
      |            ^^^^^^^^^
weir.toml:17:17: port.foreign-rules: unknown "bridg"; did you mean "bridge"?; valid: bridge | ignore
   17 | foreign-rules = "bridg"
      |                 ^^^^^^^
weir.toml:18:8: port.lane: unknown "schedule"; did you mean "scheduled"?; valid: auto | scheduled
   18 | lane = "schedule"
      |        ^^^^^^^^^^
weir.toml:21:8: port.lane: true is not text in quotes; valid: auto | scheduled
   21 | lane = true
      |        ^^^^
"#,
    );
}

#[test]
fn what_is_promised_must_be_possible() {
    with_uplink(
        r#"rate = "30Mbit"
min-rate = "5Mbit"
[[port]]
name = "v1"
weight = 4
min-rate = "20Mbit"
max-rate = "10Mbit"
[[port]]
name = "v2"
min-rate = "20Mbit"
burst = "1KiB"
[[port]]
name = "v3"
max-rate = "20Mb"
rate = "40Mbit"
worker = 0
[[port]]
name = "v4"
weight = 1001
rate = "45Mbit"
timeout = "2s"
release = "adaptiv"
"#,
        r#"
weir.toml:4:8: port.rate: 30Mbit is less than the sum of the other ports' min-rate, 40Mbit; valid: at least 40Mbit
    4 | rate = "30Mbit"
      |        ^^^^^^^^
weir.toml:9:12: port.min-rate: 20Mbit is above max-rate, 10Mbit; valid: at most 10Mbit
    9 | min-rate = "20Mbit"
      |            ^^^^^^^^
weir.toml:14:9: port.burst: 1KiB is out of range; valid: a number and B, KiB or MiB, from "2KiB" to "64MiB"
   14 | burst = "1KiB"
      |         ^^^^^^
weir.toml:17:12: port.max-rate: "20Mb" is not a rate; valid: a number and bit, Kbit, Mbit or Gbit, such as "100Mbit"
   17 | max-rate = "20Mb"
      |            ^^^^^^
weir.toml:18:8: port.rate: 40Mbit is less than the sum of the other ports' min-rate, 45Mbit; valid: at least 45Mbit
   18 | rate = "40Mbit"
      |        ^^^^^^^^
weir.toml:19:10: port.worker: there is no worker on core 0; valid: a core of [forwarder] workers: 1
   19 | worker = 0
      |          ^
weir.toml:22:10: port.weight: 1001 is out of range; valid: a whole number from 1 to 1000
   22 | weight = 1001
      |          ^^^^
weir.toml:24:11: port.timeout: 2s is out of range; valid: a number and ns, us, ms or s, from "1us" to "1s"
   24 | timeout = "2s"
      |           ^^^^
weir.toml:25:11: port.release: unknown "adaptiv"; did you mean "adaptive"?; valid: eager | fixed | adaptive
   25 | release = "adaptiv"
      |           ^^^^^^^^^
"#,
    );
}

#[test]
fn the_sections_above_the_ports() {
    refused(
        &format!(
            r#"[forwarder]
workers = [7, -1]
idle = "spni"
control = "weir.sock"
metrics = "0.0.0.0:9477"
[container]
bytes = "2MiB"
release = "late"
timeout = 200
alpha = 1
work-conserving = "no"
[scheduler]
policy = "wr"
inactive-after = "5m"
[measure]
latency = "on"
flows = 65537
flow-idel = "60s"
flow-idle = "2h"
{UPLINK}"#
        ),
        r#"
weir.toml:2:12: forwarder.workers: there is no core 7; valid: 0, 1
    2 | workers = [7, -1]
      |            ^
weir.toml:2:15: forwarder.workers: -1 is out of range; valid: 0, 1
    2 | workers = [7, -1]
      |               ^^
weir.toml:3:8: forwarder.idle: unknown "spni"; did you mean "spin"?; valid: spin | adaptive | sleep
    3 | idle = "spni"
      |        ^^^^^^
weir.toml:4:11: forwarder.control: "weir.sock" is not the absolute path of a file; valid: an absolute path of at most 107 bytes, such as "/run/weir.sock"
    4 | control = "weir.sock"
      |           ^^^^^^^^^^^
weir.toml:5:11: forwarder.metrics: 0.0.0.0:9477 is not a loopback address; valid: a loopback address and port, such as "127.0.0.1:9477"
    5 | metrics = "0.0.0.0:9477"
      |           ^^^^^^^^^^^^^^
weir.toml:7:9: container.bytes: 2MiB is out of range; valid: a number and B, KiB or MiB, from "64B" to "1MiB"
    7 | bytes = "2MiB"
      |         ^^^^^^
weir.toml:8:11: container.release: unknown "late"; valid: eager | fixed | adaptive
    8 | release = "late"
      |           ^^^^^^
weir.toml:9:11: container.timeout: 200 is a bare number, not text in quotes; valid: a number and ns, us, ms or s, from "1us" to "1s"
    9 | timeout = 200
      |           ^^^
weir.toml:10:9: container.alpha: 1 is not a fraction; valid: a fraction between 0 and 1, such as 0.99
   10 | alpha = 1
      |         ^
weir.toml:11:19: container.work-conserving: "no" is neither true nor false; valid: true, false
   11 | work-conserving = "no"
      |                   ^^^^
weir.toml:13:10: scheduler.policy: unknown "wr"; did you mean "wrr"?; valid: drr | wrr | fifo
   13 | policy = "wr"
      |          ^^^^
weir.toml:14:18: scheduler.inactive-after: "5m" is not a time; valid: a number and ns, us, ms or s, from "1us" to "1s"
   14 | inactive-after = "5m"
      |                  ^^^^
weir.toml:16:11: measure.latency: "on" is neither true nor false; valid: true, false
   16 | latency = "on"
      |           ^^^^
weir.toml:17:9: measure.flows: 65537 is out of range; valid: a whole number from 0 to 65536
   17 | flows = 65537
      |         ^^^^^
weir.toml:18:1: measure.flow-idel: unknown key; did you mean `flow-idle`?; valid: latency, flows, flow-idle
   18 | flow-idel = "60s"
      | ^^^^^^^^^
weir.toml:19:13: measure.flow-idle: "2h" is not a time; valid: a number and ns, us, ms or s, from "1s" to "3600s"
   19 | flow-idle = "2h"
      |             ^^^^
"#,
    );
}

#[test]
fn a_worker_for_each_core() {
    let before = |text: &str| format!("[forwarder]\n{text}\n{UPLINK}");
    assert_eq!(plan(&before("workers = [1, 0]")).forwarder.workers, [1, 0]);
    refused(
        &before("workers = [1, 1]"),
        "weir.toml:2:15: forwarder.workers: core 1 is listed twice; valid: each core once\n    2 | workers = [1, 1]\n      |               ^",
    );
    refused(
        &before("workers = []"),
        "weir.toml:2:11: forwarder.workers: the list is empty; valid: a list of 1 to 64 cores, such as [1]\n    2 | workers = []\n      |           ^^",
    );
    let many = format!("{:?}", [0; 65]);
    let carets = "^".repeat(many.len());
    refused(
        &before(&format!("workers = {many}")),
        &format!(
            "weir.toml:2:11: forwarder.workers: 65 items are too many; valid: at most 64\n    2 | workers = {many}\n      |           {carets}"
        ),
    );
}

#[test]
fn what_is_no_toml_is_said_once_where_it_stops() {
    refused(
        "[[port]]\nname = nic0\nrole = uplink\n",
        "weir.toml:2:8: syntax: nic0 is not quoted; valid: \"nic0\"\n    2 | name = nic0\n      |        ^^^^",
    );
    refused(
        "[[port]]\nname = \"a\"\nname = \"b\"\n",
        "weir.toml:3:1: syntax: duplicate key\n    3 | name = \"b\"\n      | ^^^^",
    );
    refused(
        "[[port]\n",
        "weir.toml:1:8: syntax: unclosed array table, expected `]`\n    1 | [[port]\n      |        ^",
    );
}
