use clap::Parser as _;

use super::*;
use crate::cli::args::{Cli, Command, PortCommand};

fn patch(line: &str) -> Result<Value, String> {
    match Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?.command {
        Command::Port(PortCommand::Set(args)) => Ok(args.patch()),
        Command::Port(PortCommand::Add(args)) => Ok(args.patch()),
        Command::Port(PortCommand::Del(args)) => Ok(args.patch()),
        Command::Set(args) => args.patch(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_command_is_a_patch() {
    let set = "weir port set v1 --weight 4 --min-rate 20Mbit --max-rate none --burst 8KiB \
               --rate 1Gbit --queue 4KiB --release fixed --timeout 1ms --work-conserving false \
               --lane scheduled --storm 500 --reserved pass --foreign-rules ignore \
               --mac-lock 02:00:00:00:00:01,02:00:00:00:00:02 --ip-lock none";
    let expected = json!({"ports": {"v1": {
        "weight": 4, "min-rate": "20Mbit", "max-rate": null, "burst": "8KiB", "rate": "1Gbit",
        "queue": "4KiB", "release": "fixed", "timeout": "1ms", "work-conserving": false,
        "lane": "scheduled", "storm": 500, "reserved": "pass", "foreign-rules": "ignore",
        "mac-lock": ["02:00:00:00:00:01", "02:00:00:00:00:02"], "ip-lock": null,
    }}});
    assert_eq!(patch(set).unwrap(), expected);
    let added = json!({"ports": {"v9": {"role": "vif"}}});
    assert_eq!(patch("weir port add v9").unwrap(), added);
    let added = json!({"ports": {"e2": {"role": "uplink", "rate": "1Gbit"}}});
    assert_eq!(patch("weir port add e2 --role uplink --rate 1Gbit").unwrap(), added);
    assert_eq!(patch("weir port del v9").unwrap(), json!({"ports": {"v9": null}}));
    for (line, expected) in [
        ("scheduler.policy wrr", json!({"scheduler": {"policy": "wrr"}})),
        ("scheduler.inactive-after 1ms", json!({"scheduler": {"inactive-after": "1ms"}})),
        ("container.alpha 0.5", json!({"container": {"alpha": 0.5}})),
        ("container.work-conserving true", json!({"container": {"work-conserving": true}})),
        ("container.release none", json!({"container": {"release": null}})),
    ] {
        assert_eq!(patch(&format!("weir set {line}")).unwrap(), expected);
    }
}

#[test]
fn what_is_no_value_is_no_patch() {
    for (line, why) in [
        ("weir port set v1", "required"),
        ("weir port set v1 --weight 1.5", "expected a whole number"),
        ("weir port set v1 --weight four", "expected a whole number"),
        ("weir port set v1 --max-rate 10Mb", "e.g. \"100Mbit\""),
        ("weir port set v1 --release late", "expected eager | fixed | adaptive"),
        ("weir port set v1 --lane express", "expected auto | scheduled"),
        ("weir port set v1 --storm fast", "expected a whole number"),
        ("weir port set v1 --reserved keep", "expected drop | pass"),
        ("weir port set v1 --foreign-rules obey", "expected bridge | ignore"),
        ("weir port set v1 --mac-lock 02:00", "\"02:00\" is no such address"),
        ("weir port set a/b --weight 1", "no interface can have this name"),
        ("weir set scheduler.polcy wrr", "scheduler.policy"),
        ("weir set scheduler.policy rr", "expected drr | wrr"),
        ("weir set container.alpha NaN", "expected a fraction"),
        ("weir set container.timeout 5m", "e.g. \"200us\""),
    ] {
        let refused = patch(line).expect_err(line);
        assert!(refused.contains(why), "{line}: {refused}");
    }
}
