//! Files that are right, and a table of files that are not with exactly what is said about them.

use std::net::IpAddr;

use super::*;
use crate::control::plan::{Fallback, Located, Mode, Role};

const UPLINK: &str = "[[port]]\nname = \"nic0\"\nrole = \"uplink\"\n";

fn host() -> Host {
    Host { cores: vec![0, 1] }
}

fn plan(text: &str) -> Plan {
    parse(text, "weir.toml", &host()).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_shape_of_the_design_is_read_whole() {
    let text = r#"
[forwarder]
workers = [0]
idle = "spin"
control = "/run/weir/a.sock"
[container]
bytes = "2KiB"
release = "eager"
timeout = "300us"
alpha = 0.95
work-conserving = false
[scheduler]
policy = "drr"
inactive-after = "20ms"
[[port]]
name = "nic0"
role = "uplink"
mode = "native"
[[port]]
name = "v1"
role = "vif"
mode = "skb"
weight = 1
queue = "256KiB"
fallback = "drop"
mac-lock = ["02:00:00:00:00:01", "02:00:00:00:00:01"]
ip-lock = ["10.0.0.1", "fd00::1"]
"#;
    let plan = plan(text);
    assert_eq!(
        plan.forwarder,
        ForwarderPlan { workers: vec![0], idle: Idle::Spin, control: "/run/weir/a.sock".into() }
    );
    assert_eq!(
        plan.container,
        ContainerPlan {
            bytes: 2048,
            release: Release::Eager,
            timeout_ns: 300_000,
            alpha: 0.95,
            work_conserving: false
        }
    );
    assert_eq!(
        plan.scheduler,
        SchedulerPlan { policy: Policy::Drr, inactive_after_ns: 20_000_000 }
    );
    assert_eq!(plan.bridge, None);
    assert_eq!((plan.ports[0].role, plan.ports[0].mode), (Role::Uplink, Mode::Native));
    let v1 = PortPlan {
        name: "v1".into(),
        role: Role::Vif,
        mode: Mode::Skb,
        queue_bytes: 256 << 10,
        fallback: Fallback::Drop,
        mac_lock: vec![[2, 0, 0, 0, 0, 1]],
        ip_lock: ["10.0.0.1", "fd00::1"].map(|ip| ip.parse::<IpAddr>().unwrap()).to_vec(),
        at: Some(Located {
            file: "weir.toml".into(),
            line: 20,
            column: 8,
            width: 4,
            source_line: "name = \"v1\"".into(),
        }),
    };
    assert_eq!(plan.ports[1], v1);
    assert_eq!(plan.ports[1].line(), Some(20));
}

#[test]
fn all_but_the_ports_is_optional_and_a_port_is_a_vif_unless_it_says_otherwise() {
    let plan = plan(&format!("{UPLINK}[[port]]\nname = \"v1\"\n"));
    assert_eq!(plan.forwarder, ForwarderPlan::on(1));
    assert_eq!(plan.container, ContainerPlan::default());
    assert_eq!(plan.scheduler, SchedulerPlan::default());
    let v1 = PortPlan { at: None, ..plan.ports[1].clone() };
    assert_eq!(v1, PortDefaults::default().port("v1", Role::Vif));
    let two = format!("{UPLINK}{}", UPLINK.replace("nic0", "nic1"));
    assert_eq!(self::plan(&two).ports.len(), 2, "more than one uplink is allowed");
}

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
weir.toml:2:8: port.role: no port is an uplink; valid: at least one port with role = "uplink", where unknown destinations go
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
    with_uplink(
        "wieght = 2\ncolour = \"red\"\n[containr]\n",
        r#"
weir.toml:4:1: port.wieght: unknown key; did you mean `weight`?; valid: name, role, mode, rate, weight, min-rate, max-rate, queue, fallback, mac-lock, ip-lock
    4 | wieght = 2
      | ^^^^^^
weir.toml:5:1: port.colour: unknown key; valid: name, role, mode, rate, weight, min-rate, max-rate, queue, fallback, mac-lock, ip-lock
    5 | colour = "red"
      | ^^^^^^
weir.toml:6:2: containr: unknown key; did you mean `container`?; valid: forwarder, container, scheduler, port
    6 | [containr]
      |  ^^^^^^^^
"#,
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
"#,
        r#"
weir.toml:5:8: port.name: "eth1/0" cannot be an interface's name; valid: an interface's name, such as "eth1": 1 to 15 characters without spaces, slashes and colons
    5 | name = "eth1/0"
      |        ^^^^^^^^
weir.toml:6:8: port.role: unknown "viff"; did you mean "vif"?; valid: uplink | vif
    6 | role = "viff"
      |        ^^^^^^
weir.toml:7:8: port.mode: 3 is a bare number, not text in quotes; valid: auto | skb | native
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
weir.toml:10:31: port.mac-lock: 01:00:00:00:00:00 cannot be a sender: it is a group's address, or nobody's; valid: one interface's address (its first byte is even)
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
"#,
    );
}

