//! The metrics listener, read with Prometheus' own Python parsers: its numbers equal the control
//! socket's.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};
use std::time::Duration;
use system_tests::bed::Family;
use system_tests::binaries::{python, run_python};
use system_tests::drive::{ping_all, udp_exact};
use system_tests::wait::wait_ok;
use system_tests::weir::run_to_end;
use system_tests::{Bed, BedSpec, Weir, WeirSpec, ledger, root_or_skip};
use weir_api::{LatencyReport, StatsReport};

const SCRAPE: &str = include_str!("../python/scrape.py");
/// In a bed's host, whose ports no other process uses.
const ADDRESS: &str = "127.0.0.1:9477";
const SOON: Duration = Duration::from_secs(10);

struct Scraped {
    open: Map<String, Value>,
    classic: Map<String, Value>,
    health: String,
}

impl Scraped {
    fn get(&self, series: &str) -> Result<f64> {
        let value = self.open.get(series).and_then(Value::as_f64);
        value.with_context(|| format!("there is no {series}"))
    }
}

fn scrape(bed: &Bed) -> Result<Scraped> {
    let said = bed.host.run(|| run_python(SCRAPE, [format!("http://{ADDRESS}")]))?;
    let mut told: Value = serde_json::from_str(&said)?;
    let mut part = |name: &str| told[name].as_object_mut().map(std::mem::take).context("no part");
    let (open, classic) = (part("open")?, part("classic")?);
    Ok(Scraped { open, classic, health: told["health"].as_str().unwrap_or_default().to_owned() })
}

/// Compares the two once traffic has stopped.
fn compare(scraped: &Scraped, stats: &StatsReport, latency: &LatencyReport) -> Result<()> {
    let same = |series: &str, expected: u64| {
        let told = scraped.get(series)?;
        ensure!(told == expected as f64, "{series} is {told}, the statistics say {expected}");
        Ok(())
    };
    let books = &stats.ledger;
    same("weir_ledger_received_frames_total", books.received)?;
    same("weir_ledger_copied_frames_total", books.copies)?;
    same("weir_ledger_delivered_frames_total", books.delivered)?;
    same("weir_ledger_passed_frames_total", books.passed)?;
    for port in &stats.ports {
        let name = &port.name;
        let all = [("rx", &port.rx), ("tx", &port.tx), ("passed", &port.passed)];
        for (direction, traffic) in all {
            let labels = format!("{{direction=\"{direction}\",port=\"{name}\"}}");
            same(&format!("weir_port_frames_total{labels}"), traffic.frames)?;
            same(&format!("weir_port_bytes_total{labels}"), traffic.bytes)?;
        }
        for (reason, frames) in &port.losses {
            let labels = format!("{{port=\"{name}\",reason=\"{reason}\"}}");
            same(&format!("weir_port_lost_frames_total{labels}"), *frames)?;
        }
    }
    for vif in &latency.vifs {
        let name = &vif.name;
        for times in &vif.stages {
            let series = match times.stage.as_str() {
                "residence" => format!("weir_residence_seconds_count{{port=\"{name}\"}}"),
                stage => {
                    format!("weir_stage_seconds_count{{port=\"{name}\",stage=\"{stage}\"}}")
                }
            };
            same(&series, times.summary.count)?;
        }
    }
    // The older parser reads the same series.
    for (series, value) in &scraped.open {
        let classic = scraped.classic.get(series).with_context(|| format!("{series} is new"))?;
        let moves = series.contains("_worker_") || series.contains("uptime");
        ensure!(classic == value || moves, "{series}: {value}, and in the older format {classic}");
    }
    ensure!(scraped.classic.len() == scraped.open.len(), "the older format says more");
    Ok(())
}

/// Scrapes until the statistics agree: they may be a second older, and no more.
fn agrees(bed: &Bed, weir: &Weir) -> Result<Scraped> {
    wait_ok(SOON, "the metrics to be the statistics", || {
        let scraped = scrape(bed)?;
        compare(&scraped, &weir.stats()?, &weir.latency()?)?;
        Ok(scraped)
    })
}

