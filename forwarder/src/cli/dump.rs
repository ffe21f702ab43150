//! `weir dump`: once, or interval by interval. Invariant: every write is whole: a single dump replaces
//! its file at once, and intervals are appended one by one, each in one piece.

mod report;

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use self::report::{Report, known};
use super::args::dump::{By, FORMATS, Format, HISTOGRAM_FORMATS, What};
use super::stop::Stop;
use super::{Output, print};
use crate::observe::dump::{Series, files, hgrm, series};
use weir_api::{Client, FlowQuery, LatencyQuery, LossReport};
use weir_core::Choice as _;
use weir_schema::ConfigErrors;

pub async fn run(what: &What, control: &Path) -> anyhow::Result<()> {
    let job = Job::new(what)?;
    match job.every {
        Some(every) => job.intervals(every, control).await,
        None => job.once(control).await,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Latency,
    Flows,
    Losses,
}

/// The work to do, with all arguments checked.
#[derive(Debug)]
struct Job {
    /// The kind's name for a file in a folder.
    kind: &'static str,
    source: Source,
    histograms: bool,
    vif: Option<String>,
    /// Begin a new recording after it.
    reset: bool,
    by: By,
    format: Format,
    target: Target,
    every: Option<Duration>,
    count: Option<u64>,
}

impl Job {
    fn new(what: &What) -> Result<Self, ConfigErrors> {
        use Source::{Flows, Latency, Losses};
        let (kind, of, by, asked, common, reset) = match what {
            What::Latency(a) => ("latency", Latency, a.by, a.format, &a.common, a.reset),
            What::Loss(a) => ("loss", Losses, a.by, a.format, &a.common, false),
            What::Flows(a) => ("flows", Flows, a.by, a.format, &a.common, a.reset),
        };
        let source = if by == By::Flow { Flows } else { of };
        let valid = if of == Latency { HISTOGRAM_FORMATS } else { FORMATS };
        let format = format(asked, common.output.as_deref(), valid)?;
        if format == Format::Hgrm && common.interval.is_some() {
            let wrong = "hgrm is of one time span, and --interval makes many";
            return Err(ConfigErrors::argument("--format", wrong, "valid: hlog, json, csv, table"));
        }
        let whole = matches!(format, Format::Hgrm | Format::Hlog | Format::Json) || by == By::Stage;
        Ok(Self {
            kind,
            source,
            // Differences of times can be taken of whole histograms only.
            histograms: kind != "loss" && (whole || common.interval.is_some()),
            vif: common.vif.clone(),
            reset,
            by,
            format,
            target: Target::of(common.output.as_deref(), kind, format),
            every: common.interval,
            count: common.count,
        })
    }

    async fn ask(&self, control: &Path) -> anyhow::Result<Report> {
        let (client, histograms, reset) = (Client::at(control), self.histograms, self.reset);
        match self.source {
            Source::Losses => Ok(Report::Losses(LossReport::of(&client.stats().await?))),
            Source::Latency => {
                let query = LatencyQuery { histograms, reset };
                Ok(Report::Latency(client.latency(query).await?))
            }
            Source::Flows => {
                // A vif without flows is fine, but an unknown vif is an error.
                if let Some(vif) = &self.vif {
                    let ports = client.ports().await?.ports;
                    known(vif, ports.iter().map(|port| port.name.as_str()))?;
                }
                let query = FlowQuery { histograms, reset, ..FlowQuery::default() };
                Ok(Report::Flows { since: None, report: client.flows(&query).await? })
            }
        }
    }

    async fn once(&self, control: &Path) -> anyhow::Result<()> {
        let report = self.shaped(self.ask(control).await?)?;
        if let Target::Folder(folder) = &self.target {
            return write_each(folder, &report.series()?);
        }
        let text = report.text(self.kind, self.format)?;
        match self.target.file()? {
            None => print(&text),
            Some(path) => files::write(path, &text),
        }
    }

    async fn intervals(&self, every: Duration, control: &Path) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        let mut before = self.ask(control).await?;
        let (_, start) = before.span();
        let mut out = match self.target.file()? {
            None => Output::default(),
            Some(path) => Output::file(path, &mut File::options())?,
        };
        let mut next = Instant::now();
        let mut written = 0;
        loop {
            // Missed intervals are not made up for: they would have no length.
            next = (next + every).max(Instant::now());
            let ended = tokio::select! {
                _ = sleep_until(next) => false,
                () = stop.told() => true,
            };
            let after = self.ask(control).await?;
            let report = self.shaped(after.since(&before)?)?;
            let piece = report.piece(self.kind, self.format, start, written == 0)?;
            out.write(piece.as_bytes())?;
            written += 1;
            if ended || self.count.is_some_and(|count| written >= count) {
                return Ok(());
            }
            before = after;
        }
    }

    fn shaped(&self, report: Report) -> anyhow::Result<Report> {
        match report.of_vif(self.vif.as_deref())? {
            Report::Latency(report) if self.by == By::Stage => {
                Ok(Report::Latency(series::by_stage(&report)?))
            }
            report => Ok(report),
        }
    }
}

/// The requested format, or the one that the file's name implies.
fn format(
    asked: Option<Format>,
    output: Option<&Path>,
    valid: &[Format],
) -> Result<Format, ConfigErrors> {
    let Some(path) = output.filter(|_| asked.is_none()) else {
        return Ok(asked.unwrap_or_default());
    };
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let named = valid.iter().find(|format| format.name() == ending);
    named.copied().ok_or_else(|| {
        let names: Vec<&str> = valid.iter().map(|format| format.name()).collect();
        let wrong = format!("\"{}\" does not say in which format", path.display());
        let valid =
            format!("valid: --format with one of {0}, or a name that ends so", names.join(", "));
        ConfigErrors::argument("--output", wrong, valid)
    })
}

/// Where a dump is written.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Stdout,
    File(PathBuf),
    /// One file for each histogram.
    Folder(PathBuf),
}

impl Target {
    fn of(output: Option<&Path>, kind: &str, format: Format) -> Self {
        let Some(path) = output else { return Self::Stdout };
        let folder = path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir();
        match (folder, format) {
            (false, _) => Self::File(path.to_owned()),
            (true, Format::Hgrm) => Self::Folder(path.to_owned()),
            (true, Format::Table) => Self::File(path.join(format!("{kind}.txt"))),
            (true, _) => Self::File(path.join(format!("{kind}.{format}"))),
        }
    }

    /// Its file, whose folder is there then; `None`: standard output.
    fn file(&self) -> anyhow::Result<Option<&Path>> {
        let Self::File(path) = self else { return Ok(None) };
        path.parent().map_or(Ok(()), files::make_folder)?;
        Ok(Some(path))
    }
}

/// Writes each histogram to a file named after its tag, as a plotter needs it.
fn write_each(folder: &Path, series: &[Series]) -> anyhow::Result<()> {
    files::make_folder(folder)?;
    for one in series {
        // Addresses and interfaces have no slash; a file's name must have none, either.
        let name = format!("{}.hgrm", one.tag.replace('/', "_"));
        files::write(&folder.join(name), &hgrm::section(&one.tag, &one.times))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
