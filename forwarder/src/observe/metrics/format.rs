//! OpenMetrics, or the older text format, as the client prefers. Invariant: both carry the same data;
//! what only OpenMetrics has is left out of the other or expressed in its terms.

use super::families::{ALL, Kind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
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

    pub(super) fn of(self, open_metrics: &str) -> String {
        match self {
            Self::OpenMetrics => open_metrics.to_owned(),
            Self::Classic => classic(open_metrics),
        }
    }
}

fn quality(parameters: &str) -> f64 {
    let quality = parameters.split(';').find_map(|parameter| parameter.trim().strip_prefix("q="));
    quality.map_or(1.0, |quality| quality.parse().unwrap_or(0.0))
}

/// In the older format, `HELP` and `TYPE` name the samples instead of the family; it has neither units
/// nor infos.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 4096);
    for line in open_metrics.lines() {
        let comment = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        let Some((word, rest)) = comment else {
            if !line.starts_with('#') {
                text.extend([line, "\n"]);
            }
            continue;
        };
        let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let kind = ALL.iter().find(|metric| metric.name == name).map(|metric| metric.kind);
        let suffix = kind.map_or("", Kind::suffix);
        match word {
            "HELP" => text.extend(["# HELP ", name, suffix, " ", rest, "\n"]),
            "TYPE" if kind == Some(Kind::Info) => {
                text.extend(["# TYPE ", name, suffix, " gauge\n"]);
            }
            "TYPE" => text.extend(["# TYPE ", name, suffix, " ", rest, "\n"]),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests;
