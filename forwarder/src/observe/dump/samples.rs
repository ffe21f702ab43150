//! Reports with known histograms, for tests.

use weir_core::latency::histogram;

use weir_api::{
    FlowNumbers, FlowReport, FlowSumReport, FlowsReport, LatencyReport, SumKind, Times, VERSION,
    VifTimes,
};

pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const START: u64 = 1_700_000_000 * SECOND;
pub(crate) const STAGES: [&str; 5] = ["steer", "container", "queue", "tx", "residence"];

pub(crate) fn times(stage: &str, recorded: &[u64]) -> Times {
    let mut times = histogram::<u64>();
    recorded.iter().for_each(|ns| times.saturating_record(*ns));
    Times::of(stage, &times)
}

/// A vif with the same times in every stage.
pub(crate) fn vif(name: &str, recorded: &[u64]) -> VifTimes {
    let stages = STAGES.iter().map(|stage| times(stage, recorded));
    VifTimes { name: name.to_owned(), stages: stages.collect() }
}

/// v1 sent a thousand packets, v2 none, in two seconds.
pub(crate) fn latency() -> LatencyReport {
    let recorded: Vec<u64> = (1..=1000).map(|us| us * 1000).collect();
    LatencyReport {
        version: VERSION,
        uptime_ns: 10 * SECOND,
        since_unix_ns: START,
        until_unix_ns: START + 2 * SECOND,
        on: true,
        vifs: vec![vif("v1", &recorded), vif("v2", &[])],
    }
}

pub(crate) fn numbers(frames: u64, recorded: &[u64]) -> (FlowNumbers, Option<String>) {
    let times = times("", recorded);
    let counts = FlowNumbers {
        frames,
        bytes: frames * 100,
        delivered: recorded.len() as u64,
        delivered_bytes: recorded.len() as u64 * 100,
        residence: times.summary,
        ..FlowNumbers::default()
    };
    (counts, times.histogram)
}

pub(crate) fn udp(vif: &str, port: u64, frames: u64, recorded: &[u64]) -> FlowReport {
    let (counts, histogram) = numbers(frames, recorded);
    FlowReport {
        vif: vif.to_owned(),
        proto: "udp".to_owned(),
        src: Some("10.0.0.1".to_owned()),
        dst: Some("10.0.0.2".to_owned()),
        src_port: Some(port),
        dst_port: Some(53),
        age_ns: SECOND,
        idle_ns: 0,
        counts,
        histogram,
        ..FlowReport::default()
    }
}

pub(crate) fn sum(vif: &str, kind: SumKind, frames: u64, recorded: &[u64]) -> FlowSumReport {
    let (counts, histogram) = numbers(frames, recorded);
    let flows = (kind == SumKind::Ended).then_some(1);
    FlowSumReport { vif: vif.to_owned(), kind, flows, express: 0, counts, histogram }
}

/// A flow of v1 that lost three of its packets, one of v2 over IPv6, one that is no IP, and a sum.
pub(crate) fn flows() -> FlowsReport {
    let mut lossy = udp("v1", 5000, 1003, &[1000; 1000]);
    lossy.counts.losses = [("queue_full".to_owned(), 2), ("shed".to_owned(), 1)].into();
    let mut v6 = udp("v2", 40_000, 7, &[20_000; 7]);
    (v6.proto, v6.vlan) = ("tcp".to_owned(), Some(7));
    (v6.src, v6.dst) = (Some("fd00::1".to_owned()), Some("fd00::2".to_owned()));
    v6.counts.tcp_flags = vec!["SYN".to_owned(), "ACK".to_owned()];
    let arp = FlowReport {
        proto: "arp".to_owned(),
        src_port: None,
        dst_port: None,
        src: None,
        dst: None,
        ..udp("v2", 0, 2, &[300, 400])
    };
    FlowsReport {
        version: VERSION,
        uptime_ns: 10 * SECOND,
        until_unix_ns: START + 2 * SECOND,
        capacity: 4096,
        known: 3,
        flows: vec![lossy, v6, arp],
        sums: vec![sum("v1", SumKind::Other, 5, &[600; 5])],
    }
}
