//! The arguments of `weir dump`. Invariant: each kind of dump has the formats that can express it, and
//! clap lists them when another is requested.

use std::{path::PathBuf, time::Duration};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use weir_core::Choice;

use super::{interface, time};

pub(super) const EXAMPLES: &str = "\
Examples:
  weir dump latency                            a table, for people
  weir dump latency --output latency.hlog      for HdrHistogram's tools
  weir dump latency --by stage --format hgrm   where time goes, all vifs together
  weir dump latency --interval 1s --output latency.hlog
                                               a histogram a second, until Ctrl-C
  weir dump flows --vif v1 --format csv        who v1 talks to
  weir dump loss --interval 60s --format csv   what is lost, minute by minute
What every column means: docs/dumps.md";

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// How long packets took, and where: HdrHistograms by vif and stage, or by flow
    ///
    /// Of the packets that workers delivered. What the gate hands over itself, by the express lane, is
    /// not timed.
    Latency(LatencyDump),
    /// What was lost, by port and reason
    Loss(LossDump),
    /// Who talks to whom, and what came of it
    ///
    /// What the gate hands over itself, by the express lane, is in no flow: it is in its source's sum
    /// (other), so that a source's rows and sums are all that it sent.
    Flows(FlowsDump),
}

weir_core::choices! {
    /// How a dump is written; of a file, what its name ends in.
    #[derive(Default)]
    Format {
        /// For people
        #[default]
        Table = "table",
        /// HdrHistogram's percentile distribution
        Hgrm = "hgrm",
        /// HdrHistogram's interval log
        Hlog = "hlog",
        /// As the control socket answers
        Json = "json",
        /// For spreadsheets
        Csv = "csv",
    }

    /// By what a dump is divided.
    By {
        /// By source
        Vif = "vif",
        /// By stage
        Stage = "stage",
        /// By flow
        Flow = "flow",
    }
}

/// The formats that can express any numbers, and those that can express histograms.
pub const FORMATS: &[Format] = &[Format::Table, Format::Json, Format::Csv];
pub const HISTOGRAM_FORMATS: &[Format] = Format::ALL;

#[derive(Clone, Debug, Args)]
pub struct LatencyDump {
    /// hgrm and hlog are HdrHistogram's, with every count [default: table, or as --output ends]
    #[arg(long, value_parser = some(HISTOGRAM_FORMATS))]
    pub format: Option<Format>,
    /// Each vif's stages and residence; the stages of all vifs together; each flow's residence
    #[arg(long, default_value = "vif", value_parser = some(By::ALL))]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
    /// Begin a new recording after this dump, for all readers
    #[arg(long, conflicts_with = "interval")]
    pub reset: bool,
}

#[derive(Clone, Debug, Args)]
pub struct LossDump {
    /// How it is written [default: table, or as --output ends]
    #[arg(long, value_parser = some(FORMATS))]
    pub format: Option<Format>,
    /// What every port lost, or every flow
    #[arg(long, default_value = "vif", value_parser = some(&[By::Vif, By::Flow]))]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Clone, Debug, Args)]
pub struct FlowsDump {
    /// How it is written [default: table, or as --output ends]
    #[arg(long, value_parser = some(FORMATS))]
    pub format: Option<Format>,
    /// There is no other division; `weir dump latency` has some
    #[arg(long, default_value = "flow", value_parser = some(&[By::Flow]), hide = true)]
    pub by: By,
    #[command(flatten)]
    pub common: Common,
    /// Forget all flows after this dump, for all readers
    #[arg(long, conflicts_with = "interval")]
    pub reset: bool,
}

#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Only this vif's packets
    #[arg(long, value_name = "NAME", value_parser = interface)]
    pub vif: Option<String>,
    /// Dump again and again what happened since the last time, until Ctrl-C
    ///
    /// weir's own records are not touched by it. The first interval begins now; Ctrl-C cuts the
    /// last one short, and it is still written.
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Option<Duration>,
    /// End after N intervals
    #[arg(long, value_name = "N", requires = "interval")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Write to this file, or into this folder [default: standard output]
    ///
    /// A folder ends in a slash or is there already. In it, hgrm is a file for each histogram, as
    /// plotters want it.
    #[arg(short, long, value_name = "PATH")]
    pub output: Option<PathBuf>,
}

/// A parser for some of the choices, by their names alone.
fn some<T: Choice>(valid: &'static [T]) -> impl TypedValueParser<Value = T> {
    let names = valid.iter().map(|choice| choice.name());
    PossibleValuesParser::new(names).try_map(|name| T::of_name(&name).ok_or(name))
}

/// A shorter interval would measure the requests themselves.
fn interval(text: &str) -> Result<Duration, String> {
    time(text, Duration::from_millis(10)..=Duration::from_secs(86_400), "10ms to 86400s")
}
