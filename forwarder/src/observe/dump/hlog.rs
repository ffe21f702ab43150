//! `.hlog`: HdrHistogram's interval log, version 1.3. Invariant: an interval's lines are one text,
//! so that one write leaves all of them or none.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::Series;

const LEGEND: &str =
    "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

/// The beginning of a log. All times in it are relative to `start_unix_ns`.
pub fn header(start_unix_ns: u64) -> String {
    let start = UNIX_EPOCH + Duration::from_nanos(start_unix_ns);
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(concat!("[Logged by weir ", env!("CARGO_PKG_VERSION"), ", in nanoseconds]"))
        .with_start_time(start)
        .with_base_time(start);
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = builder.begin_log_with(&mut text, &mut V2DeflateSerializer::new());
    String::from_utf8_lossy(&text).into_owned() + LEGEND
}

/// A line for each series: what was recorded from `since` to `until`.
pub fn interval(start_unix_ns: u64, since: u64, until: u64, series: &[Series]) -> String {
    let offset = Duration::from_nanos(since.saturating_sub(start_unix_ns));
    let length = Duration::from_nanos(until.saturating_sub(since));
    let (mut text, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    if let Ok(mut log) = IntervalLogWriterBuilder::new().begin_log_with(&mut text, &mut serializer)
    {
        for one in series {
            let _ = log.write_histogram(&one.times, offset, length, Tag::new(&one.tag));
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}
