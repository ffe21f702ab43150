//! The requests for one picture. Invariant: data that is refused or switched off is reported as missing by
//! its name and hides nothing else.

use std::{collections::BTreeMap, path::Path};

use hdrhistogram::Histogram;

use crate::cli::args::View;
use crate::observe::dump::since::take;
use weir_api::{
    Client, ClientError, FlowQuery, FlowsReport, LatencyQuery, LatencyReport, StatsReport,
    histogram::decode,
};

/// More flows than anyone would scroll through.
const FLOWS: usize = 200;

/// The answers to one round of requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) stats: StatsReport,
    pub(super) latency: Measured<Latency>,
    pub(super) flows: Measured<FlowsReport>,
}

#[derive(Clone, Debug, Default)]
pub(super) enum Measured<T> {
    #[default]
    NotAsked,
    /// The configuration has it switched off.
    Off,
    /// Why there is no answer.
    Unavailable(String),
    On(T),
}

/// Residence times by source, since `since_unix_ns`.
#[derive(Clone, Debug, Default)]
pub(super) struct Latency {
    pub(super) since_unix_ns: u64,
    pub(super) residence: BTreeMap<String, Histogram<u64>>,
}

impl<T> Measured<T> {
    pub(super) fn on(&self) -> Option<&T> {
        match self {
            Self::On(report) => Some(report),
            _ => None,
        }
    }
}

impl Sample {
    /// Fails if weir is gone; flows are requested only where they are shown.
    pub(super) async fn take(socket: &Path, view: View) -> Result<Self, ClientError> {
        let client = Client::at(socket);
        let stats = client.stats().await?;
        let histograms = LatencyQuery { histograms: true, reset: false };
        let latency = client.latency(histograms).await;
        let latency = measured(latency, |report| report.on.then(|| Latency::of(&report)))?;
        let flows = if view == View::Flows {
            let query = FlowQuery { top: Some(FLOWS), ..FlowQuery::default() };
            let flows = client.flows(&query).await;
            measured(flows, |report| (report.capacity > 0).then_some(report))?
        } else {
            Measured::NotAsked
        };
        Ok(Self { stats, latency, flows })
    }
}

/// What `of` makes of the answer; `None`: it is switched off.
fn measured<R, T>(
    answer: Result<R, ClientError>,
    of: impl FnOnce(R) -> Option<T>,
) -> Result<Measured<T>, ClientError> {
    match answer {
        Ok(report) => Ok(of(report).map_or(Measured::Off, Measured::On)),
        // weir runs and refuses, or is too busy.
        Err(
            error @ (ClientError::Refused(_)
            | ClientError::Garbled { .. }
            | ClientError::Late { .. }),
        ) => Ok(Measured::Unavailable(error.to_string())),
        Err(error) => Err(error),
    }
}

impl Latency {
    pub(super) fn of(report: &LatencyReport) -> Self {
        let residence = report.vifs.iter().filter_map(|vif| {
            let times = vif.stages.iter().find(|times| times.stage == "residence")?;
            Some((vif.name.clone(), decode(times.histogram.as_deref()?)?))
        });
        Self { since_unix_ns: report.since_unix_ns, residence: residence.collect() }
    }

    /// The times of `vif` since `before`, or all of them if `before` is of another recording.
    pub(super) fn since(&self, before: Option<&Self>, vif: &str) -> Option<Histogram<u64>> {
        let mut now = self.residence.get(vif)?.clone();
        let before = before.filter(|before| before.since_unix_ns == self.since_unix_ns);
        if let Some(before) = before.and_then(|before| before.residence.get(vif)) {
            take(&mut now, before);
        }
        Some(now)
    }
}

#[cfg(test)]
pub(super) mod tests;
