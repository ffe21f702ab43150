//! `.hgrm`: HdrHistogram's percentile distribution, line for line as its own tools write it, so
//! that its plotter and others' read it. Values are in microseconds, exact to the nanosecond.

use std::fmt::Write as _;

use hdrhistogram::Histogram;

use super::Series;

/// Lines per halving of the distance to 100 %, as the tools have it.
const TICKS: u32 = 5;
const NS_PER_US: f64 = 1000.0;

/// One section per series, each under a comment with its tag; readers skip what begins with `#`.
pub fn render(series: &[Series]) -> String {
    let sections: Vec<String> = series.iter().map(|one| section(&one.tag, &one.times)).collect();
    sections.join("\n")
}

/// One histogram: the content of a file for a plotter.
pub fn section(tag: &str, times: &Histogram<u64>) -> String {
    let mut text = format!("#[Histogram: {tag}, values in microseconds]\n");
    let us = |ns: f64| ns / NS_PER_US;
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:>12} {:>14} {:>10} {:>14}\n",
        "Value", "Percentile", "TotalCount", "1/(1-Percentile)"
    );
    let mut count = 0;
    for at in times.iter_quantiles(TICKS) {
        count += at.count_since_last_iteration();
        let (value, quantile) = (us(at.value_iterated_to() as f64), at.quantile_iterated_to());
        let _ = if quantile < 1.0 {
            let rarity = 1.0 / (1.0 - quantile);
            writeln!(text, "{value:12.3} {quantile:2.12} {count:10} {rarity:14.2}")
        } else {
            writeln!(text, "{value:12.3} {quantile:2.12} {count:10}")
        };
    }
    let (mean, deviation, max) = (us(times.mean()), us(times.stdev()), us(times.max() as f64));
    let _ = writeln!(text, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]");
    let _ = writeln!(text, "#[Max     = {max:12.3}, Total count    = {:12}]", times.len());
    // Powers of two, and how finely the first is divided: the next even power above `2 * 10^digits`.
    let (buckets, digits) = (times.buckets(), times.sigfig());
    let halves = (2 * 10_u64.pow(digits.into())).next_power_of_two();
    let _ = writeln!(text, "#[Buckets = {buckets:12}, SubBuckets     = {halves:12}]");
    text
}
