//! Changes to a running weir: by command, by document, by its file; and a refusal changes nothing.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::drive::{ping_all, reachable, udp_exact};
use system_tests::{BedSpec, Weir, WeirSpec, root_or_skip};
use weir_api::ClientError;
use weir_api::client::wait;

const SOON: Duration = Duration::from_secs(30);
/// The reported state of a port that was taken out: absent, or with its earlier counts.
const OUT: [&str; 3] = ["absent", "gone", "stopped"];

fn same(config: &Value, path: &str, expected: &Value) -> Result<()> {
    let found = config.pointer(path).unwrap_or(&Value::Null);
    ensure!(found == expected, "{path} is {found}, not {expected}\n{config:#}");
    Ok(())
}

#[test]
fn ports_are_added_changed_and_deleted_by_command() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let three = bed.add_guest()?;
    bed.learn_neighbours()?;
    weir.cli_ok(&bed, "port add v3 --role vif --weight 2 --max-rate 300Mbit --lane scheduled")?;
    weir.wait_port("v3", &["up"])?;
    reachable(bed.guest(three)?, &bed.uplink, SOON)?;
    let config = weir.config()?;
    same(&config, "/ports/v3/weight", &json!(2))?;
    same(&config, "/ports/v3/max-rate", &json!("300Mbit"))?;
    same(&config, "/ports/v3/lane", &json!("scheduled"))?;
    same(&config, "/ports/v1/weight", &json!(1))?;

    weir.cli_ok(&bed, "port set v3 --weight 5 --max-rate none --min-rate 10Mbit --burst 128KiB")?;
    let config = weir.config()?;
    same(&config, "/ports/v3/weight", &json!(5))?;
    same(&config, "/ports/v3/max-rate", &Value::Null)?;
    same(&config, "/ports/v3/min-rate", &json!("10Mbit"))?;
    same(&config, "/ports/v3/burst", &json!("128KiB"))?;
    udp_exact(bed.guest(three)?, bed.guest(0)?, Family::V4, 300, 200)?;

    weir.cli_ok(&bed, "port del v3")?;
    weir.wait_port("v3", &OUT)?;
    same(&weir.config()?, "/ports/v3", &Value::Null)?;
    ensure!(!bed.host.is_attached("v3")?, "its program is still there");
    // Again under the same name: none of its settings were left.
    weir.cli_ok(&bed, "port add v3 --lane scheduled")?;
    weir.wait_port("v3", &["up"])?;
    same(&weir.config()?, "/ports/v3/weight", &json!(1))?;
    reachable(bed.guest(three)?, bed.guest(0)?, SOON)?;
    udp_exact(bed.guest(0)?, bed.guest(1)?, Family::V6, 300, 200)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn ports_are_added_changed_and_deleted_by_document() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    ping_all(&bed)?;
    let three = bed.add_guest()?;
    let config = weir.patch(&json!({
        "scheduler": {"policy": "wrr"},
        "ports": {"v3": {"role": "vif", "weight": 9, "lane": "scheduled"}, "v1": {"weight": 3}}
    }))?;
    same(&config, "/ports/v3/weight", &json!(9))?;
    same(&config, "/ports/v1/weight", &json!(3))?;
    same(&config, "/scheduler/policy", &json!("wrr"))?;
    weir.wait_port("v3", &["up"])?;
    reachable(bed.guest(three)?, &bed.uplink, SOON)?;
    // `null` resets a setting to its default; a port that is `null` is removed; unnamed ones stay.
    let config = weir.patch(&json!({"ports": {"v1": {"weight": null}, "v3": null}}))?;
    same(&config, "/ports/v1/weight", &json!(1))?;
    same(&config, "/ports/v3", &Value::Null)?;
    same(&config, "/scheduler/policy", &json!("wrr"))?;
    weir.wait_port("v3", &OUT)?;
    // The document is a patch of itself that changes nothing.
    let config = weir.config()?;
    same(&weir.patch(&config)?, "", &config)?;
    udp_exact(bed.guest(0)?, bed.guest(1)?, Family::V4, 300, 200)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn what_is_refused_changes_nothing_and_says_why() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default().uplink_rate("100Mbit"))?;
    ping_all(&bed)?;
    let cases = [
        // The sum of the minimum rates is above the link's.
        (
            json!({"ports": {"v1": {"min-rate": "60Mbit"}, "v2": {"min-rate": "50Mbit"}}}),
            "min-rate",
        ),
        (json!({"ports": {"v1": {"min-rate": "60Mbit", "max-rate": "50Mbit"}}}), "min-rate"),
        (json!({"ports": {"v9": {"weight": 2}}}), "v9"),
        (json!({"ports": {"v9": {"role": "vif"}}}), "v9"),
        (json!({"ports": {"v1": {"max-rate": "20Mbyte"}}}), "20Mbyte"),
        (json!({"ports": {"v1": {"weight": 0}}}), "weight"),
        (json!({"ports": {"v1": {"weight": 1001}}}), "weight"),
        (json!({"ports": {"v1": {"weight": "heavy"}}}), "weight"),
        (json!({"ports": {"v1": {"lane": "express"}}}), "lane"),
        (json!({"ports": {"v1": {"colour": 3}}}), "colour"),
        (json!({"ports": {"v1": {"burst": "1KiB"}}}), "burst"),
        (json!({"scheduler": {"policy": "lottery"}}), "lottery"),
        (json!({"container": {"alpha": 1.5}}), "alpha"),
        // One valid part neither saves the rest, nor is it applied alone.
        (json!({"scheduler": {"policy": "wrr"}, "ports": {"v1": {"weight": 0}}}), "weight"),
    ];
    for (change, word) in cases {
        let said = weir.refuses(&change)?;
        ensure!(said.contains(word), "{change} was refused without a word on `{word}`: {said}");
    }
    for text in ["{", "[]", "7", ""] {
        let answer = wait(weir.client().patch(text));
        let refused =
            matches!(&answer, Err(ClientError::Refused(refused)) if refused.why.is_client_error());
        ensure!(refused, "`{text}` was answered with {answer:?}");
    }
    for words in [
        "port set v9 --weight 2",
        "port set v1 --weight 0",
        "port set v1 --max-rate 20Mbyte",
        "port add v9",
        "port add v1",
        "port del v9",
        "set scheduler.policy lottery",
        "set scheduler.colour red",
    ] {
        let before = weir.config()?;
        let output = weir.cli(&bed, words)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && !said.is_empty(), "`weir {words}` was not refused");
        same(&weir.config()?, "", &before)?;
    }
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn settings_of_all_links_are_set_by_key() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    for (key, value, path, expected) in [
        ("scheduler.policy", "wrr", "/scheduler/policy", json!("wrr")),
        ("scheduler.policy", "fifo", "/scheduler/policy", json!("fifo")),
        ("scheduler.policy", "drr", "/scheduler/policy", json!("drr")),
        ("scheduler.inactive-after", "20ms", "/scheduler/inactive-after", json!("20ms")),
        ("container.release", "adaptive", "/container/release", json!("adaptive")),
        ("container.timeout", "1ms", "/container/timeout", json!("1ms")),
        ("container.work-conserving", "false", "/container/work-conserving", json!(false)),
    ] {
        weir.cli_ok(&bed, &format!("set {key} {value}"))?;
        same(&weir.config()?, path, &expected)?;
        udp_exact(bed.guest(0)?, &bed.uplink, Family::V4, 200, 100)?;
    }
    let shown: Value = serde_json::from_str(&weir.cli_ok(&bed, "config --json")?)?;
    same(&shown, "", &weir.config()?)?;
    let toml = weir.cli_ok(&bed, "config")?;
    ensure!(toml.contains("[[port]]") && toml.contains("adaptive"), "{toml}");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_file_is_read_again_on_sighup() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let dir = tempfile::tempdir()?;
    let spec = WeirSpec::default().uplink_rate("100Mbit");
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    ping_all(&bed)?;
    let (file, socket) = (dir.path().join("weir.toml"), weir.socket().to_path_buf());
    let write = |spec: &WeirSpec| std::fs::write(&file, spec.config(&bed, &socket));

    write(&spec.clone().port("v1", "weight = 4").section("scheduler", "policy = \"wrr\""))?;
    weir.reload()?;
    weir.wait_said("port v1: weight 1 -> 4")?;
    let config = weir.config()?;
    same(&config, "/ports/v1/weight", &json!(4))?;
    same(&config, "/scheduler/policy", &json!("wrr"))?;
    ping_all(&bed)?;

    // A bad file: the message names its line, and all stays as it was.
    let bad = spec.clone().port("v1", "weight = 4").port("v2", "weight = \"much\"");
    write(&bad)?;
    let text = std::fs::read_to_string(&file)?;
    let line = text.lines().position(|line| line.contains("much")).context("no bad line")? + 1;
    weir.reload()?;
    weir.wait_said(&format!("weir.toml:{line}"))?;
    same(&weir.config()?, "", &config)?;

    // A setting that needs a restart is reported; the others change.
    write(&spec.clone().workers(&[0]).port("v2", "weight = 7"))?;
    weir.reload()?;
    weir.wait_said("needs a restart")?;
    weir.wait_said("port v2: weight 1 -> 7")?;
    weir.wait_said("port v1: weight 4 -> 1")?;
    same(&weir.config()?, "/ports/v2/weight", &json!(7))?;
    ping_all(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_file_adds_and_removes_ports_on_sighup() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(2).build()?;
    let dir = tempfile::tempdir()?;
    let spec = WeirSpec::default();
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    ping_all(&bed)?;
    let (file, socket) = (dir.path().join("weir.toml"), weir.socket().to_path_buf());
    let without = spec.config(&bed, &socket);
    let three = bed.add_guest()?;
    std::fs::write(&file, spec.config(&bed, &socket))?;
    weir.reload()?;
    weir.wait_port("v3", &["up"])?;
    reachable(bed.guest(three)?, bed.guest(0)?, SOON)?;
    std::fs::write(&file, without)?;
    weir.reload()?;
    weir.wait_port("v3", &OUT)?;
    udp_exact(bed.guest(0)?, bed.guest(1)?, Family::V4, 200, 200)?;
    weir.assert_ledger()?;
    weir.stop()
}
