//! Reads the formats back, with our own code and with that of their authors.

use std::path::Path;

use serde_json::Value;
use system_tests::binaries::run_python;

use super::samples::{SECOND, START, flows as sample_flows, latency, sum, times, udp, vif};
use super::series::{by_stage, of_flows, of_latency};
use super::{csv, hgrm, hlog, since};
use crate::observe::samples::report as stats;
use weir_api::{
    FlowSumReport, FlowsReport, LatencyReport, LossReport, SumKind, Summary, histogram::decode,
};

const READ_HISTOGRAMS: &str = include_str!("../../../../tests/python/read_histograms.py");
const READ_CSV: &str = include_str!("../../../../tests/python/read_csv.py");

fn python(script: &str, files: &[&Path]) -> Vec<Value> {
    serde_json::from_str(&run_python(script, files).unwrap()).unwrap()
}

fn rows(text: &str) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("rows.csv");
    std::fs::write(&file, text).unwrap();
    python(READ_CSV, &[&file])
}

/// v1 sent five more packets, v2 its first two, in the third second.
fn later() -> LatencyReport {
    let recorded: Vec<u64> = (1..=1000).map(|us| us * 1000).chain([70_000_000; 5]).collect();
    LatencyReport {
        uptime_ns: 11 * SECOND,
        until_unix_ns: START + 3 * SECOND,
        vifs: vec![vif("v1", &recorded), vif("v2", &[100, 5_000])],
        ..latency()
    }
}

#[test]
fn the_python_port_reads_the_interval_log_and_agrees_with_the_distribution() {
    let (first, second) = (latency(), since::latency(&latency(), &later()).unwrap());
    let log: String = [&first, &second]
        .map(|report| {
            let series = of_latency(report).unwrap();
            hlog::interval(START, report.since_unix_ns, report.until_unix_ns, &series)
        })
        .concat();
    let dir = tempfile::tempdir().unwrap();
    let (hlog_file, hgrm_file) = (dir.path().join("l.hlog"), dir.path().join("l.hgrm"));
    std::fs::write(&hlog_file, hlog::header(START) + &log).unwrap();
    // The two intervals together make up the later report.
    std::fs::write(&hgrm_file, hgrm::render(&of_latency(&later()).unwrap())).unwrap();
    let lines = python(READ_HISTOGRAMS, &[&hlog_file, &hgrm_file]);
    assert_eq!(lines.len(), 2 * 2 * 5);
    let start_ms = START / 1_000_000;
    for (report, lines) in [(&first, &lines[..10]), (&second, &lines[10..])] {
        let span = [report.since_unix_ns, report.until_unix_ns].map(|ns| ns / 1_000_000);
        let stages = report.vifs.iter().flat_map(|vif| vif.stages.iter().map(move |at| (vif, at)));
        for (line, (vif, at)) in lines.iter().zip(stages) {
            assert_eq!(line["tag"], format!("{}.{}", vif.name, at.stage));
            assert_eq!(line["count"], at.summary.count);
            assert_eq!([&line["start_ms"], &line["end_ms"]], [span[0], span[1]]);
            if at.summary.count > 0 {
                let short = [at.summary.p50_ns, at.summary.p99_ns, at.summary.max_ns];
                assert_eq!([&line["p50"], &line["p99"], &line["max"]], short);
            }
        }
    }
    assert_eq!(lines[0]["start_ms"], start_ms);
}

#[test]
fn an_interval_log_is_of_version_1_3_and_holds_what_the_report_does() {
    let series = of_latency(&latency()).unwrap();
    let text = hlog::header(START + 500_000_000)
        + &hlog::interval(START + 500_000_000, START + SECOND, START + 3 * SECOND, &series);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "#[Histogram log format version 1.3]");
    assert_eq!(lines[2], "#[StartTime: 1700000000.500 (seconds since epoch)]");
    assert_eq!(lines[3], "#[BaseTime: 1700000000.500 (seconds since epoch)]");
    assert!(lines[4].starts_with("\"StartTimestamp\",\"Interval_Length\","), "{}", lines[4]);
    assert!(lines[5].starts_with("Tag=v1.steer,0.500,2.000,"), "{}", lines[5]);
    let encoded = lines[9].rsplit(',').next().unwrap();
    assert_eq!(Summary::of(&decode(encoded).unwrap()), latency().vifs[0].stages[4].summary);
}

