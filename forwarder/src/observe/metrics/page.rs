//! Writes metrics with the `prometheus-client` crate. Invariant: a row has exactly its metric's labels
//! and a value of its metric's kind, else nothing is written.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use weir_core::Reason;

use super::families::{Kind, Metric};
use super::fill::MetricRows;
use super::times::Spread;

#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'s> {
    Whole(u64),
    Real(f64),
    Spread(&'s Spread),
}

#[derive(Debug)]
pub(super) struct MetricsPage<'e>(DescriptorEncoder<'e>);

impl<'e> MetricsPage<'e> {
    pub(super) fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self(encoder)
    }

    /// Writes a metric with all its rows; it must not be written again.
    pub(super) fn family(&mut self, metric: &Metric, rows: MetricRows<'_>) -> fmt::Result {
        let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
        // The encoder appends the unit to the name.
        let stem = match metric.unit {
            Some(unit) => metric.name.strip_suffix(unit).and_then(|stem| stem.strip_suffix('_')),
            None => Some(metric.name),
        };
        let kind = match metric.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        let stem = stem.ok_or(fmt::Error)?;
        let mut encoder = self.0.encode_descriptor(stem, &help(metric), unit.as_ref(), kind)?;
        for (values, value) in rows {
            if values.len() != metric.labels.len() {
                return Err(fmt::Error);
            }
            let pairs = metric.labels.iter().zip(&values);
            let labels: Vec<(&str, &str)> = pairs.map(|(name, value)| (*name, &**value)).collect();
            match (metric.kind, labels.is_empty()) {
                (Kind::Info, _) => encoder.encode_info(&labels)?,
                (kind, true) => put(&mut encoder, kind, value)?,
                (kind, false) => put(&mut encoder.encode_family(&labels)?, kind, value)?,
            }
        }
        Ok(())
    }
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

fn put(encoder: &mut MetricEncoder<'_>, kind: Kind, value: Value<'_>) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(n)) => encoder.encode_counter::<NoLabelSet, _, f64>(&n, None),
        (Kind::Counter, Value::Real(x)) => encoder.encode_counter::<NoLabelSet, _, f64>(&x, None),
        (Kind::Gauge, Value::Whole(n)) => encoder.encode_gauge(&n),
        (Kind::Gauge, Value::Real(x)) => encoder.encode_gauge(&x),
        (Kind::Histogram, Value::Spread(spread)) => {
            let buckets = spread.buckets();
            encoder.encode_histogram::<NoLabelSet>(
                spread.sum_seconds(),
                spread.count(),
                &buckets,
                None,
            )
        }
        _ => Err(fmt::Error),
    }
}
