//! Which frames the gate may forward by itself: its data when settings change, and during a capture or
//! a trace.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::process::Stdio;
use system_tests::bed::UPLINK_PORT;
use system_tests::drive::reachable;
use system_tests::gate::{self, SOON};
use system_tests::traffic::raw;
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, root_or_skip};
use weir_abi::gate_flags::EXPRESS_FROM;

/// The gate's flags of a port: whether it may hand over the port's frames, and whether it enforces a
/// rate towards the port.
type Lanes = (bool, bool);

const OPEN: Lanes = (true, false);
const RATED: Lanes = (true, true);
/// All frames of the port go to a worker.
const SCHEDULED: Lanes = (false, false);

/// Asserts the gate's flags of each port.
fn told(bed: &Bed, when: &str, expected: &[(&str, Lanes)]) -> Result<()> {
    for (port, expected) in expected {
        let told = gate::told(bed, port)?;
        let lanes = (told.has(EXPRESS_FROM), told.per_byte > 0);
        ensure!(lanes == *expected, "{when}: {port} is told {lanes:?}, not {expected:?}");
    }
    Ok(())
}

/// Waits until each port has these flags.
fn wait_told(bed: &Bed, when: &str, expected: &[(&str, Lanes)]) -> Result<()> {
    wait_ok(SOON, "the gate to be told", || told(bed, when, expected))
}

/// Frames of both guests, in either lane.
fn talk(bed: &Bed) -> Result<()> {
    reachable(bed.guest(0)?, bed.guest(1)?, SOON)?;
    reachable(bed.guest(1)?, &bed.uplink, SOON)
}