#[test]
fn rates_are_checked_and_then_refused_because_they_are_not_kept_yet() {
    with_uplink(
        r#"rate = "30Mbit"
[[port]]
name = "v1"
weight = 4
min-rate = "20Mbit"
max-rate = "10Mbit"
[[port]]
name = "v2"
min-rate = "20Mbit"
[[port]]
name = "v3"
max-rate = "20Mb"
rate = "1Gbit"
"#,
        r#"
weir.toml:4:8: port.rate: 30Mbit is less than the sum of all min-rate, 40Mbit; valid: at least 40Mbit
    4 | rate = "30Mbit"
      |        ^^^^^^^^
weir.toml:7:10: port.weight: not yet: this version gives every vif the same share; valid: 1 (the default)
    7 | weight = 4
      |          ^
weir.toml:8:12: port.min-rate: 20Mbit is above max-rate, 10Mbit; valid: at most 10Mbit
    8 | min-rate = "20Mbit"
      |            ^^^^^^^^
weir.toml:9:12: port.max-rate: not yet: this version keeps no rates; valid: leave the key out: every vif gets an equal share
    9 | max-rate = "10Mbit"
      |            ^^^^^^^^
weir.toml:12:12: port.min-rate: not yet: this version keeps no rates; valid: leave the key out: every vif gets an equal share
   12 | min-rate = "20Mbit"
      |            ^^^^^^^^
weir.toml:15:12: port.max-rate: "20Mb" is not a rate; valid: a number and bit, Kbit, Mbit or Gbit, such as "100Mbit"
   15 | max-rate = "20Mb"
      |            ^^^^^^
weir.toml:16:8: port.rate: not yet: this version keeps no rates; valid: leave the key out: the link's own speed
   16 | rate = "1Gbit"
      |        ^^^^^^^
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
release = "fixed"
timeout = 200
alpha = 1
work-conserving = "no"
[scheduler]
policy = "wrr"
inactive-after = "5m"
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
weir.toml:8:11: container.release: not yet: this version releases every container at the end of its burst; valid: "eager"
    8 | release = "fixed"
      |           ^^^^^^^
weir.toml:9:11: container.timeout: 200 is a bare number, not text in quotes; valid: a number and ns, us, ms or s, from "1us" to "1s"
    9 | timeout = 200
      |           ^^^
weir.toml:10:9: container.alpha: 1 is not a fraction; valid: a fraction between 0 and 1, such as 0.99
   10 | alpha = 1
      |         ^
weir.toml:11:19: container.work-conserving: "no" is neither true nor false; valid: true, false
   11 | work-conserving = "no"
      |                   ^^^^
weir.toml:13:10: scheduler.policy: not yet: this version has one scheduler, a turn for each vif; valid: "drr"
   13 | policy = "wrr"
      |          ^^^^^
weir.toml:14:18: scheduler.inactive-after: "5m" is not a time; valid: a number and ns, us, ms or s, from "1us" to "1s"
   14 | inactive-after = "5m"
      |                  ^^^^
"#,
    );
}

#[test]
fn one_worker_and_no_metrics_listener_yet() {
    let before = |text: &str| format!("[forwarder]\n{text}\n{UPLINK}");
    refused(
        &before("workers = [0, 1]"),
        "weir.toml:2:11: forwarder.workers: not yet: this version has one worker; valid: one core\n    2 | workers = [0, 1]\n      |           ^^^^^^",
    );
    refused(
        &before("workers = [1, 1]"),
        "weir.toml:2:15: forwarder.workers: core 1 is listed twice; valid: each core once\n    2 | workers = [1, 1]\n      |               ^",
    );
    refused(
        &before("workers = []"),
        "weir.toml:2:11: forwarder.workers: the list is empty; valid: a list of one core, such as [1]\n    2 | workers = []\n      |           ^^",
    );
    refused(
        &before("metrics = \"127.0.0.1:9477\""),
        "weir.toml:2:11: forwarder.metrics: not yet: this version has no metrics listener; valid: leave the key out, and ask the control socket: `weir stats --json`\n    2 | metrics = \"127.0.0.1:9477\"\n      |           ^^^^^^^^^^^^^^^^",
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

#[test]
fn a_missing_interface_is_shown_where_the_file_names_it() {
    let plan = plan(UPLINK);
    let errors = ConfigErrors::port(&plan.ports[0], "no such interface", "valid: lo, eth1");
    assert_eq!(
        errors.to_string(),
        "weir.toml:2:8: port.name: no such interface; valid: lo, eth1\n    2 | name = \"nic0\"\n      |        ^^^^^^"
    );
    let unlisted = PortDefaults::default().port("tap0", Role::Vif);
    let errors = ConfigErrors::port(&unlisted, "no such interface", "");
    assert_eq!(errors.to_string(), "tap0: no such interface");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weir.toml");
    let load = || load(&path, &host()).unwrap_err().to_string();
    let name = path.display();
    assert_eq!(load(), format!("{name}: cannot be read: No such file or directory (os error 2)"));
    std::fs::write(&path, b"[forwarder]\n\xff").unwrap();
    assert_eq!(load(), format!("{name}: is not UTF-8 text: line 2 has a byte that cannot be"));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    assert_eq!(load(), format!("{name}: is longer than 1 MiB: this is no configuration of weir"));
    std::fs::write(&path, UPLINK).unwrap();
    assert_eq!(super::load(&path, &host()).unwrap().ports.len(), 1);
}

#[test]
fn cores_are_read_in_the_kernels_notation() {
    assert_eq!(parse_core_list("0-3,8\n"), [0, 1, 2, 3, 8]);
    assert_eq!(parse_core_list("0\n"), [0]);
    assert!(parse_core_list("").is_empty());
    assert!(!Host::detect().cores.is_empty());
}

proptest::proptest! {
    #[test]
    fn no_text_panics(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec![
                "[[port]]\n", "[port]\n", "[forwarder]\n", "name", "role", "weight", "queue", " = ",
                "\"uplink\"", "\"ü\t\"", "0", "-7", "1.5", "[", "]", "{", "}", ",", "\n", "\r\n",
                "\"", "mac-lock", "workers", "true", "1979-05-27",
            ]),
            0..40,
        )
    ) {
        if let Err(errors) = parse(&pieces.concat(), "f", &host()) {
            proptest::prop_assert!(!errors.to_string().is_empty());
        }
    }
}
