//! Compares docs/json.md with the types: every answer is described there, and every example there can
//! be parsed.

use std::collections::BTreeSet;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use weir_schema::{Host, Plan, parse};

use std::collections::BTreeMap;

use weir_api::*;
use weir_probe::{
    report::{
        Acknowledged, FloorReport, FlowReport as ProbeFlow, RawReport, RoundTrips, SendReport,
        SessionReport, SinkReport,
    },
    timing::Spread,
};

const PAGE: &str = include_str!("../../../../../docs/json.md");

/// The JSON between a heading and the next; each page section has one such block.
fn example(heading: &str) -> &'static str {
    let section = PAGE.split_once(&format!("\n## {heading}\n")).expect(heading).1;
    let section = section.split("\n## ").next().unwrap_or(section);
    let block = section.split_once("```json\n").expect(heading).1;
    block.split_once("\n```").expect(heading).0
}

fn read<T: DeserializeOwned>(heading: &str) -> T {
    serde_json::from_str(example(heading)).unwrap_or_else(|error| panic!("{heading}: {error}"))
}

/// Names of fields at any depth, without the keys of maps, which are data.
fn fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                into.insert(name.clone());
                let data = ["losses", "lost_by_reason", "released", "counters"];
                if !data.contains(&name.as_str()) {
                    fields(value, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, into)),
        _ => {}
    }
}

fn fields_of<T: Serialize>(report: &T) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    fields(&serde_json::to_value(report).unwrap(), &mut names);
    names
}

/// Asserts that an example, read and written again, stays the same, so that it has no unknown field;
/// returns the names in it.
fn exact<T: Serialize + DeserializeOwned>(heading: &str) -> (T, BTreeSet<String>) {
    let (report, shown): (T, Value) = (read(heading), read(heading));
    assert_eq!(serde_json::to_value(&report).unwrap(), shown, "{heading}");
    let names = fields_of(&report);
    (report, names)
}

#[test]
fn every_field_is_in_its_example_and_every_example_is_what_is_answered() {
    let (mut stats, shown) = exact::<StatsReport>("GET /v1/stats");
    assert_eq!(stats.version, VERSION);
    assert!(stats.ledger.balanced && stats.ledger.balance() == 0);
    assert_eq!(stats.frames.accounted(), stats.frames.total);
    // This field is only there if it has something to say.
    stats.ports[0].problem = Some("why".to_owned());
    let all = fields_of(&stats);
    let rest: Vec<&String> = all.difference(&shown).collect();
    assert_eq!(rest, ["problem"]);
    let (ports, _) = exact::<PortList>("GET /v1/ports");
    assert_eq!((ports.version, ports.ports.len()), (VERSION, 2));
    let (latency, _) = exact::<LatencyReport>("GET /v1/latency");
    assert!(latency.vifs[0].stages[0].histogram.is_some());
    let (flows, _) = exact::<FlowsReport>("GET /v1/flows");
    let flow = &flows.flows[0];
    assert!(flow.vlan.is_some() && flow.src_port.is_some() && flow.histogram.is_some());
    assert!(!flow.counts.tcp_flags.is_empty() && flows.sums[0].flows.is_some());
    exact::<Health>("GET /v1/health");
    let losses = LossReport::of(&stats);
    let heading = "weir dump loss --format json";
    assert_eq!(fields_of(&losses), fields_of(&read::<Value>(heading)), "{heading}");
}

#[test]
fn every_step_of_a_trace_is_shown() {
    let lines = serde_json::Deserializer::from_str(example("GET /v1/trace"));
    let (mut steps, mut ends) = (0, 0);
    for line in lines.into_iter::<Value>() {
        let line = line.unwrap();
        let told: TraceLine = serde_json::from_value(line.clone()).unwrap();
        assert_eq!(serde_json::to_value(&told).unwrap(), line);
        match told {
            TraceLine::Packet(packet) => {
                let kinds = packet.steps.iter().map(|step| std::mem::discriminant(&step.what));
                steps += kinds.collect::<std::collections::HashSet<_>>().len();
            }
            TraceLine::End(_) => ends += 1,
        }
    }
    assert_eq!((steps, ends), (9, 1));
}