#[test]
fn a_distribution_looks_like_those_of_its_own_tools() {
    let series = of_latency(&latency()).unwrap();
    let text = hgrm::section("v1.residence", &series[4].times);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "#[Histogram: v1.residence, values in microseconds]");
    assert_eq!(lines[1], "       Value     Percentile TotalCount 1/(1-Percentile)");
    assert_eq!(lines[2], "");
    assert_eq!(lines[3], "       1.023 0.000000000000          1           1.00");
    assert_eq!(lines[lines.len() - 4].split_whitespace().nth(1), Some("1.000000000000"));
    assert!(lines[lines.len() - 3].starts_with("#[Mean    =      500."), "{text}");
    assert!(lines[lines.len() - 2].ends_with("Total count    =         1000]"), "{text}");
    let empty = hgrm::section("v2.residence", &series[9].times);
    assert!(empty.contains("#[Max     =        0.000, Total count    =            0]"), "{empty}");
}

#[test]
fn intervals_add_up_to_the_whole_and_a_reset_begins_anew() {
    let interval = since::latency(&latency(), &later()).unwrap();
    assert_eq!(interval.since_unix_ns, START + 2 * SECOND);
    let [v1, v2] = interval.vifs.as_slice() else { panic!("{interval:?}") };
    for (at, expected) in [(&v1.stages[4], &[70_000_000; 5][..]), (&v2.stages[0], &[100, 5_000])] {
        let wanted = times(&at.stage, expected);
        assert_eq!((at.summary, &at.histogram), (wanted.summary, &wanted.histogram));
    }
    let nothing = since::latency(&later(), &later()).unwrap();
    assert!(nothing.vifs.iter().flat_map(|vif| &vif.stages).all(|at| at.summary.count == 0));
    let reset = LatencyReport { since_unix_ns: START + 5 * SECOND, ..latency() };
    assert_eq!(since::latency(&later(), &reset).unwrap(), reset);
    // A vif that went and came back, and a new one.
    let mut other = later();
    other.vifs = vec![vif("v1", &[1_000]), vif("v3", &[2_000])];
    let interval = since::latency(&latency(), &other).unwrap();
    assert!(interval.vifs.iter().all(|vif| vif.stages[4].summary.count == 1), "{interval:?}");
}

#[test]
fn stages_are_merged_over_the_vifs() {
    let merged = by_stage(&later()).unwrap();
    let tags: Vec<String> = of_latency(&merged).unwrap().into_iter().map(|one| one.tag).collect();
    assert_eq!(tags, ["all.steer", "all.container", "all.queue", "all.tx", "all.residence"]);
    assert!(merged.vifs[0].stages.iter().all(|at| at.summary.count == 1007));
    let mut garbled = later();
    garbled.vifs[1].stages[0].histogram = Some("none".to_owned());
    let error = by_stage(&garbled).unwrap_err().to_string();
    assert_eq!(error, "weir's histogram of v2.steer cannot be read: is it another version?");
}

#[test]
fn flows_that_ended_are_not_counted_twice() {
    let before = FlowsReport {
        flows: vec![
            udp("v1", 1, 10, &[1_000; 8]),
            udp("v1", 2, 20, &[1_000; 20]),
            udp("v1", 3, 30, &[2_000; 30]),
        ],
        sums: vec![sum("v1", SumKind::Ended, 5, &[500; 5])],
        ..sample_flows()
    };
    // The first went on, the second ended after three more, the third ended and began again.
    let ended: Vec<u64> = [[500; 5].as_slice(), &[1_000; 23], &[2_000; 30]].concat();
    let after = FlowsReport {
        uptime_ns: before.uptime_ns + SECOND,
        until_unix_ns: before.until_unix_ns + SECOND,
        flows: vec![udp("v1", 1, 14, &[1_000; 12]), udp("v1", 3, 2, &[9_000; 2])],
        sums: vec![sum("v1", SumKind::Ended, 58, &ended), sum("v1", SumKind::Other, 1, &[7_000])],
        ..before.clone()
    };
    let interval = since::flows(&before, &after).unwrap();
    let counts: Vec<_> =
        interval.flows.iter().map(|flow| (flow.src_port, flow.counts.frames)).collect();
    assert_eq!(counts, [(Some(1), 4), (Some(3), 2)]);
    let sums: Vec<_> = interval.sums.iter().map(|sum| (sum.kind, sum.counts.frames)).collect();
    assert_eq!(sums, [(SumKind::Ended, 3), (SumKind::Other, 1)]);
    assert_eq!(interval.sums[0].counts.residence, times("", &[1_000; 3]).summary);
    let all: u64 = of_flows(&interval).unwrap().iter().map(|one| one.times.len()).sum();
    assert_eq!(all, 4 + 2 + 3 + 1, "as many as were delivered meanwhile");
    assert_eq!(since::flows(&after, &after).unwrap().flows, []);
}

