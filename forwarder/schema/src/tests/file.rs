//! Valid files, and errors of a file as a whole.

mod refused;

use std::net::IpAddr;

use weir_core::{
    ByteSize, Fallback, ForeignRules, Idle, Lane, Mac, Mode, Policy, Rate, Release, Reserved, Role,
    Span,
};

use crate::*;

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
workers = [0, 1]
idle = "spin"
frames = 20000
control = "/run/weir/a.sock"
metrics = "[::1]:9477"
[container]
bytes = "2KiB"
release = "fixed"
timeout = "300us"
alpha = 0.95
work-conserving = false
[scheduler]
policy = "wrr"
inactive-after = "20ms"
[measure]
latency = false
flows = 65536
flow-idle = "1.5s"
[[port]]
name = "nic0"
role = "uplink"
mode = "native"
rate = "200Mbit"
[[port]]
name = "v1"
role = "vif"
mode = "auto"
weight = 4
min-rate = "20Mbit"
max-rate = "1.5Gbit"
burst = "1MiB"
queue = "256KiB"
release = "adaptive"
timeout = "50us"
work-conserving = true
lane = "scheduled"
worker = 0
fallback = "drop"
storm = 500
addresses = 300
reserved = "pass"
foreign-rules = "ignore"
mac-lock = ["02:00:00:00:00:01", "02:00:00:00:00:01"]
ip-lock = ["10.0.0.1", "fd00::1"]
"#;
    let plan = plan(text);
    assert_eq!(
        plan.forwarder,
        ForwarderPlan {
            workers: vec![0, 1],
            idle: Idle::Spin,
            frames: Some(20_000),
            control: "/run/weir/a.sock".into(),
            metrics: Some("[::1]:9477".parse().unwrap())
        }
    );
    assert_eq!(
        plan.container,
        ContainerPlan {
            bytes: ByteSize::new(2048),
            release: Release::Fixed,
            timeout: Span::new(300_000),
            alpha: 0.95,
            work_conserving: false
        }
    );
    assert_eq!(
        plan.scheduler,
        SchedulerPlan { policy: Policy::Wrr, inactive_after: Span::new(20_000_000) }
    );
    let measure =
        MeasurePlan { latency: false, flows: 65_536, flow_idle: Span::new(1_500_000_000) };
    assert_eq!(plan.measure, measure);
    assert_eq!(plan.bridge, None);
    assert_eq!((plan.ports[0].role, plan.ports[0].mode), (Role::Uplink, Mode::Native));
    assert_eq!(plan.ports[0].rate, Some(Rate::new(200_000_000)));
    let v1 = PortPlan {
        name: "v1".into(),
        role: Role::Vif,
        mode: Mode::Gate,
        weight: 4,
        min_rate: Some(Rate::new(20_000_000)),
        max_rate: Some(Rate::new(1_500_000_000)),
        burst: ByteSize::new(1 << 20),
        rate: None,
        queue: ByteSize::new(256 << 10),
        release: Some(Release::Adaptive),
        timeout: Some(Span::new(50_000)),
        work_conserving: Some(true),
        lane: Lane::Scheduled,
        worker: Some(0),
        fallback: Fallback::Drop,
        storm: Some(500),
        addresses: Some(300),
        reserved: Some(Reserved::Pass),
        foreign_rules: ForeignRules::Ignore,
        mac_lock: vec![Mac::new([2, 0, 0, 0, 0, 1])],
        ip_lock: ["10.0.0.1", "fd00::1"].map(|ip| ip.parse::<IpAddr>().unwrap()).to_vec(),
        of_bridge: false,
        at: Some(Located {
            file: "weir.toml".into(),
            line: 27,
            column: 8,
            width: 4,
            source_line: "name = \"v1\"".into(),
        }),
    };
    assert_eq!(plan.ports[1], v1);
}

#[test]
fn all_but_the_ports_is_optional_and_a_port_is_a_vif_unless_it_says_otherwise() {
    let plan = plan(&format!("{UPLINK}[[port]]\nname = \"v1\"\n"));
    assert_eq!(plan.forwarder, ForwarderPlan::on(1));
    assert_eq!(plan.container, ContainerPlan::default());
    assert_eq!(plan.scheduler, SchedulerPlan::default());
    assert_eq!(plan.measure, MeasurePlan::default());
    let v1 = PortPlan { at: None, ..plan.ports[1].clone() };
    assert_eq!(v1, PortPlan::default().port("v1", Role::Vif));
    let two = format!("{UPLINK}{}", UPLINK.replace("nic0", "nic1"));
    assert_eq!(self::plan(&two).ports.len(), 2, "more than one uplink is allowed");
}

#[test]
fn a_missing_interface_is_shown_where_the_file_names_it() {
    let plan = plan(UPLINK);
    let errors = ConfigErrors::port(&plan.ports[0], "no such interface", "valid: lo, eth1");
    assert_eq!(
        errors.to_string(),
        "weir.toml:2:8: port.name: no such interface; valid: lo, eth1\n    2 | name = \"nic0\"\n      |        ^^^^^^"
    );
    let unlisted = PortPlan::default().port("tap0", Role::Vif);
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
    assert_eq!(crate::load(&path, &host()).unwrap().ports.len(), 1);
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
