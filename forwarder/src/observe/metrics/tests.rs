//! Tests the page, and that the published dashboard, alerts and documentation name only metrics that
//! exist.
//!
//! `WEIR_BLESS=1 cargo test -p weir metrics` regenerates the files.

mod http;
mod promql;
mod published;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use weir_core::{Bin, Losses, Reason, Stage, VifLatency};

use super::{families::ALL, *};
use crate::observe::{measure::SourceFlows, samples};
use weir_api::{Amount, LaneNow, LedgerReport, LinkLane, State};

/// Three ports, of which one is gone and one has every promise, and the times of one.
pub(super) fn sample() -> Sample {
    let mut stats = samples::shared();
    stats.ports[1].counters = samples::losses(&[("copies", 3), ("kicks", 7), ("kick_again", 2)]);
    stats.ports[1].rx.superframes = 5;
    samples::sent_express(&mut stats.ports[1], 300_000);
    stats.ledger.express = 300_000;
    stats.ports[1].promise.queue_bytes = 512 * 1024;
    stats.ports[0].link = Some(LinkLane {
        lane: LaneNow::Scheduled,
        closings: 12,
        charged: Amount::new(1200, 1_500_000),
        ahead_ns: 250_000,
    });
    let mut latency = VifLatency::default();
    for (ns, packets) in [(7_000, 90), (180_000, 9), (2_500_000_000, 1)] {
        for _ in 0..packets {
            latency.record_residence(Bin::of(ns));
        }
        latency.record(Stage::Steer, ns / 4, packets);
        latency.record(Stage::Queue, ns * 3 / 4, packets);
    }
    latency.record(Stage::Container, 0, 100);
    latency.record(Stage::Tx, 0, 100);
    let of_v1 = SourceFlows { port: "v1".into(), known: 41, ended: 7, other_frames: 12 };
    let flows = FlowRoom { capacity: 4096, sources: vec![of_v1] };
    Sample { stats, times: vec![PortTimes::new("v1", &latency)], flows }
}

fn text() -> String {
    page(&sample(), Format::OpenMetrics)
}

/// A file of the repository.
fn published(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Compares a generated file with its present content.
fn held(path: &str, generated: &str) {
    let file = published(path);
    if std::env::var_os("WEIR_BLESS").is_some() {
        fs::write(&file, generated).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(generated.lines()).find(|(found, new)| found != new);
    assert!(
        found == generated,
        "{path} is not what the code gives (first at {differs:?}); `WEIR_BLESS=1 cargo test -p weir \
         metrics` writes it again"
    );
}

/// By the samples' name: the labels, each with its values.
type Series = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn series(text: &str) -> Series {
    let mut all = Series::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let of_name = all.entry(name.to_owned()).or_default();
        let labels = labels.strip_suffix('}').unwrap();
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap();
            let value = value.trim_end_matches('"').to_owned();
            of_name.entry(label.to_owned()).or_default().insert(value);
        }
    }
    all
}

/// The value of one series, as text.
fn value<'t>(text: &'t str, series: &str) -> &'t str {
    let of_series = |line: &'t str| line.strip_prefix(series)?.strip_prefix(' ');
    text.lines().find_map(of_series).unwrap_or_else(|| panic!("there is no {series}"))
}

#[test]
fn the_older_format_names_the_samples() {
    let classic = page(&sample(), Format::Classic);
    assert!(classic.contains("# TYPE weir_build_info gauge\nweir_build_info{version="));
    let bytes = "# TYPE weir_port_bytes_total counter\nweir_port_bytes_total{port=";
    assert!(classic.contains(bytes) && !classic.contains("# UNIT") && !classic.contains("# EOF"));
    let samples = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    assert_eq!(samples(&classic), samples(&text()));
}

/// Reasons' sentences, and zeros of reasons that did not occur, are left out: they would fill the
/// snapshot.
#[test]
fn the_exposition_of_a_sample_is_the_one_promised() {
    let mut golden = String::new();
    for line in text().lines() {
        let lost = line.contains("_lost_frames");
        match line.split_once(" malformed: ") {
            Some((help, sentences)) => {
                for reason in Reason::ALL {
                    assert!(line.contains(&format!(" {}: ", reason.name())), "{line}");
                }
                assert!(sentences.contains("; look at what the sender emits"), "{sentences}");
                golden.extend([help, "\n"]);
            }
            None if lost && line.ends_with(" 0") => {}
            None => golden.extend([line, "\n"]),
        }
    }
    held("forwarder/src/observe/metrics/tests/sample.txt", &golden);
}

#[test]
fn every_reason_is_there_from_the_beginning() {
    let series = series(&text());
    let names: BTreeSet<String> = Reason::ALL.iter().map(|r| r.name().to_owned()).collect();
    for metric in ["weir_port_lost_frames_total", "weir_ledger_lost_frames_total"] {
        assert_eq!(series[metric]["reason"], names);
    }
    assert_eq!(series["weir_port_lost_frames_total"]["port"].len(), 3);
}