#[test]
fn the_metrics_are_the_statistics() -> Result<()> {
    root_or_skip!();
    // Installs it, if need be, while there is a network.
    python()?;
    let bed = BedSpec::vms(3).build()?;
    let metrics = format!("metrics = \"{ADDRESS}\"");
    let spec = WeirSpec::default().section("forwarder", &metrics).uplink_rate("200Mbit");
    let spec = spec.port("v1", "weight = 3\nmin-rate = \"20Mbit\"\nmax-rate = \"100Mbit\"");
    let weir = Weir::start(&bed, &spec)?;
    ping_all(&bed)?;
    udp_exact(bed.guest(0)?, &bed.uplink, Family::V4, 400, 300)?;
    udp_exact(bed.guest(1)?, bed.guest(2)?, Family::V6, 1200, 200)?;
    let stats = weir.assert_ledger()?;
    let scraped = agrees(&bed, &weir)?;
    ensure!(scraped.health == "200 ok", "/healthz: {}", scraped.health);
    ensure!(scraped.get("weir_ledger_balanced")? == 1.0, "it does not balance");
    ensure!(scraped.get("weir_ledger_in_flight_frames")? == 0.0, "something is in flight");
    ensure!(scraped.get("weir_port_weight{port=\"v1\"}")? == 3.0, "v1 has another weight");
    let promised = "weir_port_min_rate_bytes_per_second{port=\"v1\"}";
    ensure!(scraped.get(promised)? == 2.5e6, "v1 was promised something else");
    let sent = ledger::number(&stats, "v1", |port| port.rx.frames);
    ensure!(sent >= 300, "v1 has sent {sent}");

    // A port whose interface goes keeps its numbers; one that is deleted leaves with them.
    bed.unplug(1)?;
    weir.wait_port("v2", &["gone"])?;
    let gone = wait_ok(SOON, "the metrics to say that v2 is gone", || {
        let scraped = agrees(&bed, &weir)?;
        let state =
            |state| scraped.get(&format!("weir_port_state{{port=\"v2\",state=\"{state}\"}}"));
        ensure!((state("gone")?, state("up")?) == (1.0, 0.0), "v2 is not gone");
        Ok(scraped)
    })?;
    let frames = "weir_port_frames_total{direction=\"rx\",port=\"v2\"}";
    ensure!(gone.get(frames)? >= 200.0, "what v2 has sent is forgotten");
    weir.cli_ok(&bed, "port del v2")?;
    let deleted = wait_ok(SOON, "v2 to leave the metrics", || {
        let scraped = agrees(&bed, &weir)?;
        let left = scraped.open.keys().find(|series| series.contains("\"v2\""));
        ensure!(left.is_none(), "{left:?} is still there");
        Ok(scraped)
    })?;
    let received = "weir_ledger_received_frames_total";
    ensure!(deleted.get(received)? >= gone.get(received)?, "the ledger went backwards");
    weir.assert_ledger()?;
    weir.stop()
}

#[test]
fn an_address_in_use_is_an_error_that_names_the_key() -> Result<()> {
    root_or_skip!();
    let bed = BedSpec::vms(1).build()?;
    let dir = tempfile::tempdir()?;
    let spec = WeirSpec::default().section("forwarder", &format!("metrics = \"{ADDRESS}\""));
    let config = dir.path().join("weir.toml");
    std::fs::write(&config, spec.config(&bed, &dir.path().join("weir.sock")))?;
    let _taken = bed.host.run(|| Ok(std::net::TcpListener::bind(ADDRESS)?))?;
    let config = config.to_str().context("the path is not UTF-8")?;
    let output = run_to_end(&bed, &["run", "--config", config])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it ended well: {said}");
    ensure!(said.contains("forwarder.metrics: 127.0.0.1:9477 is in use"), "{said}");
    ensure!(!bed.host.is_attached("v1")?, "its program is there");
    Ok(())
}

#[test]
fn the_promised_exposition_is_openmetrics() -> Result<()> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../forwarder/src/observe/metrics/tests");
    let said = run_python(SCRAPE, [format!("{folder}/sample.txt")])?;
    let told: Value = serde_json::from_str(&said)?;
    let told = told["open"].as_object().context("no series")?;
    ensure!(told["weir_residence_seconds_bucket{le=\"+Inf\",port=\"v1\"}"] == 100.0, "{told:?}");
    ensure!(told["weir_link_shed{port=\"v1\",to=\"nic0\"}"] == 1.0, "{told:?}");
    Ok(())
}
