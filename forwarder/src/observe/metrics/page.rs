//! Writes the page in OpenMetrics or in the older text format, as the client prefers. Invariant: both
//! carry the same data; what only OpenMetrics has is left out of the other or expressed in its terms. A
//! row has exactly its metric's labels and a value of its metric's kind.

use std::fmt::{self, Write as _};

use weir_core::{Reason, broken, invariant};

use super::Sample;
use super::families::{ALL, Kind, Metric};
use super::times::Spread;

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'s> {
    Whole(u64),
    Real(f64),
    Spread(&'s Spread),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    OpenMetrics,
    Classic,
}

const OPEN_METRICS: &str = "application/openmetrics-text";
const CLASSIC: &str = "text/plain";

impl Format {
    /// Chooses by the request's `Accept`. A client that does not ask for OpenMetrics may not know it.
    pub(super) fn wanted(accept: &str) -> Self {
        let (mut open, mut classic) = (0.0, 0.0_f64);
        for range in accept.split(',') {
            let (media, parameters) = range.split_once(';').unwrap_or((range, ""));
            let quality = quality(parameters);
            match media.trim().to_ascii_lowercase().as_str() {
                OPEN_METRICS => open = quality,
                CLASSIC => classic = classic.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= classic { Self::OpenMetrics } else { Self::Classic }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

fn quality(parameters: &str) -> f64 {
    let quality = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0))
}

pub fn page(sample: &Sample, format: Format) -> String {
    let (mut text, open) = (String::new(), format == Format::OpenMetrics);
    let before = invariant::of_this_thread().count;
    for metric in ALL {
        // Writing to a string cannot fail.
        let _ = family(&mut text, metric, sample, open);
    }
    if open {
        text.push_str("# EOF\n");
    }
    let broken = invariant::of_this_thread();
    if broken.count > before {
        tracing::error!("the metrics' page has a wrong row: {}", broken.last);
    }
    text
}

/// The older format's `HELP` and `TYPE` name samples, not the family; it has neither units nor infos.
fn family(text: &mut String, metric: &Metric, sample: &Sample, open: bool) -> fmt::Result {
    let (name, kind, suffix) = (metric.name, metric.kind, metric.kind.suffix());
    let heading = if open { "" } else { suffix };
    let shown = if kind == Kind::Info && !open { Kind::Gauge } else { kind };
    writeln!(text, "# HELP {name}{heading} {}", help(metric))?;
    writeln!(text, "# TYPE {name}{heading} {}", shown.name())?;
    if let Some(unit) = metric.unit.filter(|_| open) {
        writeln!(text, "# UNIT {name} {unit}")?;
    }
    for (values, value) in (metric.rows)(sample) {
        invariant!(values.len() == metric.labels.len(), "a metric's row has other labels");
        let pairs = metric.labels.iter().zip(&values);
        let labels: Vec<String> =
            pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let braced = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        match (kind, value) {
            (Kind::Histogram, Value::Spread(spread)) => {
                writeln!(text, "{name}_sum{braced} {}", real(spread.sum_seconds()))?;
                writeln!(text, "{name}_count{braced} {}", spread.count())?;
                let mut below = 0;
                for (bound, packets) in spread.buckets() {
                    below += packets;
                    let bound = if bound.is_finite() { real(bound) } else { "+Inf".to_owned() };
                    let bound = format!("le=\"{bound}\"");
                    let labels = [&[bound], labels.as_slice()].concat().join(",");
                    writeln!(text, "{name}_bucket{{{labels}}} {below}")?;
                }
            }
            (Kind::Histogram, _) | (_, Value::Spread(_)) => broken!("a metric of another kind"),
            (_, Value::Whole(number)) => writeln!(text, "{name}{suffix}{braced} {number}")?,
            (_, Value::Real(number)) => writeln!(text, "{name}{suffix}{braced} {}", real(number))?,
        }
    }
    Ok(())
}

/// With a decimal point, so that it is no whole number.
fn real(number: f64) -> String {
    if number.fract() == 0.0 { format!("{number:.1}") } else { number.to_string() }
}

/// The kernel lets interfaces have quotation marks in their names.
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
}

/// The metric's sentence; for losses, also the meaning of each reason and what to do about it.
fn help(metric: &Metric) -> String {
    let mut text = metric.help.to_owned();
    if metric.name.ends_with("_lost_frames") {
        for reason in Reason::ALL {
            // One format escapes quotation marks and the other does not.
            let sentence = reason.describe().replace('"', "'");
            text.extend([" ", reason.name(), ": ", &sentence]);
        }
    }
    text
}

#[cfg(test)]
mod tests;