#[test]
fn an_intervals_express_frames_are_those_of_the_interval() {
    let with = |frames, express| {
        let other = FlowSumReport { express, ..sum("v1", SumKind::Other, frames, &[600; 5]) };
        FlowsReport { sums: vec![other], ..sample_flows() }
    };
    let told = |before: &FlowsReport, after: &FlowsReport| -> Vec<(u64, u64)> {
        let interval = since::flows(before, after).unwrap();
        interval.sums.iter().map(|sum| (sum.counts.frames, sum.express)).collect()
    };
    assert_eq!(told(&with(105, 100), &with(165, 160)), [(60, 60)]);
    assert_eq!(told(&with(105, 100), &with(105, 100)), []);
    // All were forgotten meanwhile.
    assert_eq!(told(&with(105, 100), &with(7, 2)), [(7, 2)]);
}

#[test]
fn tags_name_flows_and_cannot_end_early() {
    let mut report = sample_flows();
    report.flows[2].vif = "v,2".to_owned();
    let tags: Vec<String> = of_flows(&report).unwrap().into_iter().map(|one| one.tag).collect();
    assert_eq!(
        tags,
        [
            "v1.udp.10.0.0.1:5000>10.0.0.2:53",
            "v2.tcp.vlan7.[fd00::1]:40000>[fd00::2]:53",
            "v_2.arp",
            "v1.other"
        ]
    );
}

#[test]
fn the_python_csv_module_reads_latency_and_losses() {
    let mut report = latency();
    report.vifs[1].name = "v\"2,".to_owned();
    let read = rows(&csv::latency(&report).whole());
    assert_eq!(read.len(), 10);
    assert_eq!((&read[9]["vif"], &read[9]["stage"]), (&"v\"2,".into(), &"residence".into()));
    assert_eq!((&read[4]["count"], &read[4]["p50_ns"]), (&"1000".into(), &"501759".into()));
    let losses = LossReport::of(&stats());
    let read = rows(&csv::losses(&losses).whole());
    assert_eq!(read.len(), 4);
    assert_eq!((&read[1]["reason"], &read[1]["frames"]), (&"queue_full".into(), &"4000".into()));
    let sum: u64 =
        read.iter().map(|row| row["frames"].as_str().unwrap().parse::<u64>().unwrap()).sum();
    assert_eq!(sum, losses.lost());
}

#[test]
fn the_python_csv_module_reads_flows() {
    let mut report = sample_flows();
    report.sums[0].express = 3;
    let read = rows(&csv::flows(&report, None).whole());
    let column =
        |name: &str| -> Vec<&str> { read.iter().map(|row| row[name].as_str().unwrap()).collect() };
    assert_eq!(column("kind"), ["flow", "flow", "flow", "other"]);
    assert_eq!(column("src"), ["10.0.0.1", "fd00::1", "", ""]);
    assert_eq!(column("vlan"), ["", "7", "", ""]);
    assert_eq!(column("lost"), ["3", "0", "0", "0"]);
    assert_eq!(column("losses"), ["queue_full=2;shed=1", "", "", ""]);
    assert_eq!(column("tcp_flags"), ["", "SYN|ACK", "", ""]);
    assert_eq!(column("count"), ["1000", "7", "2", "5"]);
    assert_eq!(column("express"), ["0", "0", "0", "3"]);
    let seen_first = (START + SECOND).to_string();
    assert_eq!(column("since_unix_ns"), [&seen_first, &seen_first, &seen_first, ""]);
    let read = rows(&csv::flow_losses(&sample_flows(), Some(START)).whole());
    assert_eq!(read.len(), 2);
    assert_eq!((&read[1]["reason"], &read[1]["frames"]), (&"shed".into(), &"1".into()));
}

#[test]
fn losses_since() {
    let before = LossReport::of(&stats());
    let mut after = stats();
    after.uptime_ns += SECOND;
    after.ports[1].rx.frames += 100;
    after.ports[1].losses.insert("queue_full".to_owned(), 4_010);
    let interval = LossReport::of(&after).since(&before);
    assert_eq!((interval.lost(), interval.since_unix_ns), (10, before.until_unix_ns));
    assert_eq!((interval.ports[1].received, interval.ports[2].losses.len()), (100, 0));
    assert!(interval.ledger.is_none() && before.ledger.is_some());
    after.uptime_ns = 1;
    assert_eq!(LossReport::of(&after).since(&before).lost(), 4_023);
}