#[test]
fn every_metric_is_told_with_exactly_its_labels_in_base_units() {
    let (text, names) = (text(), ALL.iter().map(|metric| metric.name).collect::<BTreeSet<_>>());
    assert_eq!(names.len(), ALL.len(), "two metrics have one name");
    let series = series(&text);
    let mut told = 0;
    for metric in ALL {
        assert!(text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.name())));
        assert!(metric.help.ends_with('.') && !metric.help.contains(['"', '\\', '\n']));
        for wrong in ["_ns", "_us", "_ms", "_bps", "_kb", "_total", "_info", "_count", "_sum"] {
            assert!(!metric.name.ends_with(wrong), "{}", metric.name);
        }
        let samples = match metric.kind {
            Kind::Histogram => ["_bucket", "_sum", "_count"].as_slice(),
            kind => &[kind.suffix()],
        };
        for suffix in samples {
            let Some(labels) = series.get(&format!("{}{suffix}", metric.name)) else {
                panic!("{}: nothing in `sample` has a value for it", metric.name);
            };
            let labels = labels.keys().map(String::as_str).filter(|label| *label != "le");
            let expected: BTreeSet<&str> = metric.labels.iter().copied().collect();
            assert_eq!(labels.collect::<BTreeSet<_>>(), expected, "{}", metric.name);
            told += 1;
        }
    }
    assert_eq!(series.len(), told, "something is told that has no description");
}

#[test]
fn histograms_are_cumulative_and_end_in_their_count() {
    let text = text();
    let bucket = |le: &str| {
        value(&text, &format!("weir_residence_seconds_bucket{{le=\"{le}\",port=\"v1\"}}"))
    };
    let found = ["0.000005", "0.00001", "0.00015", "0.0002", "1.0", "+Inf"].map(bucket);
    assert_eq!(found, ["0", "90", "90", "99", "99", "100"]);
    assert_eq!(value(&text, "weir_residence_seconds_count{port=\"v1\"}"), "100");
    let sum: f64 = value(&text, "weir_residence_seconds_sum{port=\"v1\"}").parse().unwrap();
    assert!((2.48..2.53).contains(&sum), "{sum}");
}

#[test]
fn a_port_that_failed_says_so_and_one_without_promises_has_none() {
    let mut sample = sample();
    sample.stats.ports[0].state = State::Failed;
    let text = page(&sample, Format::OpenMetrics);
    assert_eq!(value(&text, "weir_port_state{port=\"nic0\",state=\"failed\"}"), "1");
    assert_eq!(value(&text, "weir_port_state{port=\"nic0\",state=\"up\"}"), "0");
    assert_eq!(value(&text, "weir_port_min_rate_bytes_per_second{port=\"v1\"}"), "2500000.0");
    assert!(!text.contains("min_rate_bytes_per_second{port=\"nic0\"}"));
    // Two vifs without a rate have nothing to share.
    assert!(!text.contains("to=\"v1\""));
}

#[test]
fn lanes_add_up_to_what_a_port_sent() {
    let text = text();
    let frames = |metric: &str, label: &str| -> u64 {
        value(&text, &format!("weir_port_{metric}_total{{port=\"v1\",{label}}}")).parse().unwrap()
    };
    let lane = |lane: &str| frames("lane_frames", &format!("lane=\"{lane}\""));
    assert_eq!((lane("express"), lane("bridge")), (300_000, 0));
    let rx = frames("frames", "direction=\"rx\"");
    assert_eq!(lane("express") + lane("scheduled"), rx);
    assert_eq!(frames("lane_bytes", "lane=\"express\""), 300_000_000);
    assert_eq!(value(&text, "weir_ledger_express_frames_total"), "300000");
}

#[test]
fn a_weir_that_has_nothing_to_tell_yet_tells_it() {
    let ledger = LedgerReport::default().with_lost(&Losses::default());
    let stats = StatsReport { ledger, ..StatsReport::default() };
    let sample = Sample { stats, ..Sample::default() };
    let text = page(&sample, Format::OpenMetrics);
    assert!(text.ends_with("# EOF\n"));
    assert_eq!(value(&text, "weir_ledger_balanced"), "1");
    assert_eq!(value(&text, "weir_ledger_lost_frames_total{reason=\"shed\"}"), "0");
}

/// `docs/metrics.md` comes from the table in the code.
#[test]
fn the_documentation_lists_exactly_these_metrics() {
    let mut table = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for metric in ALL {
        let samples = match metric.kind {
            Kind::Histogram => String::new(),
            kind => kind.suffix().to_owned(),
        };
        let labels = metric.labels.iter().map(|label| format!("`{label}`"));
        let row = format!(
            "| `{}{samples}` | {} | {} | {} |\n",
            metric.name,
            metric.kind.name(),
            labels.collect::<Vec<_>>().join(", "),
            metric.help
        );
        table.push_str(&row);
    }
    let bounds: Vec<String> = BOUNDS_US.iter().map(|&us| bound(us * 1000)).collect();
    let doc = fs::read_to_string(published("docs/metrics.md")).unwrap();
    let part = |name: &str, generated: &str| {
        let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
        let (before, rest) = doc.split_once(&start).expect("the start of a generated part");
        let (_, after) = rest.split_once(&end).expect("the end of a generated part");
        format!("{before}{start}{generated}{end}{after}")
    };
    held("docs/metrics.md", &part("metrics", &table));
    let listed = format!("{}.\n", bounds.join(", "));
    assert!(doc.contains(&listed), "docs/metrics.md should list the buckets: {listed}");
}

fn bound(ns: u64) -> String {
    match ns {
        1_000_000_000 => "1 s".to_owned(),
        1_000_000.. => format!("{} ms", ns / 1_000_000),
        _ => format!("{} us", ns / 1_000),
    }
}
