//! `weir dump`: once, or interval by interval. Invariant: every write is whole: a single dump replaces
//! its file at once, and intervals are appended one by one, each in one piece.

mod report;
mod target;

use std::{path::Path, time::Duration};

use tokio::time::{Instant, sleep_until};

use self::report::{Question, Report, Source};
use self::target::Target;
use super::args::DumpArgs;
use super::args::dump::{By, FORMATS, Format, HISTOGRAM_FORMATS, What};
use super::stop::Stop;
use crate::observe::dump::series;
use weir_core::Choice as _;
use weir_schema::ConfigErrors;

pub async fn run(args: &DumpArgs, control: &Path) -> anyhow::Result<()> {
    let job = Job::new(args)?;
    match job.every {
        Some(every) => job.intervals(every, control).await,
        None => job.once(control).await,
    }
}

/// The work to do, with all arguments checked.
#[derive(Debug)]
struct Job {
    /// The kind's name for a file in a folder.
    kind: &'static str,
    question: Question,
    by: By,
    format: Format,
    target: Target,
    every: Option<Duration>,
    count: Option<u64>,
}

impl Job {
    fn new(args: &DumpArgs) -> Result<Self, ConfigErrors> {
        use Source::{Flows, Latency, Losses};
        let (kind, of, by, asked, common, reset) = match &args.what {
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
            question: Question {
                source,
                // Differences of times can be taken of whole histograms only.
                histograms: kind != "loss" && (whole || common.interval.is_some()),
                vif: common.vif.clone(),
                reset,
            },
            by,
            format,
            target: Target::of(common.output.as_deref(), kind, format),
            every: common.interval,
            count: common.count,
        })
    }

    async fn once(&self, control: &Path) -> anyhow::Result<()> {
        let report = self.shaped(self.question.ask(control).await?)?;
        if let (Format::Hgrm, Target::Folder(folder)) = (self.format, &self.target) {
            return target::write_each(folder, &report.series()?);
        }
        self.target.write(&report.text(self.kind, self.format)?)
    }

    async fn intervals(&self, every: Duration, control: &Path) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        let mut before = self.question.ask(control).await?;
        let (_, start) = before.span();
        let mut out = self.target.open()?;
        let mut next = Instant::now();
        let mut written = 0;
        loop {
            // Missed intervals are not made up for: they would have no length.
            next = (next + every).max(Instant::now());
            let ended = tokio::select! {
                _ = sleep_until(next) => false,
                () = stop.told() => true,
            };
            let after = self.question.ask(control).await?;
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
        match report.of_vif(self.question.vif.as_deref())? {
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

#[cfg(test)]
mod tests;
