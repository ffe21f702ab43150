//! weir's measurements as other programs read them: HdrHistogram's Python port, and Python's own csv
//! and json. After traffic of a known count, the numbers equal the ledger's, to the last frame.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use system_tests::bed::{FAMILIES, Family, UPLINK_PORT};
use system_tests::binaries::run_python;
use system_tests::drive::udp_exact;
use system_tests::traffic::{Rate, Sink, Source};
use system_tests::wait::wait_ok;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, gate, ledger, root_or_skip, wait_for, weir};
use weir_api::{FlowsReport, LatencyReport, StatsReport};

const READ_HISTOGRAMS: &str = include_str!("../python/read_histograms.py");
const READ_CSV: &str = include_str!("../python/read_csv.py");
const READ_JSON: &str = "import json, sys; print(json.dumps(json.load(open(sys.argv[1]))))";

fn python(script: &str, files: &[&Path]) -> Result<Value> {
    Ok(serde_json::from_str(&run_python(script, files)?)?)
}

/// Packets under a tag, over all intervals of a log.
fn count(log: &Value, tag: &str) -> u64 {
    let lines = log.as_array().into_iter().flatten().filter(|line| line["tag"] == tag);
    lines.filter_map(|line| line["count"].as_u64()).sum()
}

/// Packets that a port sent to others: without losses behind weir, these are the arrivals.
fn sent_by(stats: &StatsReport, port: &str) -> u64 {
    ledger::number(stats, port, |port| port.containers.packets)
}

/// Every delivered packet is in each stage of its source once.
fn agrees(log: &Value, stats: &StatsReport, ports: &[String]) -> Result<()> {
    let mut residence = 0;
    for port in ports {
        let delivered = sent_by(stats, port);
        for stage in ["steer", "container", "queue", "tx", "residence"] {
            let counted = count(log, &format!("{port}.{stage}"));
            ensure!(counted == delivered, "{port}.{stage}: {counted}, not {delivered}: {stats:#?}");
        }
        residence += delivered;
    }
    let delivered = stats.ledger.delivered;
    ensure!(delivered == residence, "{residence} residences, {delivered} delivered");
    Ok(())
}

fn traffic(bed: &Bed) -> Result<()> {
    let (one, two, up) = (bed.guest(0)?, bed.guest(1)?, &bed.uplink);
    for (from, to, frames) in [(one, two, 700), (two, one, 300), (one, up, 200), (up, two, 100)] {
        for family in FAMILIES {
            udp_exact(from, to, family, 200, frames)?;
        }
    }
    Ok(())
}

#[test]
fn what_a_weir_leaves_equals_its_ledger() -> Result<()> {
    root_or_skip!();
    let dir = tempfile::tempdir()?;
    let bed = BedSpec::vms(2).build()?;
    let dump_dir = Some(dir.path().to_owned());
    let weir = Weir::start(&bed, &WeirSpec { dump_dir, ..WeirSpec::default() })?;
    gate::acquaint(&weir, &bed)?;
    traffic(&bed)?;
    weir.assert_ledger()?;
    weir.stop()?;
    let file = |name: &str| dir.path().join(name);
    let log = python(READ_HISTOGRAMS, &[&file("latency.hlog"), &file("latency.hgrm")])?;
    let stats: StatsReport = serde_json::from_value(python(READ_JSON, &[&file("stats.json")])?)?;
    ledger::check(&stats).map_err(anyhow::Error::msg)?;
    agrees(&log, &stats, &bed.ports())?;
    let flows = python(READ_CSV, &[&file("flows.csv")])?;
    let flows = flows.as_array().context("no rows")?;
    let number = |row: &Value, name: &str| -> Result<u64> {
        Ok(row[name].as_str().context("no such column")?.parse()?)
    };
    let (one, two) = (bed.guest(0)?, bed.guest(1)?);
    for family in FAMILIES {
        let [src, dst] = [one, two].map(|guest| guest.addr(family).to_string());
        let between = |row: &&Value| {
            row["proto"] == "udp" && row["src"] == src.as_str() && row["dst"] == dst.as_str()
        };
        let row = flows.iter().find(between).with_context(|| format!("{src} {dst}: {flows:#?}"))?;
        for column in ["frames", "delivered", "count"] {
            ensure!(number(row, column)? == 700, "{column}: {row:#}");
        }
    }
    let mut delivered = 0;
    for row in flows {
        delivered += number(row, "delivered")?;
    }
    ensure!(stats.ledger.delivered == delivered, "{delivered} in flows: {stats:#?}");
    let mut lost = 0;
    for row in python(READ_CSV, &[&file("loss.csv")])?.as_array().context("no rows")? {
        lost += number(row, "frames")?;
    }
    ensure!(stats.ledger.lost == lost, "{lost} in loss.csv: {stats:#?}");
    let latency: LatencyReport =
        serde_json::from_value(python(READ_JSON, &[&file("latency.json")])?)?;
    let flows: FlowsReport = serde_json::from_value(python(READ_JSON, &[&file("flows.json")])?)?;
    ensure!((latency.version, flows.version) == (1, 1), "{latency:#?} {flows:#?}");
    Ok(())
}