#[test]
fn each_setting_that_counts_reaches_the_gate() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let weir = gate::start_with(&bed, &WeirSpec::default().lane("auto"))?;
    told(&bed, "by default", &[("v1", OPEN), ("v2", OPEN), (UPLINK_PORT, OPEN)])?;
    let of_v1 = |key: &str, value: Value| json!({"ports": {"v1": {key: value}}});
    for (key, value, expected) in [
        ("lane", "scheduled", SCHEDULED),
        ("max-rate", "100Mbit", OPEN),
        ("release", "adaptive", SCHEDULED),
        ("rate", "100Mbit", RATED),
        ("min-rate", "1Mbit", OPEN),
    ] {
        weir.patch(&of_v1(key, json!(value)))?;
        told(&bed, key, &[("v1", expected), ("v2", OPEN), (UPLINK_PORT, OPEN)])?;
        let own = gate::told(&bed, "v1")?.own_per_byte;
        ensure!((own != 0) == (key == "max-rate"), "{key}: {own}");
        weir.patch(&of_v1(key, Value::Null))?;
        told(&bed, &format!("{key} back"), &[("v1", OPEN)])?;
    }
    // A setting for all ports, except one with its own.
    weir.patch(&of_v1("release", json!("eager")))?;
    weir.patch(&json!({"container": {"release": "fixed"}}))?;
    told(&bed, "container", &[("v1", OPEN), ("v2", SCHEDULED), (UPLINK_PORT, SCHEDULED)])?;
    weir.cli_ok(&bed, "set container.release none")?;
    weir.cli_ok(&bed, "port set v2 --lane scheduled")?;
    told(&bed, "by command", &[("v1", OPEN), ("v2", SCHEDULED), (UPLINK_PORT, OPEN)])?;
    talk(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn the_file_that_is_read_again_reaches_the_gate() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(2).build()?;
    let dir = tempfile::tempdir()?;
    // The file's two forms: one for all ports, and one of a port's own.
    let spec = WeirSpec::default().port("v2", "lane = \"auto\"");
    let weir = Weir::start_in(&bed, &spec, dir.path())?;
    told(&bed, "at the start", &[("v1", SCHEDULED), ("v2", OPEN), (UPLINK_PORT, SCHEDULED)])?;
    let again = |spec: &WeirSpec, expected: &[(&str, Lanes)]| -> Result<()> {
        std::fs::write(dir.path().join("weir.toml"), spec.config(&bed, weir.socket()))?;
        weir.reload()?;
        wait_told(&bed, "read again", expected)
    };
    let spec = WeirSpec::default().lane("auto");
    again(&spec, &[("v1", OPEN), ("v2", OPEN), (UPLINK_PORT, OPEN)])?;
    let ports = spec.clone().uplink_rate("1Gbit").port("v1", "lane = \"scheduled\"");
    again(&ports, &[("v1", SCHEDULED), ("v2", OPEN), (UPLINK_PORT, RATED)])?;
    let all = spec
        .clone()
        .section("container", "release = \"adaptive\"")
        .port("v1", "release = \"eager\"");
    again(&all, &[("v1", OPEN), ("v2", SCHEDULED), (UPLINK_PORT, SCHEDULED)])?;
    talk(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn all_ports_of_a_bridge_have_the_lane_of_the_command_line() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(1).bridge().build()?;
    let weir = gate::start(&bed)?;
    told(&bed, "at the start", &[("v1", SCHEDULED), (UPLINK_PORT, SCHEDULED)])?;
    bed.add_guest()?;
    weir.wait_port("v2", &["up"])?;
    told(&bed, "of a newcomer", &[("v2", SCHEDULED)])?;
    weir.patch(&json!({"ports": {"v2": {"lane": "auto"}}}))?;
    told(&bed, "of its own", &[("v1", SCHEDULED), ("v2", OPEN)])?;
    weir.patch(&json!({"ports": {"v2": {"lane": null}}}))?;
    told(&bed, "back", &[("v2", SCHEDULED)])?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn while_somebody_watches_every_frame_goes_by_a_worker() -> Result<()> {
    root_or_skip!();
    let mut bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    let ports = |lanes| [("v1", lanes), ("v2", lanes), (UPLINK_PORT, lanes)];
    told(&bed, "before", &ports(OPEN))?;
    let file = dir.path().join("all.pcapng");
    let capture = format!("capture v1 -w {}", file.display());
    for words in [capture.as_str(), "trace --count 1000000"] {
        let mut watcher = weir.cli_with(&bed, words, Stdio::piped)?;
        // Ports outside the query as well: their frames may leave by a port in it.
        if let Err(error) = wait_told(&bed, words, &ports(SCHEDULED)) {
            watcher.kill()?;
            let output = watcher.wait_with_output()?;
            return Err(error.context(format!("`weir {words}` gave {output:?}")));
        }
        gate::wait_steered(&weir, bed.guest(0)?, bed.guest(1)?)?;
        // Neither a setting nor a new port opens the lane meanwhile.
        weir.patch(&json!({"ports": {"v2": {"weight": 2}}}))?;
        let index = bed.add_guest()?;
        let newcomer = bed.guest(index)?.port.clone();
        weir.wait_port(&newcomer, &["up"])?;
        told(&bed, words, &ports(SCHEDULED))?;
        told(&bed, words, &[(newcomer.as_str(), SCHEDULED)])?;
        kill(Pid::from_raw(i32::try_from(watcher.id())?), Signal::SIGINT)?;
        watcher.wait()?;
        wait_told(&bed, "afterwards", &ports(OPEN))?;
        told(&bed, "afterwards", &[(newcomer.as_str(), OPEN)])?;
    }
    talk(&bed)?;
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn a_capture_sees_every_frame_whatever_the_lane() -> Result<()> {
    root_or_skip!();
    const FRAMES: usize = 40;
    let bed = BedSpec::vms(2).bridge().build()?;
    let dir = tempfile::tempdir()?;
    let weir = gate::start_with(&bed, &WeirSpec::bridge().lane("auto"))?;
    talk(&bed)?;
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    let payload = raw::udp4(one, two, (7001, 7002), &[0x5a; 100]);
    let frame = raw::frame(two.mac(), one.mac(), &[], 0x0800, &payload);
    for round in 0..2 {
        // In the express lane, if any: they are not in the file.
        gate::send(one, &frame, FRAMES)?;
        let file = dir.path().join(round.to_string());
        let words = format!("capture v1 --dir in --proto udp --port 7002 -w {}", file.display());
        let watcher = weir.cli_with(&bed, &words, Stdio::piped)?;
        let began = wait_ok(SOON, "the capture to begin", || {
            // weir sends the head of the file first, once all its workers watch.
            ensure!(std::fs::metadata(&file)?.len() > 0, "an empty file");
            gate::send(one, &frame, FRAMES)?;
            weir.assert_ledger().map(drop)
        });
        kill(Pid::from_raw(i32::try_from(watcher.id())?), Signal::SIGINT)?;
        let output = watcher.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        began.with_context(|| said.clone().into_owned())?;
        let expected = format!("{FRAMES} packets, ");
        ensure!(said.contains(&expected) && said.contains(" 0 missed"), "{said}");
    }
    weir.assert_ledger()?;
    weir.stop()
}
