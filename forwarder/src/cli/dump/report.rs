//! weir's answers, and their texts. Invariant: an interval and a whole recording are the same kind of
//! report, so that every format can show both.

use serde::Serialize;
use weir_schema::ConfigErrors;

use crate::cli::{args::dump::Format, render};
use crate::observe::dump::csv::{self, Csv};
use crate::observe::dump::files::json;
use crate::observe::dump::{Series, hgrm, hlog, series, since};
use weir_api::{FlowsReport, LatencyReport, LossReport};

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Report {
    Latency(LatencyReport),
    Losses(LossReport),
    Flows {
        /// The beginning of an interval; without one, each flow counts from its first frame.
        #[serde(rename = "since_unix_ns", skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        #[serde(flatten)]
        report: FlowsReport,
    },
}

impl Report {
    /// The difference since `before`, the answer to the same request.
    pub(super) fn since(&self, before: &Self) -> anyhow::Result<Self> {
        match (before, self) {
            (Self::Latency(before), Self::Latency(after)) => {
                since::latency(before, after).map(Self::Latency)
            }
            (Self::Losses(before), Self::Losses(after)) => Ok(Self::Losses(after.since(before))),
            (Self::Flows { report: before, .. }, Self::Flows { report: after, .. }) => {
                let report = since::flows(before, after)?;
                Ok(Self::Flows { since: Some(before.until_unix_ns), report })
            }
            _ => Ok(self.clone()),
        }
    }

    pub(super) fn of_vif(mut self, vif: Option<&str>) -> anyhow::Result<Self> {
        let Some(vif) = vif else { return Ok(self) };
        match &mut self {
            Self::Latency(report) => {
                known(vif, report.vifs.iter().map(|vif| vif.name.as_str()))?;
                report.vifs.retain(|times| times.name == vif);
            }
            Self::Losses(report) => {
                known(vif, report.ports.iter().map(|port| port.name.as_str()))?;
                report.ports.retain(|port| port.name == vif);
                // The ledger covers all ports.
                report.ledger = None;
            }
            Self::Flows { report, .. } => {
                report.flows.retain(|flow| flow.vif == vif);
                report.sums.retain(|sum| sum.vif == vif);
            }
        }
        Ok(self)
    }

    pub(super) fn series(&self) -> anyhow::Result<Vec<Series>> {
        self.recorded()?;
        Ok(match self {
            Self::Latency(report) => series::of_latency(report)?,
            Self::Flows { report, .. } => series::of_flows(report)?,
            Self::Losses(_) => Vec::new(),
        })
    }

    /// A whole dump.
    pub(super) fn text(&self, kind: &str, format: Format) -> anyhow::Result<String> {
        match format {
            Format::Json => Ok(json(self)),
            Format::Hgrm => Ok(hgrm::render(&self.series()?)),
            Format::Table | Format::Csv | Format::Hlog => {
                self.piece(kind, format, self.span().0, true)
            }
        }
    }

    /// An interval of a dump that began at `start`; the first includes the parts that come only once.
    pub(super) fn piece(
        &self,
        kind: &str,
        format: Format,
        start: u64,
        first: bool,
    ) -> anyhow::Result<String> {
        let once = |header: String| if first { header } else { String::new() };
        Ok(match format {
            Format::Table if first => self.table(kind),
            Format::Table => "\n".to_owned() + &self.table(kind),
            // JSON can represent every part of a report.
            Format::Json => serde_json::to_string(self).unwrap_or_default() + "\n",
            Format::Csv => {
                let csv = self.csv(kind)?;
                once(csv.header.to_owned()) + &csv.rows
            }
            Format::Hgrm | Format::Hlog => {
                let (since, until) = self.span();
                once(hlog::header(start)) + &hlog::interval(start, since, until, &self.series()?)
            }
        })
    }

    fn table(&self, kind: &str) -> String {
        match self {
            Self::Latency(report) => render::latency(report),
            Self::Losses(report) => render::losses(report),
            Self::Flows { report, .. } if kind == "loss" => render::flow_losses(report),
            Self::Flows { report, .. } => render::flows(report),
        }
    }

    fn csv(&self, kind: &str) -> anyhow::Result<Csv> {
        self.recorded()?;
        Ok(match self {
            Self::Latency(report) => csv::latency(report),
            Self::Losses(report) => csv::losses(report),
            Self::Flows { report, since } if kind == "loss" => csv::flow_losses(report, *since),
            Self::Flows { report, since } => csv::flows(report, *since),
        })
    }

    /// Its beginning and its end, in Unix time.
    pub(super) fn span(&self) -> (u64, u64) {
        match self {
            Self::Latency(report) => (report.since_unix_ns, report.until_unix_ns),
            Self::Losses(report) => (report.since_unix_ns, report.until_unix_ns),
            Self::Flows { report, since } => {
                let begun = report.until_unix_ns.saturating_sub(report.uptime_ns);
                (since.unwrap_or(begun), report.until_unix_ns)
            }
        }
    }

    /// Refuses an empty report: an empty file would look as if nothing had been forwarded.
    fn recorded(&self) -> anyhow::Result<()> {
        let what = match self {
            Self::Latency(report) if !report.on => "latency",
            Self::Flows { report, .. } if report.capacity == 0 => "flows",
            _ => return Ok(()),
        };
        anyhow::bail!("{what}: the configuration of the running weir has this switched off")
    }
}

pub(super) fn known<'a>(
    vif: &str,
    names: impl Iterator<Item = &'a str>,
) -> Result<(), ConfigErrors> {
    let names: Vec<&str> = names.collect();
    if names.contains(&vif) {
        return Ok(());
    }
    let valid = match names.as_slice() {
        [] => "there are no ports yet".to_owned(),
        names => format!("valid: {}", names.join(", ")),
    };
    Err(ConfigErrors::argument("--vif", format!("there is no port {vif}"), valid))
}
