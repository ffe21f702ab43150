use super::*;
use serde_json::json;

const DISTRIBUTION: &str = "#[Histogram: latency, values in microseconds]
       Value     Percentile TotalCount 1/(1-Percentile)

   11526.143 1.000000000000        500
#[Mean    =      467.544, StdDeviation   =     2061.559]
#[Max     =    11526.143, Total count    =          500]
#[Buckets =           27, SubBuckets     =         2048]
";

fn left(report: Value, distribution: &str) -> Left {
    Left { report, distribution: distribution.to_owned() }
}

fn sent(round_trips: Value) -> Value {
    json!({
        "session": "ea13", "elapsed_ns": 499_024_227_u64, "datagrams": 500, "bytes": 32_000,
        "frame_bytes": 53_000, "round_trips": round_trips,
    })
}

fn spread() -> Value {
    json!({
        "count": 400, "min_ns": 1843, "mean_ns": 467_544, "p50_ns": 2725, "p90_ns": 98_687,
        "p99_ns": 11_452_415, "p999_ns": 11_526_143, "max_ns": 11_526_143,
    })
}

fn delays(loss: f64) -> Vec<(&'static str, f64)> {
    vec![
        ("loss", loss),
        ("mean_us", 467.544),
        ("p50_us", 2.725),
        ("p99_us", 11_452.415),
        ("p999_us", 11_526.143),
        ("sd_us", 2061.559),
        ("jitter_us", 0.359),
    ]
}

#[test]
fn one_way_is_by_the_sinks_report_of_the_same_session() {
    let session = |name: &str, unique: u64| json!({"session": name, "unique": unique, "latency": spread(), "jitter_mean_ns": 359});
    let sessions = json!({"sessions": [session("other", 7), session("ea13", 400)]});
    let sink = left(sessions, DISTRIBUTION);
    let found = one_way(&left(sent(Value::Null), "lateness"), &sink).unwrap();
    assert_eq!(found.values, delays(0.2));
    assert_eq!((found.frames, found.bytes), (500, 53_000));
    assert_eq!(found.sent_for, Duration::from_nanos(499_024_227));
}

#[test]
fn a_round_trip_is_by_the_senders() {
    let trips = json!({"replies": 451, "unique": 450, "rtt": spread(), "jitter_mean_ns": 359});
    let found = round_trip(&left(sent(trips), DISTRIBUTION)).unwrap();
    assert_eq!(found.values, delays(0.1));
}

#[test]
fn where_nothing_came_there_is_only_loss() {
    let sent = left(sent(Value::Null), "");
    let expected = vec![("loss", 1.0)];
    let sink = left(json!({"sessions": []}), "");
    assert_eq!(one_way(&sent, &sink).unwrap().values, expected);
    assert_eq!(round_trip(&sent).unwrap().values, expected);
}

#[test]
fn a_report_of_another_kind_is_an_error() {
    let strange = left(json!({"version": 9}), "");
    let error = round_trip(&strange).unwrap_err().to_string();
    assert!(error.contains("no datagrams"), "{error}");
}
