//! OpenMetrics, or the older text format, as the client prefers.

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

#[cfg(test)]
mod tests;
