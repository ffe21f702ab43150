//! Histograms as HdrHistogram's own tools read them: `.hgrm` is the distribution of one as text,
//! `.hlog` a log of several. Invariant: counts are exact; values are in microseconds in the former
//! and, encoded, in nanoseconds in the latter.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use super::report::Named;

/// Steps for each halving of the distance to 100 %, as HdrHistogram's tools have it.
const TICKS: u32 = 5;
const NS_PER_US: f64 = 1000.0;

/// The percentile distribution, in microseconds.
#[must_use]
pub fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut text = String::from("       Value     Percentile TotalCount 1/(1-Percentile)\n\n");
    let mut count = 0;
    for step in histogram.iter_quantiles(TICKS) {
        count += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / NS_PER_US;
        let quantile = step.quantile_iterated_to();
        let _ = write!(text, "{value:12.3} {quantile:1.12} {count:10}");
        if quantile < 1.0 {
            let _ = write!(text, " {:14.2}", 1.0 / (1.0 - quantile));
        }
        text.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / NS_PER_US, histogram.stdev() / NS_PER_US);
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let (max, total) = (histogram.max() as f64 / NS_PER_US, histogram.len());
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {total:12}]");
    let (buckets, sub) = (histogram.buckets(), 2048);
    let _ = writeln!(text, "#[Buckets = {buckets:12}, SubBuckets     = {sub:12}]");
    text
}

/// A log of one interval, a line for each histogram, tagged with its name.
pub fn write_hlog(
    out: &mut impl Write,
    named: &[Named<'_>],
    began: SystemTime,
    lasted: Duration,
) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Logged with weir probe]")
        .add_comment("[Histogram log format version 1.3]")
        .with_start_time(began)
        .with_base_time(began)
        .with_max_value_divisor(1e6)
        .begin_log_with(out, &mut serializer)?;
    for (name, spread) in named {
        log.write_histogram(&spread.histogram, Duration::ZERO, lasted, Tag::new(name))
            .map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

/// Writes the files that are asked for: the first histogram's distribution, all of them as a log.
pub fn save(
    named: &[Named<'_>],
    began: SystemTime,
    lasted: Duration,
    (to_hgrm, to_hlog): (Option<&Path>, Option<&Path>),
) -> Result<(), super::ProbeError> {
    let failed = |path: &Path| super::ProbeError::io(format!("cannot write {}", path.display()));
    if let (Some(path), Some((_, spread))) = (to_hgrm, named.first()) {
        std::fs::write(path, hgrm(&spread.histogram)).map_err(failed(path))?;
    }
    if let Some(path) = to_hlog {
        let write = || -> io::Result<()> {
            let mut file = BufWriter::new(File::create(path)?);
            write_hlog(&mut file, named, began, lasted)?;
            file.flush()
        };
        write().map_err(failed(path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::timing::Spread;
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    fn spread() -> Spread {
        let mut spread = Spread::default();
        for n in 1..=1000_u64 {
            spread.record(n * 1_000);
        }
        spread
    }

    #[test]
    fn the_distribution_ends_at_everything() {
        let text = hgrm(&spread().histogram);
        let last = text.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let columns: Vec<&str> = last.split_whitespace().collect();
        assert_eq!(columns, ["1000.447", "1.000000000000", "1000"]);
        assert!(text.contains("Total count    =         1000]"), "{text}");
        let median = text.lines().find(|line| line.contains("0.500000000000")).unwrap();
        assert!(
            median.split_whitespace().eq(["500.223", "0.500000000000", "500", "2.00"]),
            "{median}"
        );
    }

    #[test]
    fn a_log_reads_back_to_the_last_count() {
        let (one, other) = (spread(), Spread::default());
        let mut bytes = Vec::new();
        let named: [Named<'_>; 2] = [("latency", &one), ("waking", &other)];
        let lasted = Duration::from_secs(2);
        write_hlog(&mut bytes, &named, SystemTime::UNIX_EPOCH + lasted, lasted).unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("#[Logged with weir probe]\n"), "{text}");
        let mut decoder = hdrhistogram::serialization::Deserializer::new();
        let mut found = Vec::new();
        for entry in IntervalLogIterator::new(&bytes) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let tag = interval.tag().unwrap().as_str().to_owned();
                let bytes = base64(interval.encoded_histogram());
                let histogram: Histogram<u64> = decoder.deserialize(&mut bytes.as_slice()).unwrap();
                found.push((tag, histogram.len(), histogram.max()));
            }
        }
        assert_eq!(found, [("latency".into(), 1000, 1_000_447), ("waking".into(), 0, 0)]);
    }

    fn base64(text: &str) -> Vec<u8> {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let digits = text.bytes().filter_map(|c| DIGITS.iter().position(|digit| *digit == c));
        let bits: Vec<bool> =
            digits.flat_map(|digit| (0..6).rev().map(move |bit| digit >> bit & 1 == 1)).collect();
        let byte = |bits: &[bool]| bits.iter().fold(0_u8, |byte, bit| byte << 1 | u8::from(*bit));
        bits.chunks_exact(8).map(byte).collect()
    }
}