#[test]
fn every_field_is_named_in_the_text() {
    let mut names = BTreeSet::new();
    for heading in [
        "GET /v1/stats",
        "GET /v1/ports",
        "GET /v1/latency",
        "GET /v1/flows",
        "GET /v1/health",
        "weir dump loss --format json",
        "weir doctor --json",
    ] {
        fields(&read(heading), &mut names);
    }
    let trace = serde_json::Deserializer::from_str(example("GET /v1/trace"));
    trace.into_iter::<Value>().for_each(|line| fields(&line.unwrap(), &mut names));
    names.extend(probe());
    names.extend(fields_of(&ErrorReport { error: String::new() }));
    names.insert("problem".to_owned());
    // Examples do not count as explanations.
    let text: String = PAGE.split("```").step_by(2).collect();
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !text.contains(&format!("`{name}`")))
        .filter(|name| !text.contains(&format!("{{\"{name}\"")))
        .collect();
    assert!(missing.is_empty(), "not in docs/json.md: {missing:?}");
}

#[test]
fn the_configuration_is_shown_with_every_key() {
    let file = "[[port]]\nname = 'tap7'\n[[port]]\nname = 'eth1'\nrole = 'uplink'\n";
    let plan: Plan = parse(file, "f", &Host { cores: vec![0] }).unwrap();
    let shown: Value = read("GET /v1/config, PATCH /v1/config");
    let mut all = fields_of(&plan.document(&[]));
    assert!(all.remove("eth1"));
    assert_eq!(all, fields_of(&shown));
    assert!(plan.patch(&shown, &[]).is_ok(), "what is shown would be refused");
}

/// The fields of the probe's reports with everything in them.
fn probe() -> BTreeSet<String> {
    let send = SendReport {
        version: 1,
        kind: "send",
        target: String::new(),
        session: String::new(),
        flows: 1,
        rate: String::new(),
        size: String::new(),
        burst: 1,
        elapsed_ns: 1,
        datagrams: 1,
        bytes: 1,
        frame_bytes: 1,
        refused: BTreeMap::new(),
        overdue: 0,
        unreachable: 0,
        lateness: Spread::default(),
        acknowledged: Some(Acknowledged::default()),
        round_trips: Some(RoundTrips {
            replies: 1,
            unique: 1,
            duplicates: 0,
            reordered: 0,
            late: 0,
            lost_on_the_way_back: Some(0),
            rtt: Spread::default(),
            jitter_mean_ns: 0,
            jitter_max_ns: 0,
            there: Some(Spread::default()),
            back: Some(Spread::default()),
        }),
    };
    let flow = ProbeFlow {
        flow: 0,
        ended: true,
        sent: 1,
        unique: 1,
        lost: 0,
        reordered: 0,
        largest_extent: 0,
        duplicates: 0,
        late: 0,
        replied: 0,
        jitter_ns: 0,
    };
    let session = SessionReport {
        session: String::new(),
        from: String::new(),
        same_host: true,
        ended: true,
        elapsed_ns: 1,
        datagrams: 1,
        bytes: 1,
        sent: 1,
        unique: 1,
        lost: 0,
        reordered: 0,
        largest_extent: 0,
        duplicates: 0,
        late: 0,
        replied: 0,
        before_sent: 0,
        latency: Spread::default(),
        waking: Some(Spread::default()),
        interarrival: Spread::default(),
        jitter_mean_ns: 0,
        jitter_max_ns: 0,
        flows: vec![flow],
    };
    let sink = SinkReport {
        version: 1,
        kind: "sink",
        listening: String::new(),
        timestamps: "user",
        elapsed_ns: 1,
        foreign: 0,
        unkept: 0,
        socket_dropped: 0,
        unanswered: 0,
        sessions: vec![session],
    };
    let raw = RawReport {
        version: 1,
        kind: "raw-send",
        interface: String::new(),
        way: "af-xdp",
        instead_because: Some(String::new()),
        frames: 1,
        frame_size: 64,
        elapsed_ns: 1,
    };
    let mut names = fields_of(&FloorReport { version: 1, kind: "floor", send, sink });
    names.extend(fields_of(&raw));
    names
}