#[test]
fn a_running_weir_is_dumped_and_begins_anew() -> Result<()> {
    root_or_skip!();
    let dir = tempfile::tempdir()?;
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    gate::acquaint(&weir, &bed)?;
    traffic(&bed)?;
    let file = dir.path().join("latency.hlog");
    // Neighbours may be asked for at any time; between two equal ledgers none was.
    wait_ok(Duration::from_secs(10), "a quiet moment for a dump", || {
        let before = weir.assert_ledger()?;
        weir.cli_ok(&bed, &format!("dump latency --output {}", file.display()))?;
        let after = weir.stats()?;
        ensure!(before.ledger == after.ledger, "frames came: {after:#?}");
        agrees(&python(READ_HISTOGRAMS, &[&file])?, &after, &bed.ports())
    })?;
    let table = weir.cli_ok(&bed, "dump latency")?;
    ensure!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    ensure!(table.contains("residence") && table.starts_with("VIF "), "{table}");
    let merged = dir.path().join("stages.hlog");
    weir.cli_ok(&bed, &format!("dump latency --by stage --reset -o {}", merged.display()))?;
    let before = count(&python(READ_HISTOGRAMS, &[&merged])?, "all.residence");
    ensure!(before >= 2600, "{before} were delivered");
    let refused = weir.cli(&bed, "dump loss --vif v9")?;
    ensure!(refused.status.code() == Some(2), "{refused:?}");
    udp_exact(bed.guest(0)?, bed.guest(1)?, Family::V4, 64, 50)?;
    weir.cli_ok(&bed, &format!("dump latency --by stage -o {}", merged.display()))?;
    let after = count(&python(READ_HISTOGRAMS, &[&merged])?, "all.residence");
    ensure!((50..before).contains(&after), "{after} since the reset, {before} before");
    weir.assert_ledger()?;
    weir.stop()
}

/// The process; killed if its test leaves early.
struct Dumping(Child);

impl Drop for Dumping {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn intervals_end_whole_on_ctrl_c_and_add_up() -> Result<()> {
    root_or_skip!();
    let dir = tempfile::tempdir()?;
    let bed = BedSpec::vms(2).build()?;
    let weir = Weir::start(&bed, &WeirSpec::default())?;
    let (one, up) = (bed.guest(0)?, &bed.uplink);
    gate::acquaint(&weir, &bed)?;
    udp_exact(one, up, Family::V4, 64, 100)?;
    let file = dir.path().join("latency.hlog");
    let binary = weir::binary()?;
    let mut command: Command = bed.host.cmd(binary.to_str().context("the path is not UTF-8")?);
    command.args(["dump", "latency", "--interval", "100ms", "--output"]).arg(&file);
    command.arg("--control").arg(weir.socket()).stdin(Stdio::null());
    let mut dumping = Dumping(command.spawn().context("cannot start weir dump")?);
    let intervals = || {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        text.lines().filter(|line| line.starts_with("Tag=v1.residence,")).count()
    };
    let long = Duration::from_secs(10);
    wait_for(long, "the first interval", || intervals() > 0)?;
    let sink = Sink::start(&up.ns, up.socket(Family::V4, 0))?;
    let source = Source { count: 500, rate: Rate::pps(1000), ..Source::to(sink.addr()) };
    source.send(&one.ns)?;
    sink.wait_for(500, long)?;
    sink.finish()?;
    weir.assert_ledger()?;
    kill(Pid::from_raw(i32::try_from(dumping.0.id())?), Signal::SIGINT)?;
    let status = wait_ok(long, "the dump to end", || dumping.0.try_wait()?.context("it runs"))?;
    ensure!(status.success(), "{status}");
    ensure!(intervals() > 1, "one interval only");
    let log = python(READ_HISTOGRAMS, &[&file])?;
    let ports = bed.ports().len();
    ensure!(log.as_array().is_some_and(|lines| lines.len() == intervals() * ports * 5), "{log}");
    // Traffic from before the first interval is in none; traffic that the kernels sent by themselves
    // may be.
    let counted = count(&log, "v1.residence");
    let all = sent_by(&weir.stats()?, "v1");
    ensure!((500..=all - 100).contains(&counted), "{counted} of {all}");
    ensure!(count(&log, &format!("{UPLINK_PORT}.residence")) < 100, "{log}");
    weir.assert_ledger()?;
    weir.stop()
}
