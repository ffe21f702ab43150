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
mod tests;
