//! What a run found, from the reports of its two ends. Invariant: what did not arrive has no delay:
//! where nothing came there is a loss of 1 and nothing else.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::process::Left;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) values: Vec<(&'static str, f64)>,
    /// What the sender's kernel took, whole frames.
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) sent_for: Duration,
}

/// By the sink's report of this sender's session.
pub(super) fn one_way(sent: &Left, heard: &Left) -> Result<Found> {
    let session = &sent.report["session"];
    let sessions = heard.report["sessions"].as_array().context("the sink tells no sessions")?;
    let part = sessions.iter().find(|one| one["session"] == *session);
    found(sent, part.map(|part| (part, &part["latency"], heard)))
}

/// By what came back to the sender.
pub(super) fn round_trip(sent: &Left) -> Result<Found> {
    let trips = Some(&sent.report["round_trips"]).filter(|trips| !trips.is_null());
    found(sent, trips.map(|trips| (trips, &trips["rtt"], sent)))
}

/// `came`: the part of a report that counts what came, its delays, and whose report it is.
fn found(sent: &Left, came: Option<(&Value, &Value, &Left)>) -> Result<Found> {
    let frames = number(&sent.report, "datagrams")?;
    let mut values = Vec::new();
    let unique = came.map_or(Ok(0), |(part, _, _)| number(part, "unique"))?;
    if frames > 0 {
        values.push(("loss", frames.saturating_sub(unique) as f64 / frames as f64));
    }
    if let Some((part, delays, whose)) = came
        && unique > 0
    {
        for (name, field) in [
            ("mean_us", "mean_ns"),
            ("p50_us", "p50_ns"),
            ("p99_us", "p99_ns"),
            ("p999_us", "p999_ns"),
        ] {
            values.push((name, number(delays, field)? as f64 / 1000.0));
        }
        values.extend(deviation_us(&whose.distribution).map(|sd| ("sd_us", sd)));
        values.push(("jitter_us", number(part, "jitter_mean_ns")? as f64 / 1000.0));
    }
    Ok(Found {
        values,
        frames,
        bytes: number(&sent.report, "frame_bytes")?,
        sent_for: Duration::from_nanos(number(&sent.report, "elapsed_ns")?),
    })
}

fn number(value: &Value, field: &str) -> Result<u64> {
    value[field].as_u64().with_context(|| format!("a probe's report has no {field}: {value}"))
}

/// Of "#[Mean    =      467.544, StdDeviation   =     2061.559]".
fn deviation_us(distribution: &str) -> Option<f64> {
    let line = distribution.lines().find(|line| line.starts_with("#[Mean"))?;
    let (_, deviation) = line.trim_end_matches(']').rsplit_once('=')?;
    deviation.trim().parse().ok()
}

#[cfg(test)]
mod tests {
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
}
